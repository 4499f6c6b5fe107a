"""Which pixels of an eye are its upper lashes: a dark line that hair may touch."""

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.avatar.boxes import Box
from stages.avatar.painters.layers import (
    Colours,
    Plane,
    distance,
    grown,
    lab,
    off_the_mix,
    ramp,
)
from stages.avatar.painters.lids import Opening

Mask = NDArray[np.bool_]


class Lashes:
    """The upper lashes of one eye, and how much each pixel looks like their line."""

    def __init__(
        self, drawing: Colours, skin: Colours, x: Plane, y: Plane, opening: Opening, eye: Box
    ) -> None:
        lids = opening.lids
        band = _band(x, y, opening, eye)
        self.ink = line = _colour(drawing, (band > 0.9) & (opening.between > 0.5))
        self.mixed: Plane = ramp(off_the_mix(drawing, skin[0, 0], line), 17.0, 11.0)
        # What is nearly as dark as the lashes counts as theirs whatever its tint.
        light, dark, bright = (lab(c)[..., 0] for c in (drawing, line.reshape(1, 1, 3), skin))
        ends = float(dark[0, 0]), float(bright[0, 0])
        deep = ramp(light, 0.5 * ends[0] + 0.5 * ends[1], 0.65 * ends[0] + 0.35 * ends[1])
        like = np.maximum(self.mixed, deep)
        there = distance(drawing, skin) > 14
        core = _connected((band * like > 0.3) & there, band * opening.between > 0.5)
        hair = core & (y < _upper_edge(core, opening) - 0.5)
        core &= ~hair
        fringe = grown(core, 1) & ~grown(hair, 1) & (like > 0) & (y < (lids.upper + lids.lower) / 2)
        self.mask: Mask = core | fringe


def _band(x: Plane, y: Plane, opening: Opening, eye: Box) -> Plane:
    """1 where upper lashes may be: above the lid's edge, and beyond the corners around it."""
    least = max(float(opening.lids.upper.min()) - eye.y, 2.0) + 1.5
    # Lashes grow thinner towards the nose; what is thick there is hair.
    thick = least * (1.0 - 0.1 * ramp(-opening.position, 0.5, 1.1))
    thick = thick + 3.2 * ramp(opening.position, 0.6, 1.0)
    above = opening.lids.upper - y
    below = np.where(opening.between > 0, 1.6, 0.3 * opening.height).astype(np.float32)
    band: Plane = ramp(above - thick, 1.5, 0.5) * ramp(above, -below - 1.0, -below)
    # Never up into the hair, nor far beyond the box.
    band *= ramp(y, eye.y - 2.0, eye.y - 1.0)
    band *= ramp(x, eye.x - 4.5, eye.x - 2.5) * ramp(x, eye.right + 3.5, eye.right + 1.5)
    return band


def _colour(drawing: Colours, among: Mask) -> NDArray[np.float32]:
    """The colour of the darkest pixels, BGR."""
    colours = drawing[among]
    if len(colours) < 4:
        return np.array([60.0, 50.0, 70.0], np.float32)
    light = colours.sum(axis=1)
    return np.asarray(np.median(colours[light <= np.percentile(light, 30)], axis=0), np.float32)


def _connected(mask: Mask, core: Mask) -> Mask:
    """The parts of `mask` that hang together with its largest part inside `core`."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    counts = np.bincount(labels[core & mask], minlength=labels.max() + 1)
    counts[0] = 0
    # The inner end of the lashes may be drawn as strokes of their own.
    kept = np.flatnonzero(counts > 0.12 * counts.sum())
    return np.isin(labels, kept)


def _upper_edge(lashes: NDArray[np.bool_], opening: Opening) -> Plane:
    """The lashes' upper edge as a smooth curve: tips of hair that touch stand out of it."""
    rows = lashes.argmax(axis=0)
    columns = np.flatnonzero(lashes.any(axis=0) & (np.abs(opening.position) < 1.0))
    if columns.size < 6:
        return np.zeros(lashes.shape[1], np.float32)
    weight = np.ones(columns.size)
    for _ in range(4):
        fit = np.polynomial.Polynomial.fit(columns, rows[columns], 3, w=np.sqrt(weight))
        weight = np.where(fit(columns) - rows[columns] > 0.8, 0.1, 1.0)
    edge = fit(np.arange(lashes.shape[1]))
    return np.where(np.abs(opening.position) < 1.0, edge, 0).astype(np.float32)
