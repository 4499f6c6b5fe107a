/* Follows the newest frame of a ring from C: cc -O2 -I shm examples/reader.c -o reader
 *
 *   ./reader NAME [--frames N] [--ppm FILE]
 *
 * Prints for each frame its sequence, its age in ms at the moment it was seen, and the sum of its
 * bytes. --ppm writes the last frame as a picture without its alpha. The ring is mapped read-only:
 * nothing here can disturb its writer. docs/ring-layout.md says what is done and why. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif
#include "ring.h"

static const uint8_t *base;
static const struct aya_header *header;

static void fail(const char *what) {
    fprintf(stderr, "reader: %s\n", what);
    exit(1);
}

static uint64_t load(const uint64_t *word) {
    return atomic_load_explicit((const _Atomic uint64_t *)word, memory_order_acquire);
}

static uint64_t now_ns(void) {
    struct timespec t; /* the clock of all times in the ring on Linux */
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void open_ring(const char *name) {
    char path[128];
    struct stat info;
    snprintf(path, sizeof path, "/%s", name);
    int file = shm_open(path, O_RDONLY, 0);
    if (file < 0 || fstat(file, &info) != 0) fail("there is no ring of this name");
    uint64_t length = (uint64_t)info.st_size;
    if (length < AYA_HEADER_BYTES) fail("this is no ring");
    base = mmap(NULL, length, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (base == MAP_FAILED) fail("the ring cannot be mapped");
    header = (const struct aya_header *)base;
    if (load(&header->magic) != AYA_MAGIC) fail("the ring is not ready");
    if (header->major != AYA_MAJOR) fail("the ring has another version of the layout");
    /* Believe nothing before it is held against the length of the mapping. */
    uint64_t slots = header->slot_count, table = header->slot_table;
    uint64_t start = header->payload_offset, stride = header->payload_stride;
    if (slots > 255 || table > length || start > length || stride > length ||
        header->slot_header_bytes != sizeof(struct aya_slot) || table % 8 != 0 ||
        table + slots * sizeof(struct aya_slot) > start || header->payload_capacity > stride ||
        start + slots * stride > length)
        fail("the header of the ring is damaged");
}

/* Sleep until the head is not `seen` any more, but no longer than 100 ms. */
static void wait_past(uint64_t seen) {
    struct timespec limit = {0, 100000000};
#ifdef __linux__
    /* The futex is the low half of the head; systems with these slots are little-endian. */
    syscall(SYS_futex, &header->head, FUTEX_WAIT, (uint32_t)seen, &limit, NULL, 0);
#else
    limit.tv_nsec = 1000000;
    if (load(&header->head) == seen) nanosleep(&limit, NULL);
#endif
}

static void write_ppm(const char *file, const uint8_t *bgra) {
    FILE *out = fopen(file, "wb");
    if (out == NULL) fail(strerror(errno));
    fprintf(out, "P6 %" PRIu32 " %" PRIu32 " 255\n", header->shape[1], header->shape[0]);
    for (uint64_t i = 0; i < (uint64_t)header->shape[0] * header->shape[1]; i++, bgra += 4) {
        fputc(bgra[2], out);
        fputc(bgra[1], out);
        fputc(bgra[0], out);
    }
    if (fclose(out) != 0) fail("the picture could not be written");
}

int main(int count, char **arguments) {
    long frames = 60;
    const char *ppm = NULL;
    if (count < 2) fail("usage: reader NAME [--frames N] [--ppm FILE]");
    for (int i = 2; i + 1 < count; i += 2) {
        if (strcmp(arguments[i], "--frames") == 0) frames = atol(arguments[i + 1]);
        if (strcmp(arguments[i], "--ppm") == 0) ppm = arguments[i + 1];
    }
    open_ring(arguments[1]);
    if (ppm != NULL && (header->kind != 2 || header->dtype != 1 || header->rank != 3 ||
                        header->shape[2] != 4 || (uint64_t)header->shape[0] * header->shape[1] >
                                                     header->payload_capacity / 4))
        fail("--ppm needs a ring of pictures");
    uint8_t *copy = malloc(header->payload_capacity);
    if (copy == NULL) fail("out of memory");
    uint64_t seen = 0, bytes = 0;
    for (long done = 0; done < frames;) {
        uint64_t head = load(&header->head);
        if (head == seen) {
            if (load(&header->state) == AYA_STATE_ENDED) break;
            wait_past(head);
            continue;
        }
        seen = head;
        uint64_t sequence = head >> 8, slot = head & 0xFF;
        if (slot >= header->slot_count) fail("the ring is damaged");
        const struct aya_slot *place = (const struct aya_slot *)(base + header->slot_table) + slot;
        bytes = place->payload_bytes;
        double age = (double)(now_ns() - place->published_ns) / 1e6;
        if (bytes > header->payload_capacity) continue; /* taken again already */
        memcpy(copy, base + header->payload_offset + slot * header->payload_stride, bytes);
        /* The frame is ours only if its slot still holds it now. */
        atomic_thread_fence(memory_order_acquire);
        if (load(&place->lock) != sequence << 1) continue;
        uint64_t sum = 0;
        for (uint64_t i = 0; i < bytes; i++) sum += copy[i];
        printf("%" PRIu64 " %.3f %" PRIu64 "\n", sequence, age, sum);
        fflush(stdout);
        done++;
    }
    if (ppm != NULL && bytes > 0) write_ppm(ppm, copy);
    free(copy);
    return 0;
}
