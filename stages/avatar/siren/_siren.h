/* The body of _kernel.c for vectors of WIDTH floats. Before it is included:
 * NAME(x) gives names of its own, PIXELS pixels are computed at once, ROWS(F) calls F(0) .. F(PIXELS
 * - 1), COARSE says whether bfloat16 is computed as well. All of these end with the include. */

typedef float NAME(vector) __attribute__((vector_size(4 * WIDTH)));
#define VECTOR NAME(vector)

static inline VECTOR NAME(load)(const float *from)
{
    VECTOR value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline void NAME(store)(float *to, VECTOR value)
{
    memcpy(to, &value, sizeof value);
}

/* cos(2 pi t). Adding 1.5 * 2^23 rounds to whole turns; the polynomial is the best of its degree on
 * [0, 1/4], off by 1.1e-8, less than single precision tells. */
static inline VECTOR NAME(wave)(VECTOR t)
{
    VECTOR turns = (t + 12582912.0f) - 12582912.0f;
    t -= turns;
    VECTOR u = t * t;
    VECTOR sum = u * 6.52961063f - 25.9683132f;
    sum = sum * u + 60.1678314f;
    sum = sum * u - 85.4501648f;
    sum = sum * u + 64.9391174f;
    sum = sum * u - 19.7392044f;
    return sum * u + 1.0f;
}

#define VECTORS 1
#include "_siren_block.h"
#define VECTORS 2
#include "_siren_block.h"
#define VECTORS 3
#include "_siren_block.h"

/* One layer for `pixels` pixels, a multiple of PIXELS; rows of x have `step` floats. */
static void NAME(layer)(const struct layer *layer, const float *x, int step, int pixels, float *y,
    int sine)
{
    int vectors = layer->padded / WIDTH;
    for (int first = 0; first < vectors; first += GROUP) {
        int left = vectors - first;
        const float *weight = layer->weight + (ptrdiff_t)first * WIDTH * layer->in;
        const float *bias = layer->bias + first * WIDTH;
        for (int at = 0; at < pixels; at += PIXELS) {
            const float *from = x + (ptrdiff_t)at * step;
            float *to = y + (ptrdiff_t)at * layer->padded + first * WIDTH;
            if (left >= 3)
                OF(block, 3)(weight, bias, from, step, layer->in, to, layer->padded, sine);
            else if (left == 2)
                OF(block, 2)(weight, bias, from, step, layer->in, to, layer->padded, sine);
            else
                OF(block, 1)(weight, bias, from, step, layer->in, to, layer->padded, sine);
        }
    }
}

#if COARSE
/* The same with products of bfloat16; x is bfloat16, and so is y unless `whole`. Steps are in
 * elements. */
static void NAME(coarse_layer)(const struct layer *layer, const uint16_t *x, int step, int pixels,
    void *y, int whole)
{
    int vectors = layer->padded / WIDTH, pairs = (layer->in + 1) / 2;
    for (int first = 0; first < vectors; first += GROUP) {
        int left = vectors - first;
        const uint16_t *weight = layer->coarse + (ptrdiff_t)first * WIDTH * 2 * pairs;
        const float *bias = layer->bias + first * WIDTH;
        for (int at = 0; at < pixels; at += PIXELS) {
            const uint16_t *from = x + (ptrdiff_t)at * step;
            ptrdiff_t place = (ptrdiff_t)at * layer->padded + first * WIDTH;
            void *to = whole ? (void *)((float *)y + place) : (void *)((uint16_t *)y + place);
            if (left >= 3)
                OF(coarse, 3)(weight, bias, from, step, pairs, to, layer->padded, whole);
            else if (left == 2)
                OF(coarse, 2)(weight, bias, from, step, pairs, to, layer->padded, whole);
            else
                OF(coarse, 1)(weight, bias, from, step, pairs, to, layer->padded, whole);
        }
    }
}
#endif

/* The first layer of one pixel. The last vector overlaps the one before, where need be. */
static inline void NAME(begin)(const struct job *job, int row, int column, float *x)
{
    const float turn = 0.15915494309189535f;
    int width = job->network->width;
    if (job->source) {
        /* Three parts of the near neighbour to one of the far; sixteenths are in the source. */
        const float *near = job->source + (row / 2 + 1) * job->source_row
            + (ptrdiff_t)(column / 2 + 1) * width;
        ptrdiff_t aside = column % 2 ? width : -width;
        const float *far = near + (row % 2 ? job->source_row : -job->source_row);
        for (int at = 0; at < width; at += WIDTH) {
            int place = at + WIDTH > width ? width - WIDTH : at;
            VECTOR upper = NAME(load)(near + place) * 3.0f + NAME(load)(near + aside + place);
            VECTOR lower = NAME(load)(far + place) * 3.0f + NAME(load)(far + aside + place);
            NAME(store)(x + place, NAME(wave)((upper * 3.0f + lower) * turn - 0.25f));
        }
        return;
    }
    const float *down = job->rows + (ptrdiff_t)row * width;
    const float *across = job->columns + (ptrdiff_t)column * width;
    for (int at = 0; at < width; at += WIDTH) {
        int place = at + WIDTH > width ? width - WIDTH : at;
        VECTOR sum = NAME(load)(down + place) + NAME(load)(across + place);
        NAME(store)(x + place, NAME(wave)(sum * turn - 0.25f));
    }
}

static inline void NAME(end)(const struct job *job, int row, int column, const float *y)
{
    if (job->picture) {
        finish(job, y, row, column);
        return;
    }
    int out = job->network->layers[job->network->count - 1].out;
    float *to = job->target + row * job->target_row + (ptrdiff_t)column * out;
    if (!job->add_rows) {
        memcpy(to, y, sizeof(float) * (size_t)out);
        return;
    }
    const float *down = job->add_rows + (ptrdiff_t)row * out;
    const float *across = job->add_columns + (ptrdiff_t)column * out;
    for (int at = 0; at < out; at++)
        to[at] = y[at] + down[at] + across[at];
}

static void NAME(run)(const struct job *job)
{
    const struct network *network = job->network;
    int wide = job->right - job->left, count = (job->bottom - job->top) * wide;
    for (int first = 0; first < count; first += TILE) {
        int pixels = count - first < TILE ? count - first : TILE;
        int whole = (pixels + PIXELS - 1) / PIXELS * PIXELS;
        float *x = job->scratch, *y = job->scratch + TILE * WIDEST;
        int step = network->width;
        for (int at = 0; at < pixels; at++)
            NAME(begin)(job, job->top + (first + at) / wide, job->left + (first + at) % wide,
                x + (ptrdiff_t)at * step);
        int done = 0;
#if COARSE
        int hidden = network->count - 1;
        if (hidden && network->layers[0].coarse) {
            step = NAME(halve)(x, step, whole, (uint16_t *)y);
            for (; done < hidden; done++) {
                float *spare = x;
                x = y;
                y = spare;
                NAME(coarse_layer)(&network->layers[done], (uint16_t *)x, step, whole, y,
                    done + 1 == hidden);
                step = network->layers[done].padded;
            }
            float *spare = x;
            x = y;
            y = spare;
        }
#endif
        for (; done < network->count; done++) {
            NAME(layer)(&network->layers[done], x, step, whole, y, done + 1 < network->count);
            step = network->layers[done].padded;
            float *spare = x;
            x = y;
            y = spare;
        }
        for (int at = 0; at < pixels; at++)
            NAME(end)(job, job->top + (first + at) / wide, job->left + (first + at) % wide,
                x + (ptrdiff_t)at * step);
    }
}

#undef VECTOR
#undef WIDTH
#undef ROWS
#undef PIXELS
#undef NAME
#undef COARSE
