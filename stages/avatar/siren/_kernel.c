/* Boxes of a THA4 student in one go: what numpy_kernel.py does, fused, in the widest vectors the
 * processor has. A tile of pixels passes through all layers of a pass while it lies in the cache.
 *
 * Sines are taken of turns: weights are divided by 2 pi when they are packed, and a quarter turn is
 * taken off the bias, because cos(2 pi r) is a polynomial in r * r.
 *
 * One body, _siren.h, is compiled once for each width of vectors; which one runs is decided when
 * a network is packed. The interpreter is released meanwhile; there is no state of this module's own.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    VERSION = 1,    /* the same as in native_kernel.py; counted up when functions change */
    TILE = 64,      /* pixels that pass through all layers together; whole blocks of any width */
    GROUP = 3,      /* vectors of outputs a block computes at once, at most */
    WIDEST = 384,   /* channels of a layer, with those that fill up its last vector */
    MOST_LAYERS = 8,
    SIDE = 512,     /* of the picture */
    CELL = 4,
    CELLS = 128,
    SCRATCH = 2 * TILE * WIDEST,    /* floats a caller lends, besides room to align them */
};

struct layer {
    int in, out, padded;        /* padded: to whole vectors */
    float *weight;              /* by groups of vectors: (in, vectors of the group) */
    uint16_t *coarse;           /* the same in bfloat16, two inputs beside each other; or NULL */
    float *bias;                /* padded */
};

struct network {
    const struct path *path;
    int width;                  /* channels of the first layer */
    int count;                  /* of layers; all but the last are followed by a sine */
    struct layer layers[MOST_LAYERS];
};

struct job {
    const struct network *network;
    const float *rows, *columns;        /* what the first layer sees: (size, width) each */
    const float *source;                /* or this, enlarged; it has a border of one pixel */
    ptrdiff_t source_row;
    const float *add_rows, *add_columns;    /* what is added to the last layer's result, or NULL */
    float *target;                          /* (size, size, channels) */
    ptrdiff_t target_row;
    const float *picture;               /* (512, 512, 4); then `frame` is written, not `target` */
    uint8_t *frame, *seen;
    const uint8_t *display;             /* 65536 levels */
    int top, bottom, left, right;
    float *scratch;
};

struct path {
    const char *name;
    int width;                          /* floats in a vector */
    int coarse;                         /* whether it computes bfloat16 */
    void (*run)(const struct job *);
};

typedef float v4 __attribute__((vector_size(16)));

static v4 pixel(const float *picture, int row, int column)
{
    v4 value;
    memcpy(&value, picture + 4 * (row * SIDE + column), sizeof value);
    return value;
}

/* What is no number counts as `low`: from here on values become places in memory. */
static float between(float value, float low, float high)
{
    return value > low ? value < high ? value : high : low;
}

/* Moves and retouches one pixel by its `field`: grid change, share of the retouch, retouch. */
static void finish(const struct job *job, const float *field, int row, int column)
{
    float x = between(field[0] * (SIDE / 2) + (float)column, 0, SIDE - 1);
    float y = between(field[1] * (SIDE / 2) + (float)row, 0, SIDE - 1);
    int left = (int)x, above = (int)y;
    int right = left < SIDE - 1 ? left + 1 : left, below = above < SIDE - 1 ? above + 1 : above;
    float across = x - (float)left, down = y - (float)above;
    v4 upper = pixel(job->picture, above, left), lower = pixel(job->picture, below, left);
    upper += (pixel(job->picture, above, right) - upper) * across;
    lower += (pixel(job->picture, below, right) - lower) * across;
    upper += (lower - upper) * down;
    v4 retouch;
    memcpy(&retouch, field + 3, sizeof retouch);
    upper += (retouch - upper) * field[2];
    uint8_t *out = job->frame + 4 * (row * SIDE + column);
    for (int channel = 0; channel < 3; channel++) {
        float step = between((upper[channel] + 1) * (65535 / 2.0f), 0, 65535) + 0.5f;
        out[2 - channel] = job->display[(int)step];
    }
    out[3] = (uint8_t)(between((upper[3] + 1) * (255 / 2.0f), 0, 255) + 0.5f);
    if (out[3])
        job->seen[row / CELL * CELLS + column / CELL] = 1;
}

#if defined(__x86_64__) && (defined(__clang__) || __GNUC__ >= 10)
#define X86 1
#include <immintrin.h>
#else
#define X86 0
#endif

/* A function of its own for a width of vectors and a number of them in a block. */
#define PASTE(name, vectors) name##_##vectors
#define OF_(name, vectors) PASTE(name, vectors)
#define OF(name, vectors) OF_(NAME(name), vectors)

