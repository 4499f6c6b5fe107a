"""Where the parts of a face are: boxes in picture pixels, and the small file that corrects them."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import yaml

SIZE = 512
MAX_FILE_BYTES = 64 * 1024


class Box(NamedTuple):
    """A rectangle in picture pixels; the pixel (x, y) is its first."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The first column past it."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The first row past it."""
        return self.y + self.height

    @property
    def centre(self) -> tuple[float, float]:
        """In pixel coordinates: the centre of a box of one pixel is that pixel."""
        return self.x + (self.width - 1) / 2, self.y + (self.height - 1) / 2


class Boxes(NamedTuple):
    """The parts of a face. Left is the subject's left, the picture's right.

    An eye's box holds its lashes, an iris' box what is seen of it between the lids.
    """

    eye_left: Box
    eye_right: Box
    iris_left: Box
    iris_right: Box
    brow_left: Box
    brow_right: Box
    mouth: Box


class FeaturesRejected(ValueError):
    """A file of corrections cannot be used. The message: what, where, and the mend."""


def corrections_path(picture: Path) -> Path:
    """The file of corrections that belongs to a picture's file."""
    return picture.with_suffix(".yaml")


def read_corrections(path: Path) -> dict[str, Box]:
    """Return the boxes a file gives; none where there is no file. Raises `FeaturesRejected`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise FeaturesRejected(f"{path} cannot be read ({error.strerror})") from error
    if len(data) > MAX_FILE_BYTES:
        raise FeaturesRejected(f"{path} is larger than 64 KiB; it holds seven boxes at most")
    try:
        content = yaml.safe_load(data)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise FeaturesRejected(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    return _boxes(content, path)


def write_corrections(boxes: Boxes, path: Path) -> None:
    """Write all boxes in the form `read_corrections` takes."""
    lines = ["# x, y, width, height in pixels; left is the subject's left, the picture's right"]
    for name, box in boxes._asdict().items():
        lines.append(f"{name}: [{', '.join(f'{value:g}' for value in box)}]")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _boxes(content: Any, path: Path) -> dict[str, Box]:
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise FeaturesRejected(f"{path} is not a list of names with boxes, like eye_left: [x, ...]")
    found = {}
    for name, value in content.items():
        if name not in Boxes._fields:
            raise FeaturesRejected(
                f"{path}: {str(name)[:40]!r} is not a part of the face; allowed: "
                + ", ".join(Boxes._fields)
            )
        found[name] = _box(value, f"{path}: {name}")
    return found


def _box(value: Any, where: str) -> Box:
    is_box = isinstance(value, list) and len(value) == 4
    if not is_box or not all(type(number) in (int, float) for number in value):
        raise FeaturesRejected(f"{where} must be [x, y, width, height], four numbers")
    if not all(math.isfinite(number) for number in value):
        raise FeaturesRejected(f"{where} has a number that is not finite")
    box = Box(*(float(number) for number in value))
    if box.width < 1 or box.height < 1 or box.width > SIZE / 4 or box.height > SIZE / 4:
        raise FeaturesRejected(f"{where} must be 1 to {SIZE // 4} pixels wide and high")
    if box.x < 0 or box.y < 0 or box.right > SIZE or box.bottom > SIZE:
        raise FeaturesRejected(f"{where} lies outside the {SIZE}x{SIZE} picture")
    return box
