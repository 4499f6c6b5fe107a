"""A contact sheet: one picture in every parameter of a pose at full scale, labelled."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.snapshot import over_checkerboard
from stages.avatar.boxes import FeaturesRejected
from stages.avatar.picture import PictureRejected
from stages.avatar.posing import PicturePoser
from stages.pose import PARAMETERS, Parameter
from stages.stage import StartFailed

Image = NDArray[np.uint8]
Rendered = Callable[[dict[str, float]], Image]

_COLUMNS = 8
_TILE = 184  # height and width of a picture of the face or of the figure, without its label
_LABEL = 16


class Cell(NamedTuple):
    """One picture of the sheet: its label, its pose, and whether more than the face is shown."""

    label: str
    pose: dict[str, float]
    whole: bool = False


def cells() -> list[Cell]:
    """The neutral pose, every parameter at full scale, and some that belong together."""
    return [
        Cell("neutral", {}),
        *(cell for parameter in PARAMETERS for cell in _ends(parameter)),
        Cell("smile", _both("eye_happy_wink", "mouth_raised_corner") | {"mouth_aaa": 0.8}),
        Cell("half closed", {"eye_wink_left": 0.5, "eye_wink_right": 0.5}),
        Cell("turned", {"head_y": 0.8, "body_y": 0.8, "neck_z": 0.5, "body_z": 0.5}, True),
        Cell("looks up", {"head_x": 0.8, "head_y": -0.6, "iris_rotation_x": 0.7}, True),
    ]


def _ends(parameter: Parameter) -> list[Cell]:
    """The parameter at its bounds, but for a 0."""
    name, low, high = parameter
    whole = name.startswith(("head", "neck", "body", "breath"))
    if low == 0:
        return [Cell(name, {name: high}, whole)]
    return [Cell(f"{name} {value:+.0f}", {name: value}, whole) for value in (high, low)]


def _both(*stems: str) -> dict[str, float]:
    return {f"{stem}_{side}": 1.0 for stem in stems for side in ("left", "right")}


def draw(render: Rendered, shown: Iterable[Cell]) -> Image:
    """Return the sheet, BGR."""
    tiles = [_tile(render(cell.pose), cell) for cell in shown]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
    return np.vstack(rows)


def write_sheet(picture: str, out: Path) -> None:
    """Write the sheet of a picture, by name or path, to `out`. Raises `StartFailed`."""
    try:
        poser = PicturePoser.load(picture)
    except (PictureRejected, FeaturesRejected) as error:
        raise StartFailed(str(error)) from error
    write_picture(out, draw(poser.pose, cells()))


def _tile(frame: Image, cell: Cell) -> Image:
    opaque = over_checkerboard(frame)
    # Where the input convention has head and shoulders, or the face: as large as they go.
    opaque = opaque[20:380, 76:436] if cell.whole else opaque[84:188, 204:308]
    size = (_TILE, _TILE)
    way = cv2.INTER_AREA if cell.whole else cv2.INTER_CUBIC
    tile = np.asarray(cv2.resize(opaque, size, interpolation=way), np.uint8)
    label = np.full((_LABEL, _TILE, 3), 255, np.uint8)
    cv2.putText(
        label, cell.label, (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (60, 60, 60), 1, cv2.LINE_AA
    )
    return np.vstack([tile, label])


def write_picture(out: Path, picture: Image) -> None:
    """Write a picture to a file whose name says the format. Raises `StartFailed`."""
    try:
        written = cv2.imwrite(str(out), picture)
    except cv2.error:
        written = False
    if not written:
        raise StartFailed(f"{out} cannot be written: give a .png in a folder that exists")
