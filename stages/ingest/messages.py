"""Pose messages from outside: one msgpack value per ZeroMQ message. Nobody is trusted.

A message is a map with the keys

    pose     45 float32 in THA3 order: 180 little-endian bytes, or a list of 45 numbers
    time_ns  optional: when it was measured, on this machine's monotonic clock (Linux:
             CLOCK_MONOTONIC; Python: time.perf_counter_ns())
    source   optional: who sends it, up to 64 characters

or just the pose itself. Values outside a parameter's range count as the nearer bound; a value
beyond +-16 is taken for another unit (degrees, say) and refused.
"""

import zlib
from typing import Any, Final, NamedTuple

import msgpack
import numpy as np
from numpy.typing import NDArray

from stages.pose import HIGH, LOW, SIZE

MAX_BYTES: Final = 4096
_MOST: Final = 16.0
_MAX_SOURCE: Final = 64


class PoseRejected(ValueError):
    """The bytes are no pose; one sentence says why."""


class PoseMessage(NamedTuple):
    """An accepted pose: (45,) float32 within its ranges."""

    pose: NDArray[np.float32]
    time_ns: int | None
    source: str | None


def parse(data: bytes) -> PoseMessage:
    """Return the pose in `data`. Raises `PoseRejected`."""
    if len(data) > MAX_BYTES:
        raise PoseRejected(f"a pose message has at most {MAX_BYTES} bytes, not {len(data)}")
    try:
        content = msgpack.unpackb(
            data, max_array_len=SIZE + 1, max_map_len=16, max_ext_len=0, strict_map_key=True
        )
    except (ValueError, msgpack.UnpackException) as error:
        raise PoseRejected(f"a pose message is not msgpack ({type(error).__name__})") from error
    if not isinstance(content, dict):
        content = {"pose": content}
    return PoseMessage(
        _pose(content.get("pose")), _time(content.get("time_ns")), _source(content.get("source"))
    )


def source_number(source: str | None) -> int:
    """Return the 32 bits by which stamps name a source; 0 is none."""
    return zlib.crc32(source.encode()) if source else 0


def _pose(value: Any) -> NDArray[np.float32]:
    if isinstance(value, bytes):
        if len(value) != 4 * SIZE:
            raise PoseRejected(f"a pose is {4 * SIZE} bytes, not {len(value)}")
        pose = np.frombuffer(value, "<f4")
    elif isinstance(value, list):
        pose = _from_list(value)
    else:
        raise PoseRejected(f"a pose is {SIZE} float32 as bytes or list, not {_kind(value)}")
    # NaN compares false, so this catches it too.
    if not (np.abs(pose) <= _MOST).all():
        worst = int(np.argmin(np.abs(pose) <= _MOST))
        raise PoseRejected(
            f"parameter {worst} of the pose is {pose[worst]}: ranges are -1 or 0 to 1"
        )
    clamped: NDArray[np.float32] = np.clip(pose, LOW, HIGH, dtype=np.float32)
    return clamped


def _from_list(value: list[Any]) -> NDArray[np.float32]:
    if len(value) != SIZE:
        raise PoseRejected(f"a pose has {SIZE} numbers, not {len(value)}")
    if not all(type(number) in (int, float) for number in value):
        raise PoseRejected("a pose list holds numbers only")
    try:
        with np.errstate(over="ignore"):
            return np.array(value, np.float64).astype(np.float32)
    except OverflowError:
        raise PoseRejected("a pose list holds a number beyond all bounds") from None


def _time(value: Any) -> int | None:
    if value is None or (type(value) is int and value >= 0):
        return value
    raise PoseRejected(f"time_ns is a whole number of nanoseconds, not {_kind(value)}")


def _source(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and len(value) <= _MAX_SOURCE):
        return value
    raise PoseRejected(f"source is a text of at most {_MAX_SOURCE} characters, not {_kind(value)}")


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__
