"""Renders a character: its SVG, PNG and YAML files."""

from pathlib import Path

import cv2
import numpy as np
import resvg_py
from numpy.typing import NDArray

from stages.avatar.pictures.drawing.boxes import boxes, yaml
from stages.avatar.pictures.drawing.character import Character
from stages.avatar.pictures.drawing.pen import SIZE

LARGE = 4 * SIZE


def write(character: Character, folder: Path) -> None:
    """Write NAME.svg, NAME.png and NAME.yaml into the folder."""
    svg = character.draw().svg()
    (folder / f"{character.name}.svg").write_text(svg, encoding="utf-8")
    (folder / f"{character.name}.yaml").write_text(yaml(boxes(character.eyes)), encoding="utf-8")
    cv2.imwrite(str(folder / f"{character.name}.png"), pixels(svg))


def pixels(svg: str) -> NDArray[np.uint8]:
    """The picture as 512 x 512 BGRA with straight alpha, averaged down from a larger rendering."""
    data = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=LARGE, height=LARGE))
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError("the renderer's picture could not be read")
    large = image.astype(np.float32) / 255
    large[..., :3] *= large[..., 3:]
    small = cv2.resize(large, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    alpha = np.round(small[..., 3:] * 255) / 255
    small[..., :3] = np.where(alpha > 0, small[..., :3] / np.maximum(small[..., 3:], 1e-6), 0)
    small[..., 3:] = alpha
    return np.round(np.clip(small, 0, 1) * 255).astype(np.uint8)
