"""Looks for the mouth: what is not skin, below the nose and on the face's axis."""

import cv2
import numpy as np

from stages.avatar.boxes import Box
from stages.avatar.search.planes import BOTTOM, LEFT, TOP, FacePlanes


def mouth_box(face: FacePlanes, left: Box, right: Box, guessed: set[str]) -> Box:
    """What is not skin, below the nose and on the face's axis."""
    apart = left.centre[0] - right.centre[0]
    axis = (left.centre[0] + right.centre[0]) / 2 - LEFT
    eyes = (left.centre[1] + right.centre[1]) / 2 - TOP
    y0, y1 = int(eyes + 0.4 * apart), min(int(eyes + 1.0 * apart), BOTTOM - TOP)
    x0, x1 = int(axis - 0.42 * apart), int(axis + 0.42 * apart) + 1
    part = face.from_skin[y0:y1, x0:x1]
    # Blush is smooth and wide: what a wide average has too is not the mouth.
    detail = np.clip(part - np.minimum(cv2.blur(part, (1, 21)), cv2.blur(part, (31, 1))), 0, 40)
    best, box = 12.0, None
    for level in (3.0, 5.0, 8.0, 12.0):
        marks = cv2.morphologyEx(
            (detail > level).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((2, 3), np.uint8)
        )
        count, _, stats, centres = cv2.connectedComponentsWithStats(marks, connectivity=8)
        for label in range(1, count):
            x, y, width, height = (int(value) for value in stats[label, :4])
            off = abs(centres[label][0] + x0 - axis) / apart
            if x == 0 or x + width == x1 - x0 or y + height == y1 - y0 or off > 0.12:
                continue
            if not (0.13 < width / apart < 0.62 and height < 0.4 * apart and width > height * 0.9):
                continue
            weight = float(detail[y : y + height, x : x + width].max(axis=0).sum())
            down = (y + y0 + height / 2 - eyes) / apart
            score = weight * (1 - 3 * off) * (1 - abs(down - 0.6))
            if score > best:
                best = score
                box = Box(float(x + x0 + LEFT), float(y + y0 + TOP), float(width), float(height))
    if box is None:
        guessed.add("mouth")
        box = Box(LEFT + axis - 0.17 * apart, TOP + eyes + 0.6 * apart, 0.34 * apart, 4.0)
    return box
