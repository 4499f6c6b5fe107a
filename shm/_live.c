/* The live words of a ring in C: what the hand-over of a frame does after a sleep or after a fill,
 * when every line of code and every object is cold. Each function does what its callers in
 * waiting.py, publishing.py and fence.py do in Python where this module was not built.
 *
 * `words` is always the segment as a memoryview of format "Q", an index one of its 8-byte words. No
 * function takes an address: a view that was released raises ValueError, a foreign one TypeError,
 * an index outside of it IndexError, a read-only view where something is to be stored BufferError.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#include "ring.h"

#ifndef __LP64__
#error "for 64-bit machines, gcc and clang: a word must be loaded and stored whole"
#endif

#define VERSION 1 /* counts the changes of what callers see; shm/compiled.py asks for it */

static int open_words(PyObject *words, int access, Py_buffer *view)
{
    if (PyObject_GetBuffer(words, view, PyBUF_FORMAT | PyBUF_ND | access) < 0)
        return -1;
    if (view->ndim == 1 && view->format && strcmp(view->format, "Q") == 0
        && (uintptr_t)view->buf % 8 == 0)
        return 0;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_TypeError, "words must be an aligned memoryview of format 'Q'");
    return -1;
}

/* Returns the words `index` to `index + count - 1`. */
static uint64_t *words_at(const Py_buffer *view, PyObject *index, Py_ssize_t count)
{
    Py_ssize_t first = PyLong_AsSsize_t(index), length = view->len / 8;
    if (first == -1 && PyErr_Occurred())
        return NULL;
    if (first < 0 || first > length - count) {
        PyErr_Format(PyExc_IndexError, "no word %zd in a segment of %zd words", first, length);
        return NULL;
    }
    return (uint64_t *)view->buf + first;
}

static int takes(const char *name, Py_ssize_t given, Py_ssize_t wanted)
{
    if (given == wanted)
        return 1;
    PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, not %zd", name, wanted, given);
    return 0;
}

/* --- single words, for machines that reorder plain accesses */

static PyObject *loaded(PyObject *const *args)
{
    Py_buffer view;
    if (open_words(args[0], 0, &view) < 0)
        return NULL;
    const uint64_t *word = words_at(&view, args[1], 1);
    uint64_t value = word ? __atomic_load_n(word, __ATOMIC_ACQUIRE) : 0;
    PyBuffer_Release(&view);
    return word ? PyLong_FromUnsignedLongLong(value) : NULL;
}

static PyObject *load(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    return takes("load", count, 2) ? loaded(args) : NULL;
}

static PyObject *load_last(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return takes("load_last", count, 2) ? loaded(args) : NULL;
}

static PyObject *store(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Py_buffer view;
    if (!takes("store", count, 3))
        return NULL;
    uint64_t value = PyLong_AsUnsignedLongLong(args[2]);
    if (PyErr_Occurred() || open_words(args[0], PyBUF_WRITABLE, &view) < 0)
        return NULL;
    uint64_t *word = words_at(&view, args[1], 1);
    if (word)
        __atomic_store_n(word, value, __ATOMIC_RELEASE);
    PyBuffer_Release(&view);
    return word ? Py_NewRef(Py_None) : NULL;
}

static PyObject *fence(PyObject *module, PyObject *none)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    Py_RETURN_NONE;
}

/* --- waiting and publishing, where there is a futex */

#ifdef __linux__
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define FOREVER (INT64_MAX / 2) /* 146 years, and the clock can be added to it */

static int64_t now_ns(void) /* shm.clock.now_ns */
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static struct aya_header *open_ring(PyObject *words, int access, Py_buffer *view)
{
    if (open_words(words, access, view) < 0)
        return NULL;
    if ((size_t)view->len >= sizeof(struct aya_header))
        return view->buf;
    PyErr_Format(PyExc_IndexError, "%zd bytes are no ring", view->len);
    PyBuffer_Release(view);
    return NULL;
}