/* Vectors of four floats: what every processor of these families has. */
#define WIDTH 4
#define ROWS(F) F(0) F(1) F(2) F(3)
#define PIXELS 4
#define NAME(name) name##_4
#define COARSE 0
#include "_siren.h"

#if X86
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define WIDTH 8
#define ROWS(F) F(0) F(1) F(2) F(3)
#define PIXELS 4
#define NAME(name) name##_8
#define COARSE 0
#include "_siren.h"
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,fma")
#endif
#define WIDTH 16
#define ROWS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#define PIXELS 8
#define NAME(name) name##_16
#define COARSE 0
#include "_siren.h"
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx512bf16,fma")
#endif
#define WIDTH 16
#define ROWS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#define PIXELS 8
#define NAME(name) name##_bf16
#define COARSE 1
#include "_siren.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

static const struct path paths[] = {
#if X86
    {"AVX-512 with bfloat16", 16, 1, run_bf16},
    {"AVX-512", 16, 0, run_16},
    {"AVX2", 8, 0, run_8},
#endif
    {"vectors of four", 4, 0, run_4},
};
enum { PATHS = sizeof paths / sizeof *paths };

static int usable(const struct path *path)
{
#if X86
    __builtin_cpu_init();
    int wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    if (path->coarse)
        return wide && __builtin_cpu_supports("avx512bf16");
    if (path->width == 16)
        return wide;
    if (path->width == 8)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return path->width == 4;
}

static PyObject *kernel_paths(PyObject *self, PyObject *unused)
{
    PyObject *names = PyList_New(0);
    for (int i = 0; names && i < PATHS; i++) {
        if (!usable(&paths[i]))
            continue;
        PyObject *pair = Py_BuildValue("(si)", paths[i].name, paths[i].coarse);
        if (!pair || PyList_Append(names, pair) < 0)
            Py_CLEAR(names);
        Py_XDECREF(pair);
    }
    return names;
}

static void *aligned(size_t bytes)
{
    void *memory = NULL;
#if defined(_WIN32)
    memory = _aligned_malloc(bytes, 64);
#else
    if (posix_memalign(&memory, 64, bytes))
        memory = NULL;
#endif
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

static void released(void *memory)
{
#if defined(_WIN32)
    _aligned_free(memory);
#else
    free(memory);
#endif
}

static void forget(struct network *network)
{
    for (int i = 0; i < network->count; i++) {
        released(network->layers[i].weight);
        released(network->layers[i].coarse);
        released(network->layers[i].bias);
    }
    PyMem_Free(network);
}

static void forget_capsule(PyObject *capsule)
{
    struct network *network = PyCapsule_GetPointer(capsule, "siren");
    if (network)
        forget(network);
}

static uint16_t to_bfloat16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* Lays out one layer for a path. `weight` is (in, out); both are scaled, the bias is shifted. */
static int pack(struct layer *layer, const struct path *path, const float *weight,
    const float *bias, double scale, double shift, int coarse)
{
    int width = path->width, in = layer->in, out = layer->out;
    int vectors = (out + width - 1) / width;
    layer->padded = vectors * width;
    if (coarse)
        layer->coarse = aligned(sizeof(uint16_t) * (size_t)layer->padded * (size_t)(in + in % 2));
    else
        layer->weight = aligned(sizeof(float) * (size_t)layer->padded * (size_t)in);
    layer->bias = aligned(sizeof(float) * (size_t)layer->padded);
    if (!layer->bias || !(coarse ? (void *)layer->coarse : (void *)layer->weight))
        return -1;
    for (int output = 0; output < layer->padded; output++)
        layer->bias[output] = output < out ? (float)(bias[output] * scale + shift) : 0;
    for (int output = 0; output < out; output++) {
        int first = output / width / GROUP * GROUP;     /* vector its group begins with */
        int wide = (vectors - first < GROUP ? vectors - first : GROUP) * width;
        int place = output - first * width;
        for (int input = 0; input < in; input++) {
            float value = (float)(weight[(size_t)input * (size_t)out + (size_t)output] * scale);
            if (coarse)
                layer->coarse[first * width * (in + in % 2) + input / 2 * wide * 2 + place * 2
                    + input % 2] = to_bfloat16(value);
            else
                layer->weight[first * width * in + input * wide + place] = value;
        }
    }
    return 0;
}

/* pack(path, width, [(weight, bias)], coarse): a network for `run` */
static PyObject *kernel_pack(PyObject *self, PyObject *arguments)
{
    const char *name;
    int width, coarse;
    PyObject *layers;
    if (!PyArg_ParseTuple(arguments, "siO!p", &name, &width, &PyList_Type, &layers, &coarse))
        return NULL;
    const struct path *path = NULL;
    for (int i = 0; i < PATHS; i++)
        if (!strcmp(paths[i].name, name) && usable(&paths[i]))
            path = &paths[i];
    Py_ssize_t count = PyList_GET_SIZE(layers);
    if (!path || (coarse && !path->coarse) || count < 1 || count > MOST_LAYERS
        || width < 16 || width > WIDEST)
        return PyErr_Format(PyExc_ValueError, "no such path or network");
    struct network *network = PyMem_Calloc(1, sizeof *network);
    if (!network)
        return PyErr_NoMemory();
    network->path = path;
    network->width = width;
    const double turn = 6.283185307179586;
    int before = width;
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_buffer weight, bias;
        if (!PyArg_ParseTuple(PyList_GET_ITEM(layers, i), "y*y*", &weight, &bias))
            goto failed;
        struct layer *layer = &network->layers[network->count++];
        layer->in = before;
        layer->out = before = (int)(bias.len / (Py_ssize_t)sizeof(float));
        int last = i + 1 == count, fits = layer->out >= 1 && layer->out <= WIDEST
            && weight.len == (Py_ssize_t)sizeof(float) * layer->in * layer->out;
        int failed = fits && pack(layer, path, weight.buf, bias.buf, last ? 1 : 1 / turn,
            last ? 0 : -0.25, coarse && !last);
        PyBuffer_Release(&weight);
        PyBuffer_Release(&bias);
        if (!fits || failed) {
            PyErr_Format(PyExc_ValueError, "layer %zd does not fit or there is no memory", i);
            goto failed;
        }
    }
    PyObject *capsule = PyCapsule_New(network, "siren", forget_capsule);
    if (capsule)
        return capsule;
failed:
    forget(network);
    return NULL;
}

