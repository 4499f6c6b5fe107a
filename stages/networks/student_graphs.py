"""A THA4 student as the graphs of a model pack, cut where results can be kept.

| graph   | computes                              | anew when                      |
|---------|---------------------------------------|--------------------------------|
| prepare | picture in: linear, premultiplied     | the picture changes            |
| face    | the face, painted                     | pose[0:39] changes             |
| body    | all moved and retouched, picture out  | anything changes               |

Pictures between graphs are RGBA, (1, 4, size, size) float32 in the network's range -1..1. Inside,
graphs for a CPU keep the channels of a pixel together and multiply matrices, which ONNX Runtime
does faster there; those for a GPU convolve planes.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.networks import student
from stages.networks.graph import Graph
from stages.networks.layers import channels, paste
from stages.networks.pack import Part, Precision, Reach, Rounding, Target
from stages.networks.pictures import SIZE, mix, to_bgra, to_display, warp
from stages.networks.student import Array, Dense, Level, Student

REACHES: dict[str, Reach] = {"prepare": "picture", "face": "face", "body": "rotation"}

# With fp16, what stays in single precision: the argument of this sine reaches 92 (half precision
# steps by 0.06 there), and what the last sine layer gives feeds the warp, where 1 is 256 pixels.
_EXACT = {(0, 0), (2, 1)}  # level and hidden layer of the body network


class Body(NamedTuple):
    """What the body network makes of its inputs, in the network's range."""

    grid_change: str
    alpha: str
    color_change: str
    warped: str
    blended: str


def build(
    name: str,
    networks: Student,
    precision: Precision,
    target: Target = "cpu",
    rounding: Rounding = "nearest",
) -> Graph:
    """Return one of the three graphs."""
    graph = Graph(name, precision, target)
    image = (1, 4, SIZE, SIZE)
    if name == "prepare":
        picture = graph.input("picture", "uint8", SIZE, SIZE, 4)
        graph.output(prepared(graph, picture), "image", "float32", *image)
    elif name == "face":
        pose = graph.input("expression_pose", "float32", 1, student.FACE_POSE)
        graph.output(face(graph, networks, pose), "face", "float32", 1, 4, 128, 128)
    else:
        whole = graph.input("image", "float32", *image)
        painted = graph.input("face", "float32", 1, 4, 128, 128)
        pose = graph.input("pose", "float32", 1, student.POSE)
        made = body(graph, networks, whole, painted, pose)
        frame = to_bgra(graph, to_display(graph, made.blended), rounding)
        graph.output(frame, "frame", "uint8", SIZE, SIZE, 4)
    return graph


def write(
    folder: Path, networks: Student, precision: Precision, target: Target
) -> tuple[Part, ...]:
    """Write the three graphs into a folder; return them as parts of a pack."""
    parts = []
    for name, reach in REACHES.items():
        model = build(name, networks, precision, target).model({"model": "tha4_student"})
        path = folder / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        inputs, outputs = (
            {value.name: value.name for value in values}
            for values in (model.graph.input, model.graph.output)
        )
        parts.append(Part(name, path, reach, inputs, outputs))
    return tuple(parts)


def prepared(graph: Graph, picture: str) -> str:
    """Turn (512, 512, 4) uint8 BGRA, straight alpha, sRGB, into premultiplied linear RGBA."""
    value = np.arange(256) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    planes = graph.cast(graph.add("Transpose", picture, perm=[2, 0, 1]), "int32")
    alpha = graph.add("Gather", planes, graph.constant(np.array([3])), axis=0)
    rgb = graph.add("Gather", planes, graph.constant(np.array([2, 1, 0])), axis=0)
    tables = (graph.constant(table.astype(np.float32), "table") for table in (linear, value))
    colours = graph.add("Gather", next(tables), rgb)
    alpha = graph.add("Gather", next(tables), alpha)
    image = graph.add("Concat", graph.add("Mul", colours, alpha), alpha, axis=0)
    image = graph.add("Unsqueeze", image, graph.constant(np.array([0])))
    two, one = (graph.constant(np.array(number, np.float32)) for number in (2, 1))
    return graph.add("Sub", graph.add("Mul", image, two), one)


