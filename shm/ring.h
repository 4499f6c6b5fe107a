/* Layout of a ring, 1.0. Made by `python -m shm.published`; do not edit.
 * The protocol of a read is in docs/ring-layout.md; examples/reader.c keeps it. */
#ifndef AYATSURI_RING_H
#define AYATSURI_RING_H
#include <stdint.h>
#ifdef __cplusplus
#define _Static_assert static_assert
#endif
#define AYA_MAGIC UINT64_C(0x31474e4952415941)
#define AYA_MAJOR 1
#define AYA_HEADER_BYTES 4096
#define AYA_STATE_NONE 0
#define AYA_STATE_RUNNING 1
#define AYA_STATE_ENDED 2
#define AYA_STATE_DEAD 3
#define AYA_FLAG_INTERPOLATED 1
#define AYA_FLAG_CACHED 2
#define AYA_FLAG_REPEATED 4
#define AYA_FLAG_DISCONTINUITY 8
struct aya_header {
    uint64_t magic; /* `AYARING1`, stored last: without it the ring is not ready */
    uint16_t major; /* layout version; an unknown one must be refused */
    uint16_t minor; /* layout version; an unknown one only adds fields */
    uint32_t header_bytes; /* 4096 */
    uint64_t segment_bytes; /* length in use; the mapping may be longer */
    uint32_t slot_count; /* 3 to 64 */
    uint32_t slot_header_bytes; /* 512 */
    uint64_t slot_table; /* offset of the first slot header */
    uint64_t payload_offset; /* offset of the first payload, a multiple of 4096 */
    uint64_t payload_stride; /* distance of two payloads */
    uint64_t payload_capacity; /* bytes a payload may use */
    uint32_t reader_count; /* entries of the reader table: 16 */
    uint32_t reader_bytes; /* 128 */
    uint64_t reader_table; /* offset of the reader table */
    uint64_t stream_id; /* random; another one under this name is another ring */
    uint64_t created_unix_ns; /* wall clock at creation */
    uint32_t clock; /* of all `_ns`: 1 CLOCK_MONOTONIC, 2 QPC, 3 mach */
    uint32_t wake; /* bits: 1 futex on head, 2 event pair, 4 os_sync on head */
    uint32_t history_count; /* 64 */
    uint8_t zero0[4];
    uint64_t history_offset; /* 0x100 */
    uint64_t creator_pid; /* process that made the segment and will unlink it */
    uint64_t head; /* live: sequence << 8 | slot of the newest frame; 0: none yet */
    uint64_t epoch; /* live: how many writers there have been; 0: none yet */
    uint64_t look; /* live: digest of what shapes the pixels besides the pose */
    uint8_t zero1[40];
    uint64_t writer_pid; /* live: process id of the writer */
    uint64_t writer_start; /* live: its start time (system's unit), 0 if unknown */
    uint64_t beat_ns; /* live: last sign of life of the writer */
    uint64_t state; /* live: 0 no writer yet, 1 running, 2 ended, 3 writer dead */
    uint64_t revoked; /* live: leases taken back so far */
    uint8_t zero2[16];
    uint64_t creator_start; /* start time of the creator, 0 if unknown */
    uint64_t history[64]; /* live: history[sequence % 64] = sequence << 8 | slot */
    char name[64]; /* the segment's name, padded with zeros */
    uint32_t kind; /* 1 pose, 2 image, 3 encoded */
    uint32_t dtype; /* 1 uint8, 2 float32 */
    uint32_t rank; /* how many of `shape` count */
    uint32_t shape[4]; /* (45,), or (height, width, 4): rows from the top, no padding */
    uint32_t fourcc; /* `AR24`: bytes B, G, R, A, straight alpha, sRGB; 0: no image */
    uint8_t zero3[160];
};
_Static_assert(sizeof(struct aya_header) == 1024, "aya_header");
struct aya_slot {
    uint64_t lock; /* live: sequence << 1 when whole, odd while written, 0 empty */
    uint64_t sequence; /* 1, 2, 3 ... without gaps at the writer */
    uint64_t epoch; /* of the writer that made this frame */
    uint64_t payload_bytes; /* valid bytes of the payload */
    uint64_t loaned_ns; /* when the writer began to fill the slot */
    uint64_t published_ns; /* when it published the frame */
    uint64_t pose_sequence; /* stamp: sequence of the pose this frame shows */
    uint64_t captured_ns; /* stamp: when that pose was measured */
    uint64_t received_ns; /* stamp: when it reached the pipeline */
    uint64_t look; /* stamp: what shaped the pixels besides the pose */
    uint32_t source; /* stamp: CRC-32 of the pose's source id; 0: the pipeline's own */
    uint32_t flags; /* stamp: 1 interpolated, 2 cached, 4 repeated, 8 discontinuity */
    uint32_t phase_numerator; /* stamp: an interpolated frame lies this far ... */
    uint32_t phase_denominator; /* ... of so many from the pose before; 0: at its pose */
    uint8_t zero0[32];
    uint64_t hops[8]; /* stamp: stage number << 56 | ns from captured to published */
    char application[64]; /* free for applications */
    float pose[45]; /* stamp: the pose itself */
    uint8_t zero1[76];
};
_Static_assert(sizeof(struct aya_slot) == 512, "aya_slot");
struct aya_reader {
    uint64_t pid; /* live: process that holds this entry; 0: free */
    uint64_t start; /* its start time, 0 if unknown */
    uint64_t lease; /* live: head value of the frame it holds; 0: none */
    uint8_t zero0[40];
    char name[32]; /* who it is, for people */
    uint8_t zero1[32];
};
_Static_assert(sizeof(struct aya_reader) == 128, "aya_reader");
#endif
