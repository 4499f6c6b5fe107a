"""Pictures of what a session shows: the current frame, or a contact sheet over some seconds."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from shm.frame import FrameLost
from shm.reader import RingReader
from shm.session import open_output
from stages.animation import Format, encode_animation
from stages.stage import StartFailed

_FIRST_FRAME_S = 10.0
_SQUARE = 16  # of the checkerboard, in pixels
_ANIMATION_HZ = 20
_ANIMATION_HEIGHT = 320
_TILE = 192  # height of a picture on a contact sheet, with its line of text


def snapshot(session: str, out: Path) -> None:
    """Write the current frame to `out`, with its transparency."""
    with open_output(session) as ring:
        _write(out, _copy_of_newest(ring)[0])


def contact_sheet(session: str, out: Path, seconds: float, count: int) -> None:
    """Write `count` frames, evenly spread over `seconds`, over a checkerboard, with their times."""
    if seconds <= 0 or not 1 <= count <= 400:
        raise StartFailed("a contact sheet has 1 to 400 frames over more than 0 seconds")
    tiles = []
    with open_output(session) as ring:
        start = time.monotonic()
        for number in range(count):
            left = start + number * seconds / count - time.monotonic()
            time.sleep(max(0.0, left))
            frame, sequence = _copy_of_newest(ring)
            tiles.append(_tile(frame, f"{time.monotonic() - start:.2f} s  #{sequence}"))
    _write_tiles(out, tiles)


def write_pictures(out: Path, pictures: Sequence[tuple[NDArray[np.uint8], str]]) -> None:
    """Write one or more frames to `out` as a contact sheet, each with its line of text."""
    _write_tiles(out, [_tile(frame, text) for frame, text in pictures])


def _write_tiles(out: Path, tiles: list[NDArray[np.uint8]]) -> None:
    columns = math.ceil(math.sqrt(len(tiles)))
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    _write(out, np.vstack(rows))


def animation(session: str, out: Path, seconds: float) -> None:
    """Write the frames of some seconds to `out`, .webp or .png, with their transparency."""
    frames: list[NDArray[np.uint8]] = []
    times_ns: list[int] = []
    with open_output(session) as ring:
        end = time.monotonic() + _FIRST_FRAME_S
        while not times_ns or times_ns[-1] - times_ns[0] < seconds * 1e9:
            frame = ring.newest(0.5)
            if time.monotonic() > end + seconds:
                raise StartFailed("the session shows no new frames: see launcher.py status")
            if frame is None:
                continue
            shown_ns = frame.published_ns
            if times_ns and shown_ns - times_ns[-1] < 1e9 / _ANIMATION_HZ:
                continue
            frames.append(frame.copy())
            times_ns.append(shown_ns)
    format_: Format = "png" if out.suffix == ".png" else "webp"
    data, _ = encode_animation(frames, times_ns, _ANIMATION_HEIGHT, format_)
    try:
        out.write_bytes(data)
    except OSError as error:
        raise StartFailed(f"{out} cannot be written: {error.strerror}") from error


def _copy_of_newest(ring: RingReader) -> tuple[NDArray[np.uint8], int]:
    """Return a copy of the newest frame and its sequence, waiting for the first one."""
    end = time.monotonic() + _FIRST_FRAME_S
    while time.monotonic() < end:
        frame = ring.latest() or ring.newest(0.1)
        if frame is None:
            continue
        try:
            return frame.copy(), frame.sequence
        except FrameLost:
            continue
    raise StartFailed(
        f"the session showed no frame in {_FIRST_FRAME_S:g} s: see launcher.py status"
    )


def _tile(frame: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """Return a small picture of a frame over a checkerboard, with a line of text below."""
    opaque = over_checkerboard(frame)
    width = round(frame.shape[1] * _TILE / frame.shape[0])
    small = cv2.resize(opaque, (width, _TILE), interpolation=cv2.INTER_AREA)
    label = np.full((18, width, 3), 255, np.uint8)
    cv2.putText(label, text, (4, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (60, 60, 60), 1, cv2.LINE_AA)
    return np.vstack([small, label]).astype(np.uint8)


def over_checkerboard(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a BGRA frame of straight alpha as opaque BGR over a checkerboard."""
    height, width = frame.shape[:2]
    rows, columns = np.indices((height, width)) // _SQUARE
    board = np.where((rows + columns) % 2, 204, 255)[..., None]
    alpha = frame[..., 3:].astype(np.float32) / 255
    return np.rint(frame[..., :3] * alpha + board * (1 - alpha)).astype(np.uint8)


def _write(out: Path, picture: NDArray[np.uint8]) -> None:
    try:
        written = cv2.imwrite(str(out), picture)
    except cv2.error:
        written = False
    if not written:
        raise StartFailed(f"{out} cannot be written: give a .png in a folder that exists")