/* A buffer of floats of `rank` sides whose last two lie without gaps, or nothing for None. */
static int floats(PyObject *object, int rank, int writable, Py_buffer *view)
{
    view->obj = NULL;
    view->buf = NULL;
    if (object == Py_None)
        return 0;
    if (PyObject_GetBuffer(object, view, PyBUF_STRIDES | (writable ? PyBUF_WRITABLE : 0)) < 0)
        return -1;
    Py_ssize_t gap = view->itemsize;
    int fits = view->itemsize == (Py_ssize_t)sizeof(float) && view->ndim == rank;
    for (int side = rank - 1; fits && side >= rank - 2; side--) {
        fits = view->strides[side] == gap;
        gap *= view->shape[side];
    }
    fits = fits && (rank < 3 || view->strides[0] >= gap);
    if (!fits) {
        PyBuffer_Release(view);
        view->obj = NULL;
        PyErr_SetString(PyExc_ValueError, "an array has another type or layout than it must");
    }
    return fits ? 0 : -1;
}

static int bytes(PyObject *object, Py_ssize_t length, int writable, Py_buffer *view)
{
    view->obj = NULL;
    view->buf = NULL;
    if (object == Py_None)
        return 0;
    if (PyObject_GetBuffer(object, view, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) < 0)
        return -1;
    if (view->len != length) {
        PyBuffer_Release(view);
        view->obj = NULL;
        PyErr_SetString(PyExc_ValueError, "an array has another size than it must");
        return -1;
    }
    return 0;
}

enum { ROWS_IN, COLUMNS_IN, SOURCE, ADD_ROWS, ADD_COLUMNS, TARGET, PICTURE, FRAME, SEEN, DISPLAY,
    LENT, VIEWS };

/* Whether the box and all it touches lie in the arrays that were given. */
static int fits(const struct job *job, const Py_buffer *views)
{
    const struct network *network = job->network;
    int out = network->layers[network->count - 1].out;
    int bottom = job->bottom, right = job->right;
    if (job->top < 0 || job->left < 0 || job->top >= bottom || job->left >= right)
        return 0;
    if (job->source) {
        const Py_ssize_t *shape = views[SOURCE].shape;
        if (job->rows || job->columns || job->top % 2 || job->left % 2 || bottom % 2 || right % 2
            || shape[0] < bottom / 2 + 2 || shape[1] < right / 2 + 2 || shape[2] != network->width)
            return 0;
    } else if (!job->rows || !job->columns
        || views[ROWS_IN].shape[0] < bottom || views[ROWS_IN].shape[1] != network->width
        || views[COLUMNS_IN].shape[0] < right || views[COLUMNS_IN].shape[1] != network->width)
        return 0;
    if (job->picture)
        return job->frame && job->seen && job->display && bottom <= SIDE && right <= SIDE
            && out == 7;
    if (!job->target || views[TARGET].shape[0] < bottom || views[TARGET].shape[1] < right
        || views[TARGET].shape[2] != out || (!job->add_rows) != (!job->add_columns))
        return 0;
    return !job->add_rows
        || (views[ADD_ROWS].shape[0] >= bottom && views[ADD_ROWS].shape[1] == out
            && views[ADD_COLUMNS].shape[0] >= right && views[ADD_COLUMNS].shape[1] == out);
}

