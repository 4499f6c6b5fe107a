"""A drawn figure for tests of pictures and frames: soft edges, a cut lower edge, known places."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 512


def figure() -> NDArray[np.uint8]:
    """BGRA (512, 512, 4), straight, colour 0 where alpha is 0; the legs leave the picture."""
    alpha = np.zeros((SIZE, SIZE), np.uint8)
    cv2.ellipse(alpha, (256, 125), (72, 64), 0, 0, 360, 255, -1)
    cv2.rectangle(alpha, (236, 180), (276, 215), 255, -1)
    cv2.ellipse(alpha, (256, 320), (95, 120), 0, 0, 360, 255, -1)
    cv2.rectangle(alpha, (200, 400), (312, 511), 255, -1)
    alpha = cv2.GaussianBlur(alpha, (5, 5), 0)
    colour = np.full((SIZE, SIZE, 3), (60, 90, 220), np.uint8)
    colour[:215] = (150, 200, 250)
    for x in (228, 284):
        cv2.circle(colour, (x, 130), 10, (90, 40, 30), -1)
    cv2.line(colour, (240, 168), (272, 168), (60, 60, 180), 3)
    for y in range(230, 512, 24):
        cv2.line(colour, (150, y), (362, y), (230, 230, 240), 4)
    picture = np.dstack([colour, alpha])
    picture[alpha == 0] = 0
    return np.ascontiguousarray(picture)


def over_grey(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What an eye sees of a straight frame on a grey ground, (height, width, 3)."""
    alpha = frame[..., 3:] / 255.0
    return frame[..., :3] * alpha + 128.0 * (1.0 - alpha)


def psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Decibels between two straight frames, over grey; 99 where they look alike."""
    error = float(np.mean((over_grey(one) - over_grey(other)) ** 2))
    return min(99.0, 10.0 * float(np.log10(255.0**2 / max(error, 1e-9))))