static uint64_t acquired(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void release(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static int64_t bounded_ns(PyObject *duration)
{
    int beyond;
    int64_t given = PyLong_AsLongLongAndOverflow(duration, &beyond);
    return beyond > 0 || given > FOREVER ? FOREVER : beyond < 0 ? 0 : given;
}

/* Sleeps while the head is `seen`, a second at most. The view is not held meanwhile, so that the
 * ring can be closed: the kernel refuses an address that is gone, the next look asks the view. */
static void sleep_on(uint64_t *head, uint64_t seen, int64_t left)
{
    left = left < SECOND ? left : SECOND;
    struct timespec timeout = {left / SECOND, left % SECOND};
    Py_BEGIN_ALLOW_THREADS
    syscall(SYS_futex, head, FUTEX_WAIT, (uint32_t)seen, &timeout, NULL, 0);
    Py_END_ALLOW_THREADS
}

/* wait(words, cursor, timeout_ns): the head once it is past the cursor; 0 if the time is over or
 * the ring has ended before. */
static PyObject *wait_past(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (!takes("wait", count, 3))
        return NULL;
    uint64_t cursor = PyLong_AsUnsignedLongLong(args[1]);
    int64_t left = PyErr_Occurred() ? 0 : bounded_ns(args[2]), end = 0;
    if (PyErr_Occurred())
        return NULL;
    for (;;) {
        Py_buffer view;
        struct aya_header *ring = open_ring(args[0], 0, &view);
        if (!ring)
            return NULL;
        uint64_t head = acquired(&ring->head), state = acquired(&ring->state);
        PyBuffer_Release(&view);
        if (head >> 8 > cursor)
            return PyLong_FromUnsignedLongLong(head);
        if (left > 0) {
            int64_t now = now_ns();
            end = end ? end : now + left;
            left = end - now;
        }
        if (left <= 0 || state == AYA_STATE_ENDED)
            return PyLong_FromLong(0);
        if (PyErr_CheckSignals() < 0) /* Ctrl-C woke us, or came just before we sleep */
            return NULL;
        sleep_on(&ring->head, head, left);
    }
}

/* publish(words, tag, lock, hop, head): make the slot whose lock is word `lock` the newest frame,
 * and wake who waits. `hop` is the word that takes the tag and the frame's age. */
static PyObject *publish(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (!takes("publish", count, 5))
        return NULL;
    Py_buffer view;
    uint64_t tag = PyLong_AsUnsignedLongLong(args[1]);
    uint64_t head = PyErr_Occurred() ? 0 : PyLong_AsUnsignedLongLong(args[4]);
    struct aya_header *ring = PyErr_Occurred() ? NULL : open_ring(args[0], PyBUF_WRITABLE, &view);
    if (!ring)
        return NULL;
    struct aya_slot *slot = (void *)words_at(&view, args[2], sizeof *slot / 8);
    uint64_t *hop = slot ? words_at(&view, args[3], 1) : NULL;
    if (hop) {
        uint64_t sequence = head >> 8, now = (uint64_t)now_ns();
        /* Plain stores: nobody reads these words before the lock says that they are whole. */
        slot->sequence = sequence;
        slot->published_ns = now;
        *hop = tag | (now > slot->captured_ns ? now - slot->captured_ns : 0);
        release(&slot->lock, sequence << 1);
        release(&ring->history[sequence % (sizeof ring->history / 8)], head);
        release(&ring->head, head);
        syscall(SYS_futex, &ring->head, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    }
    PyBuffer_Release(&view);
    return hop ? Py_NewRef(Py_None) : NULL;
}
#endif

#define FUNCTION(name, function) {name, (PyCFunction)(void (*)(void))function, METH_FASTCALL, NULL}

static PyMethodDef functions[] = {
    FUNCTION("load", load),
    FUNCTION("load_last", load_last),
    FUNCTION("store", store),
    {"fence", fence, METH_NOARGS, NULL},
#ifdef SECOND
    FUNCTION("wait", wait_past),
    FUNCTION("publish", publish),
#endif
    {NULL, NULL, 0, NULL},
};

static int add_version(PyObject *module)
{
    return PyModule_AddIntConstant(module, "VERSION", VERSION);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, add_version},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_live",
    .m_doc = "Live words of a ring; see shm/_live.c.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__live(void)
{
    return PyModuleDef_Init(&definition);
}
