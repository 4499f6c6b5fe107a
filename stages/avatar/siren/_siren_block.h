/* PIXELS pixels by VECTORS vectors of outputs, all held in registers: the inmost loops. Included by
 * _siren.h for each number of vectors; the macros name what lies in registers one by one. */

#if VECTORS >= 2
#define SECOND(text) text
#else
#define SECOND(text)
#endif
#if VECTORS >= 3
#define THIRD(text) text
#else
#define THIRD(text)
#endif

static void OF(block, VECTORS)(const float *weight, const float *bias, const float *x,
    int step, int in, float *y, int out_step, int sine)
{
#define START(p) \
    VECTOR sum##p##_0 = NAME(load)(bias); \
    SECOND(VECTOR sum##p##_1 = NAME(load)(bias + WIDTH);) \
    THIRD(VECTOR sum##p##_2 = NAME(load)(bias + 2 * WIDTH);) \
    const float *x##p = x + p * (ptrdiff_t)step;
#define MULTIPLY(p) { \
        float value = x##p[at]; \
        sum##p##_0 += weight_0 * value; \
        SECOND(sum##p##_1 += weight_1 * value;) \
        THIRD(sum##p##_2 += weight_2 * value;) \
    }
#define WAVE(p) \
    sum##p##_0 = NAME(wave)(sum##p##_0); \
    SECOND(sum##p##_1 = NAME(wave)(sum##p##_1);) \
    THIRD(sum##p##_2 = NAME(wave)(sum##p##_2);)
#define STORE(p) \
    NAME(store)(y + p * (ptrdiff_t)out_step, sum##p##_0); \
    SECOND(NAME(store)(y + p * (ptrdiff_t)out_step + WIDTH, sum##p##_1);) \
    THIRD(NAME(store)(y + p * (ptrdiff_t)out_step + 2 * WIDTH, sum##p##_2);)

    ROWS(START)
    for (int at = 0; at < in; at++, weight += VECTORS * WIDTH) {
        VECTOR weight_0 = NAME(load)(weight);
        SECOND(VECTOR weight_1 = NAME(load)(weight + WIDTH);)
        THIRD(VECTOR weight_2 = NAME(load)(weight + 2 * WIDTH);)
        ROWS(MULTIPLY)
    }
    if (sine) {
        ROWS(WAVE)
    }
    ROWS(STORE)
#undef START
#undef MULTIPLY
}

#if COARSE
#if VECTORS == 1
/* Rounds rows of floats to bfloat16; the new rows have an even number of elements. */
static int NAME(halve)(const float *x, int step, int pixels, uint16_t *y)
{
    int even = (step + 1) / 2 * 2;
    for (int row = 0; row < pixels; row++) {
        const float *from = x + (ptrdiff_t)row * step;
        uint16_t *to = y + (ptrdiff_t)row * even;
        for (int at = 0; at < step; at += WIDTH) {
            int place = at + WIDTH > step ? step - WIDTH : at;
            __m256bh half = _mm512_cvtneps_pbh((__m512)NAME(load)(from + place));
            memcpy(to + place, &half, sizeof half);
        }
        if (even > step)
            to[step] = 0;
    }
    return even;
}
#endif

static void OF(coarse, VECTORS)(const uint16_t *weight, const float *bias,
    const uint16_t *x, int step, int pairs, void *out, int out_step, int whole)
{
#define START(p) \
    VECTOR sum##p##_0 = NAME(load)(bias); \
    SECOND(VECTOR sum##p##_1 = NAME(load)(bias + WIDTH);) \
    THIRD(VECTOR sum##p##_2 = NAME(load)(bias + 2 * WIDTH);) \
    const uint16_t *x##p = x + p * (ptrdiff_t)step;
#define PRODUCT(sum, weight) \
    sum = (VECTOR)_mm512_dpbf16_ps((__m512)sum, (__m512bh)weight, (__m512bh)value)
#define MULTIPLY(p) { \
        int32_t pair; \
        memcpy(&pair, x##p + 2 * at, sizeof pair); \
        __m512i value = _mm512_set1_epi32(pair); \
        PRODUCT(sum##p##_0, weight_0); \
        SECOND(PRODUCT(sum##p##_1, weight_1);) \
        THIRD(PRODUCT(sum##p##_2, weight_2);) \
    }
#define HALF(to, sum) { \
        __m256bh half = _mm512_cvtneps_pbh((__m512)sum); \
        memcpy(to, &half, sizeof half); \
    }
#define STORE_HALF(p) \
    HALF(z + p * (ptrdiff_t)out_step, sum##p##_0) \
    SECOND(HALF(z + p * (ptrdiff_t)out_step + WIDTH, sum##p##_1)) \
    THIRD(HALF(z + p * (ptrdiff_t)out_step + 2 * WIDTH, sum##p##_2))

    ROWS(START)
    for (int at = 0; at < pairs; at++, weight += 2 * VECTORS * WIDTH) {
        __m512i weight_0 = _mm512_loadu_si512(weight);
        SECOND(__m512i weight_1 = _mm512_loadu_si512(weight + 2 * WIDTH);)
        THIRD(__m512i weight_2 = _mm512_loadu_si512(weight + 4 * WIDTH);)
        ROWS(MULTIPLY)
    }
    ROWS(WAVE)
    if (whole) {
        float *y = out;
        ROWS(STORE)
    } else {
        uint16_t *z = out;
        ROWS(STORE_HALF)
    }
#undef START
#undef PRODUCT
#undef MULTIPLY
#undef HALF
#undef STORE_HALF
}
#endif

#undef WAVE
#undef STORE
#undef SECOND
#undef THIRD
#undef VECTORS
