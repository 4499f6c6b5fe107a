"""The two networks of a THA4 student: which parameters they have, and the same made ready to run.

A student is trained for one character. Every hidden layer is sin(30 (W x + b)) of one pixel alone;
between the levels of the body network features are enlarged twice, bilinear. Three rewrites change
no result and save a quarter of the work:

* 30 is folded into W and b;
* the first layer of a level sees features, position and pose: what the pose adds is the same at all
  pixels, what the position adds is a row of values plus a column;
* what the features add is computed before they are enlarged, because a product with a matrix and
  the enlargement may change places.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.networks.parameters import Shapes, State, WeightsMismatch

Array = NDArray[np.float32]

OMEGA = 30.0
FACE_POSE = 39  # the face network sees the first 39 parameters, the body network all 45
POSE = 45
FACE_SIZE = 128
FACE_ROWS, FACE_COLUMNS = (80, 208), (192, 320)  # where the face lies in the picture
# Channels of the body network's last layer.
GRID, SHARE, COLOUR = slice(0, 2), slice(2, 3), slice(3, 7)

_FACE_WIDTHS = (128,) * 8
_LEVELS = ((128, (360, 360, 180)), (256, (180, 180, 90)), (512, (90, 90, 90)))
_FACE_OUT, _BODY_OUT = 4, 7


class Dense(NamedTuple):
    """x @ weight + bias, for x of (pixels, channels)."""

    weight: Array  # (in, out)
    bias: Array  # (out,)


class Level(NamedTuple):
    """Sine layers at one size. All numbers but those of a last layer contain the 30."""

    size: int  # height and width
    features: Array | None  # (channels of the level below, width); None where there is none
    position: Array  # (2, width): what x and y add to the first layer
    pose: Dense  # what the pose adds, with the first layer's bias
    hidden: tuple[Dense, ...]  # the sine layers after the first


class Student(NamedTuple):
    """Both networks."""

    face: Level
    face_last: Dense  # to RGBA, -1 to 1
    body: tuple[Level, Level, Level]
    body_last: Dense  # to grid change (x, y), share of the retouch, retouch (R, G, B, A)


def coordinates(size: int) -> Array:
    """Return where the pixels' centres lie between -1 and 1, along either axis: (size,)."""
    return ((2.0 * np.arange(size) + 1.0) / size - 1.0).astype(np.float32)


def expected(network: str) -> Shapes:
    """Return the shape of every parameter of `face_morpher` or `body_morpher`."""
    return _face_shapes() if network == "face_morpher" else _body_shapes()


def check(state: State, network: str) -> None:
    """Raise `WeightsMismatch` unless `state` is a state dict of the network, all finite."""
    wanted = expected(network)
    problems = [f"missing {name} {wanted[name]}" for name in wanted if name not in state]
    problems += [f"unknown {name}" for name in state if name not in wanted]
    for name, shape in wanted.items():
        if name not in state:
            continue
        values = state[name]
        if values.shape != shape:
            problems.append(f"{name} is {values.shape}, must be {shape}")
        elif values.dtype not in (np.float32, np.float16):
            problems.append(f"{name} is {values.dtype}, must be float32 or float16")
        elif not np.isfinite(values).all():
            problems.append(f"{name} holds NaN or infinity")
    if problems:
        other = "body_morpher" if network == "face_morpher" else "face_morpher"
        swapped = {name: values.shape for name, values in state.items()} == expected(other)
        shown = "; ".join(problems[:3]) + (
            f"; and {len(problems) - 3} more" if problems[3:] else ""
        )
        hint = f" These are the {other} weights." if swapped else ""
        raise WeightsMismatch(f"not the {network} weights of a THA4 student: {shown}.{hint}")


def fold(face: State, body: State) -> Student:
    """Make two checked state dicts ready."""
    prefix = "siren.sine_layers"
    face_level = _level(face, [f"{prefix}.{i}" for i in range(8)], FACE_SIZE, 0)
    levels, features = [], 0
    for index, (size, widths) in enumerate(_LEVELS):
        names = [f"siren_layers.{index}.{i}" for i in range(3)]
        levels.append(_level(body, names, size, features))
        features = widths[-1]
    first, second, third = levels
    return Student(
        face_level,
        _dense(face, "siren.last_linear", 1.0),
        (first, second, third),
        _dense(body, "last_linear", 1.0),
    )


def _level(state: State, names: list[str], size: int, features: int) -> Level:
    first, *hidden = (_dense(state, f"{name}.linear", OMEGA) for name in names)
    below, position, pose = np.split(first.weight, [features, features + 2])
    return Level(
        size,
        np.ascontiguousarray(below) if features else None,
        np.ascontiguousarray(position),
        Dense(np.ascontiguousarray(pose), first.bias),
        tuple(hidden),
    )


def _dense(state: State, name: str, factor: float) -> Dense:
    weight = np.asarray(state[f"{name}.weight"], np.float64)[:, :, 0, 0].T * factor
    bias = np.asarray(state[f"{name}.bias"], np.float64) * factor
    return Dense(np.ascontiguousarray(weight, np.float32), bias.astype(np.float32))


def _face_shapes() -> Shapes:
    shapes: Shapes = {}
    before = 2 + FACE_POSE
    for index, width in enumerate(_FACE_WIDTHS):
        shapes |= _linear(f"siren.sine_layers.{index}.linear", before, width)
        before = width
    return shapes | _linear("siren.last_linear", before, _FACE_OUT)


def _body_shapes() -> Shapes:
    shapes: Shapes = {}
    before = 0
    for level, (_, widths) in enumerate(_LEVELS):
        before += 2 + POSE
        for index, width in enumerate(widths):
            shapes |= _linear(f"siren_layers.{level}.{index}.linear", before, width)
            before = width
    return shapes | _linear("last_linear", before, _BODY_OUT)


def _linear(name: str, before: int, after: int) -> Shapes:
    return {f"{name}.weight": (after, before, 1, 1), f"{name}.bias": (after,)}
