"""Reads the frames of a running session without a copy: `python examples/read_frames.py`."""

from shm import now_ns
from shm.session import open_output

with open_output(timeout_s=10) as ring:
    while not ring.ended:
        frame = ring.newest(timeout_s=1.0)  # or ring.next(): one after the other
        if frame is None:
            continue
        colour = frame.array[256, 256]  # (512, 512, 4) BGRA uint8: a view of the shared memory
        age_ms = (now_ns() - frame.stamp.captured_ns) / 1e6
        if frame.valid:  # asked after use: the view was whole all the time
            print(f"frame {frame.sequence}: {age_ms:.1f} ms old, {ring.dropped} dropped, {colour}")
