"""The four passes of a frame, ready to be computed box by box, and the memory between them.

| pass    | size | begins with                | ends in                                     |
|---------|------|----------------------------|---------------------------------------------|
| face    | 128  | position and pose          | the picture, where its face is              |
| level 0 | 128  | position and pose          | what level 1 begins with                    |
| level 1 | 256  | level 0's result, enlarged | what level 2 begins with                    |
| level 2 | 512  | level 1's result, enlarged | grid change, share and colour of each pixel |

What is enlarged has a border of one pixel. There the features are those of the outermost pixel, as
enlarging with clamped edges has it, and the position goes on, which it has to because it is added
before the enlargement. It also is a sixteenth: the weights of enlarging are then 1, 3 and 9, and no
result changes by a division by a power of two.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.networks import student
from stages.networks.student import Array, Dense, Level, Student

Frame = NDArray[np.uint8]

SIZE = 512
SHRUNK = np.float32(1 / 16)


class Lines:
    """What position and pose add to a layer: (size, width) along rows, and along columns."""

    def __init__(self, position: Array, pose: Dense, size: int) -> None:
        places = student.coordinates(size)[:, None]
        self._down = places * position[1]
        self._pose = pose
        self.columns: Array = np.ascontiguousarray(places * position[0])
        self.rows: Array = np.empty_like(self._down)
        self.step = position * np.float32(2 / size)  # (2, width): from a pixel to the next

    def take(self, pose: Array) -> None:
        """Compute the rows for a pose, (39,) or (45,)."""
        np.add(self._down, pose @ self._pose.weight + self._pose.bias, out=self.rows)


class Pass(NamedTuple):
    """One pass. `target` is (size, size, width); the last pass writes frames instead."""

    size: int
    begin: Lines | None  # None: begins with `source`, enlarged
    source: Array | None  # (size / 2 + 2, size / 2 + 2, width)
    hidden: tuple[Dense, ...]
    last: Dense
    add: Lines | None  # what is added to the last layer's result
    target: Array | None

    @property
    def width(self) -> int:
        """Channels of the first layer."""
        return len(self.hidden[0].weight)

    @property
    def widest(self) -> int:
        """The most channels of any layer."""
        return max(len(layer.bias) for layer in (*self.hidden, self.last))


class Passes:
    """The passes of one character."""

    def __init__(self, networks: Student, picture: Frame) -> None:
        """`picture` is (512, 512, 4) uint8 BGRA, straight alpha."""
        low, middle, high = networks.body
        self.picture = prepared(picture)
        (top, bottom), (left, right) = student.FACE_ROWS, student.FACE_COLUMNS
        self._begin = Lines(low.position, low.pose, low.size)
        self._face_begin = Lines(networks.face.position, networks.face.pose, networks.face.size)
        self.face = Pass(
            size=networks.face.size,
            begin=self._face_begin,
            source=None,
            hidden=networks.face.hidden,
            last=networks.face_last,
            add=None,
            target=self.picture[top:bottom, left:right],
        )
        first = _lower(low, middle, self._begin, None)
        second = _lower(middle, high, None, _with_border(first))
        assert second.add is not None
        last = Pass(
            size=high.size,
            begin=None,
            source=_with_border(second),
            hidden=high.hidden,
            last=networks.body_last,
            add=None,
            target=None,
        )
        self.body = first, second, last

    def take_face(self, pose: Array) -> None:
        """Make the face pass ready for a pose, (45,)."""
        self._face_begin.take(pose[: student.FACE_POSE])

    def take(self, pose: Array) -> None:
        """Make the body's passes ready for a pose, (45,)."""
        for lines in (self._begin, *(part.add for part in self.body)):
            if lines is not None:
                lines.take(pose)


def continue_border(done: Pass) -> None:
    """Fill the border around a result: the features of its edge, the position going on."""
    assert done.add is not None
    whole, step = _with_border(done), done.add.step
    across, down = step
    np.subtract(whole[1], down, out=whole[0])
    np.add(whole[-2], down, out=whole[-1])
    np.subtract(whole[:, 1], across, out=whole[:, 0])
    np.add(whole[:, -2], across, out=whole[:, -1])


def prepared(picture: Frame) -> Array:
    """Return (512, 512, 4) RGBA: linear, premultiplied, -1 to 1."""
    value = np.arange(256) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    alpha = value[picture[..., 3:]]
    colour = linear[picture[..., 2::-1]] * alpha
    return (np.concatenate([colour, alpha], axis=2) * 2 - 1).astype(np.float32)


def _lower(level: Level, above: Level, begin: Lines | None, source: Array | None) -> Pass:
    """Return the pass of a level with another above it, whose first layer it computes in part."""
    assert above.features is not None
    width = above.features.shape[1]
    pose = Dense(above.pose.weight * SHRUNK, above.pose.bias * SHRUNK)
    memory = np.zeros((level.size + 2, level.size + 2, width), np.float32)
    return Pass(
        size=level.size,
        begin=begin,
        source=source,
        hidden=level.hidden,
        last=Dense(above.features * SHRUNK, np.zeros(width, np.float32)),
        add=Lines(above.position * SHRUNK, pose, level.size),
        target=memory[1:-1, 1:-1],
    )


def _with_border(done: Pass) -> Array:
    assert done.target is not None and isinstance(done.target.base, np.ndarray)
    return done.target.base