def face(graph: Graph, networks: Student, pose: str) -> str:
    """Return the painted face of `pose`, (1, 39): (1, 4, 128, 128)."""
    form = _Form(graph)
    with graph.scope("face"):
        x = form.level(networks.face, None, pose, frozenset())
        return form.planes(form.dense(x, networks.face_last))


def body(graph: Graph, networks: Student, image: str, painted: str, pose: str) -> Body:
    """Move and retouch the prepared picture with its painted face by `pose`, (1, 45)."""
    form = _Form(graph)
    features: str | None = None
    (top, _), (left, _) = student.FACE_ROWS, student.FACE_COLUMNS
    for index, level in enumerate(networks.body):
        with graph.scope(f"level_{index}"):
            exact = frozenset(hidden for at, hidden in _EXACT if at == index)
            features = form.level(level, features, pose, exact)
    assert features is not None
    field = form.planes(form.dense(features, networks.body_last, exact=True))
    with graph.scope("picture"):
        pasted = paste(graph, image, painted, SIZE, top, left, student.FACE_SIZE)
        grid, alpha, colour = (
            channels(graph, field, part.start, part.stop)
            for part in (student.GRID, student.SHARE, student.COLOUR)
        )
        warped = warp(graph, grid, pasted, SIZE)
        return Body(grid, alpha, colour, warped, mix(graph, alpha, colour, warped))


class _Form:
    """How values lie: planes, (1, channels, h, w), for a GPU; pixels, (1, h, w, channels), else.

    Values are float32; with precision fp16 the products alone are taken in half precision.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._planar = graph.target == "gpu"

    def level(self, level: Level, below: str | None, pose: str, exact: frozenset[int]) -> str:
        """Return the features of a level; its hidden layers in `exact` are never halved."""
        graph = self._graph
        x = self._added_by(pose, level.pose)
        if below is not None and level.features is not None:
            nothing = np.zeros(level.features.shape[1], np.float32)
            lower = self.dense(below, Dense(level.features, nothing))
            x = self._doubled(graph.add("Add", lower, x))
        for direction in (0, 1):
            values = student.coordinates(level.size)[:, None] * level.position[direction]
            x = graph.add("Add", x, graph.constant(self._line(values, direction), "position"))
        x = graph.add("Sin", x)
        for index, layer in enumerate(level.hidden):
            x = graph.add("Sin", self.dense(x, layer, exact=index in exact))
        return x

    def dense(self, x: str, layer: Dense, *, exact: bool = False) -> str:
        """Return x @ weight + bias at every pixel."""
        graph = self._graph
        store = graph.constant if exact else graph.weight
        x = x if exact else graph.to_number(x)
        if self._planar:
            kernels = np.ascontiguousarray(layer.weight.T)[:, :, None, None]
            stored = store(kernels, "weight"), store(layer.bias, "bias")
            x = graph.add("Conv", x, *stored, kernel_shape=[1, 1])
        else:
            x = graph.add("MatMul", x, store(layer.weight, "weight"))
            x = graph.add("Add", x, store(layer.bias, "bias"))
        return x if exact else graph.from_number(x)

    def planes(self, x: str) -> str:
        """Return (1, channels, h, w)."""
        return x if self._planar else self._graph.add("Transpose", x, perm=[0, 3, 1, 2])

    def _added_by(self, pose: str, layer: Dense) -> str:
        """Return what the pose adds at every pixel, one value a channel."""
        stored = (self._graph.constant(values, "pose") for values in layer)
        vector = self._graph.add("Gemm", pose, *stored)
        axes = [2, 3] if self._planar else [1, 2]
        return self._graph.add("Unsqueeze", vector, self._graph.constant(np.array(axes)))

    def _line(self, values: Array, direction: int) -> Array:
        """Lay (size, channels) out so that it spreads over the picture; direction 0 is along x."""
        if self._planar:
            values = values.T
            return values[None, :, None, :] if direction == 0 else values[None, :, :, None]
        return values[None, None, :, :] if direction == 0 else values[None, :, None, :]

    def _doubled(self, x: str) -> str:
        """Return x at twice its size: bilinear, half-pixel centres, edges clamped."""
        scales = [1.0, 1.0, 2.0, 2.0] if self._planar else [1.0, 2.0, 2.0, 1.0]
        return self._graph.add(
            "Resize",
            x,
            "",
            self._graph.constant(np.array(scales, np.float32)),
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
