"""Shows what was found in the face of a picture, and writes it down to be corrected."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.sheet import write_picture
from pipeline.snapshot import over_checkerboard
from stages.avatar.boxes import (
    Boxes,
    FeaturesRejected,
    corrections_path,
    read_corrections,
    write_corrections,
)
from stages.avatar.features import Features, find
from stages.avatar.picture import PictureRejected, load, resolve
from stages.stage import StartFailed

_ZOOM = 8
_LEFT, _TOP, _RIGHT, _BOTTOM = 192, 88, 320, 196
_COLOURS = {
    "eye": (40, 160, 20),
    "iris": (200, 90, 0),
    "brow": (30, 60, 220),
    "mouth": (180, 0, 160),
}


def show_features(picture: str, out: Path | None, write: bool) -> Features:
    """Find the features of a picture, draw them into `out`, write them beside it if asked to.

    A file that is there already is not written over: it may be somebody's work. Raises
    `StartFailed`.
    """
    try:
        path = resolve(picture)
        pixels = load(path)
        beside = corrections_path(path)
        given = read_corrections(beside)
    except (PictureRejected, FeaturesRejected) as error:
        raise StartFailed(str(error)) from error
    features = find(pixels, given)
    if out is not None:
        write_picture(out, _drawn(pixels, features, set(given)))
    if write:
        if beside.exists():
            raise StartFailed(f"{beside} is there already: move it away to have it written again")
        write_corrections(features.boxes, beside)
    return features


def describe(features: Features) -> str:
    """The boxes as lines of text, with a remark where a place was only guessed."""
    lines = []
    for name, box in features.boxes._asdict().items():
        remark = "  # not found: a likely place" if name in features.guessed else ""
        lines.append(f"{name}: [{', '.join(f'{value:g}' for value in box)}]{remark}")
    return "\n".join(lines)


def _drawn(pixels: NDArray[np.uint8], features: Features, given: set[str]) -> NDArray[np.uint8]:
    """The face, enlarged, with a labelled box around each feature."""
    face = over_checkerboard(pixels)[_TOP:_BOTTOM, _LEFT:_RIGHT]
    large = cv2.resize(face, None, fx=_ZOOM, fy=_ZOOM, interpolation=cv2.INTER_CUBIC)
    canvas = np.ascontiguousarray(large, np.uint8)
    _draw_boxes(canvas, features.boxes, features.guessed, given)
    return canvas


def _draw_boxes(
    canvas: NDArray[np.uint8], boxes: Boxes, guessed: frozenset[str], given: set[str]
) -> None:
    for name, box in boxes._asdict().items():
        colour = _COLOURS[name.split("_")[0]]
        start = (round((box.x - _LEFT) * _ZOOM), round((box.y - _TOP) * _ZOOM))
        end = (round((box.right - _LEFT) * _ZOOM), round((box.bottom - _TOP) * _ZOOM))
        cv2.rectangle(canvas, start, end, colour, 2, cv2.LINE_AA)
        note = " (given)" if name in given else " (guessed)" if name in guessed else ""
        place = (start[0] + 3, end[1] - 5 if name.startswith(("iris", "brow")) else end[1] + 15)
        _label(canvas, name + note, place, colour)


def _label(
    canvas: NDArray[np.uint8], text: str, place: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.45
    (width, height), _ = cv2.getTextSize(text, font, size, 1)
    x, y = place
    cv2.rectangle(canvas, (x - 2, y - height - 2), (x + width + 2, y + 3), (255, 255, 255), -1)
    cv2.putText(canvas, text, place, font, size, colour, 1, cv2.LINE_AA)