/* run(network, box, rows, columns, source, add_rows, add_columns, target,
 *     picture, frame, seen, display, scratch) */
static PyObject *kernel_run(PyObject *self, PyObject *arguments)
{
    struct job job = {0};
    PyObject *capsule, *given[VIEWS];
    if (!PyArg_ParseTuple(arguments, "O(iiii)OOOOOOOOOOO", &capsule, &job.top, &job.bottom,
            &job.left, &job.right, &given[ROWS_IN], &given[COLUMNS_IN], &given[SOURCE],
            &given[ADD_ROWS], &given[ADD_COLUMNS], &given[TARGET], &given[PICTURE], &given[FRAME],
            &given[SEEN], &given[DISPLAY], &given[LENT]))
        return NULL;
    job.network = PyCapsule_GetPointer(capsule, "siren");
    if (!job.network)
        return NULL;
    Py_buffer views[VIEWS] = {0};
    int failed = floats(given[ROWS_IN], 2, 0, &views[ROWS_IN])
        || floats(given[COLUMNS_IN], 2, 0, &views[COLUMNS_IN])
        || floats(given[SOURCE], 3, 0, &views[SOURCE])
        || floats(given[ADD_ROWS], 2, 0, &views[ADD_ROWS])
        || floats(given[ADD_COLUMNS], 2, 0, &views[ADD_COLUMNS])
        || floats(given[TARGET], 3, 1, &views[TARGET])
        || bytes(given[PICTURE], SIDE * SIDE * 4 * (Py_ssize_t)sizeof(float), 0, &views[PICTURE])
        || bytes(given[FRAME], SIDE * SIDE * 4, 1, &views[FRAME])
        || bytes(given[SEEN], CELLS * CELLS, 1, &views[SEEN])
        || bytes(given[DISPLAY], 65536, 0, &views[DISPLAY])
        || bytes(given[LENT], (SCRATCH + 16) * (Py_ssize_t)sizeof(float), 1, &views[LENT]);
    if (!failed) {
        job.rows = views[ROWS_IN].buf;
        job.columns = views[COLUMNS_IN].buf;
        job.source = views[SOURCE].buf;
        job.source_row = job.source ? views[SOURCE].strides[0] / (Py_ssize_t)sizeof(float) : 0;
        job.add_rows = views[ADD_ROWS].buf;
        job.add_columns = views[ADD_COLUMNS].buf;
        job.target = views[TARGET].buf;
        job.target_row = job.target ? views[TARGET].strides[0] / (Py_ssize_t)sizeof(float) : 0;
        job.picture = views[PICTURE].buf;
        job.frame = views[FRAME].buf;
        job.seen = views[SEEN].buf;
        job.display = views[DISPLAY].buf;
        job.scratch = (float *)(((uintptr_t)views[LENT].buf + 63) & ~(uintptr_t)63);
        failed = !views[LENT].buf || !fits(&job, views);
        if (failed)
            PyErr_SetString(PyExc_ValueError, "a box does not lie in the arrays it needs");
    }
    if (!failed) {
        Py_BEGIN_ALLOW_THREADS
        job.network->path->run(&job);
        Py_END_ALLOW_THREADS
    }
    for (int i = 0; i < VIEWS; i++)
        if (views[i].obj)
            PyBuffer_Release(&views[i]);
    if (failed)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"paths", kernel_paths, METH_NOARGS,
        "Return (name, whether it computes bfloat16) of what this processor can run, best first."},
    {"pack", kernel_pack, METH_VARARGS, "pack(path, width, [(weight, bias)], coarse): a network."},
    {"run", kernel_run, METH_VARARGS, "Compute a box of a pass."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_kernel", "Boxes of a THA4 student, compiled.", 0, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made && (PyModule_AddIntConstant(made, "VERSION", VERSION) < 0
            || PyModule_AddIntConstant(made, "SCRATCH", SCRATCH + 16) < 0))
        Py_CLEAR(made);
    return made;
}
