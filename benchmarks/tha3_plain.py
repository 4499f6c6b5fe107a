"""The five THA3 networks as `torch.onnx.export` writes them: what ours are measured against.

Node by node what the official modules do, with every output, nothing folded, merged or left out:
pictures in the network's range in and out, a graph for each module. Held against real exports of
torch 2.13 (`--peer FOLDER` takes such a folder): same operators, same outputs, same time.

`build_existing` joins them into the two graphs that ezvtuber-rt runs, with the conversions of
pictures and the crops between them.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from stages.networks.graph import Graph
from stages.networks.layers import (
    activate,
    box,
    channels,
    convolution,
    depthwise,
    normalise,
    paste,
)
from stages.networks.parameters import NETWORKS, Head, Network, Parameters, State
from stages.networks.pictures import doubled, from_bgra, halved, to_bgra, to_display, warp
from stages.networks.tha3 import EYEBROWS, FACE, FACE_LEFT, FACE_SIZE, FACE_TOP, States
from stages.networks.upsampling import nearest_twice, transposed


class Output(NamedTuple):
    """One output of a module."""

    value: str
    channels: int


class Module(NamedTuple):
    """A module: the shapes of its inputs, the size of its outputs, its nodes."""

    inputs: dict[str, tuple[int, ...]]
    size: int
    make: Callable[..., list[Output]]


def build(name: str, state: State) -> bytes:
    """Return the separable module `name` in single precision."""
    graph = Graph(name, "fp32", "gpu")
    module = MODULES[name]
    given = [graph.input(input_, "float32", *shape) for input_, shape in module.inputs.items()]
    for index, made in enumerate(module.make(graph, state, *given)):
        shape = 1, made.channels, module.size, module.size
        graph.output(made.value, f"output_{index}", "float32", *shape)
    return graph.model().SerializeToString()


def build_existing(name: str, states: States) -> bytes:
    """Return `decomposer` or `merge` as ezvtuber-rt names their inputs and outputs."""
    graph = Graph(name, "fp32", "gpu")
    (_first if name == "decomposer" else _merged)(graph, states)
    return graph.model().SerializeToString()


def _first(graph: Graph, states: States) -> None:
    image = from_bgra(graph, graph.input("input_image", "uint8", 512, 512, 4))
    made = _decomposer(graph, states["decomposer"], box(graph, image, *EYEBROWS))
    graph.output(made[3].value, "background_layer", "float32", 1, 4, 128, 128)
    graph.output(made[0].value, "eyebrow_layer", "float32", 1, 4, 128, 128)
    graph.output(image, "image_prepared", "float32", 1, 4, 512, 512)


def _merged(graph: Graph, states: States) -> None:
    image = graph.input("combiner_image_prepared", "float32", 1, 4, 512, 512)
    layers = [
        graph.input(f"combiner_eyebrow_{name}", "float32", 1, 4, 128, 128)
        for name in ("background_layer", "layer")
    ]
    eyebrow_pose = graph.input("combiner_eyebrow_pose", "float32", 1, 12)
    whole = graph.input("morpher_image_prepared", "float32", 1, 4, 512, 512)
    face_pose = graph.input("morpher_face_pose", "float32", 1, 27)
    rotator_pose = graph.input("rotator_rotation_pose", "float32", 1, 6)
    editor_pose = graph.input("editor_rotation_pose", "float32", 1, 6)
    brows = _combiner(graph, states["combiner"], *layers, eyebrow_pose)[2].value
    face = paste(graph, box(graph, image, *FACE), brows, FACE_SIZE, 32, 32, 128)
    face = _face(graph, states["face"], face, face_pose)[0].value
    full = paste(graph, whole, face, 512, FACE_TOP, FACE_LEFT, FACE_SIZE)
    _, warped, change = _rotator(graph, states["rotator"], halved(graph, full), rotator_pose)
    wide = doubled(graph, warped.value), doubled(graph, change.value)
    edited = _editor(graph, states["editor"], full, *wide, editor_pose)[0].value
    bgra = to_bgra(graph, to_display(graph, edited), "down")
    graph.output(bgra, "editor_cv_result", "uint8", 512, 512, 4)


def _block(graph: Graph, x: str, p: Parameters, kind: str, stride: int = 1) -> str:
    x = convolution(graph, depthwise(graph, x, p["0.weight"], stride=stride), p["1.weight"])
    return activate(graph, normalise(graph, x, p.within("2"), 0), kind)


def _residual(graph: Graph, x: str, p: Parameters, kind: str) -> str:
    path = x
    for index, own in ((0, kind), (3, "")):
        path = depthwise(graph, path, p[f"{index}.0.weight"])
        path = convolution(graph, path, p[f"{index}.1.weight"])
        path = activate(graph, normalise(graph, path, p.within(f"{index + 1}"), 0), own)
    return graph.add("Add", x, path)


def _planes(graph: Graph, pose: str, size: int) -> str:
    column = graph.add("Unsqueeze", pose, graph.constant(np.array([2, 3])))
    return graph.add("Expand", column, graph.constant(np.array([1, 1, size, size])))


def _body(graph: Graph, x: str, network: Network, state: State, pose: str | None) -> str:
    p = Parameters(state, network.prefix["separable"])
    small = network.growth == "transposed"
    kind = "relu" if small else "leaky"
    levels = []
    for index in range(4):
        x = _block(graph, x, p.within(f"downsample_blocks.{index}"), kind, 2 if index else 1)
        levels.append(x)
    if small:
        if pose is not None:
            x = graph.add("Concat", x, _planes(graph, pose, network.size // 8), axis=1)
        x = _block(graph, x, p.within("bottleneck_blocks.0"), kind)
    for index in range(1 if small else 0, 6):
        x = _residual(graph, x, p.within(f"bottleneck_blocks.{index}.resnet_path"), kind)
    for index in range(3):
        own = p.within(f"upsample_blocks.{index}")
        if small:
            x = transposed(graph, x, own["0.weight"], depthwise=True)
            x = convolution(graph, x, own["1.weight"])
            x = activate(graph, normalise(graph, x, own.within("2"), 0), kind)
            continue
        x = nearest_twice(graph, x)
        if network.growth == "joined":
            x = graph.add("Concat", x, levels[2 - index], axis=1)
        x = _block(graph, x, own if network.growth == "joined" else own.within("1"), kind)
    return x


def _head(graph: Graph, feature: str, head: Head, state: State) -> str:
    p = Parameters(state)
    if not head.activation:
        return convolution(graph, feature, p[f"{head.name}.weight"])
    own = p.within(f"{head.name}.0")
    made = convolution(graph, feature, own["weight"], bias=own["bias"])
    return graph.add(head.activation, made)


def _mix(graph: Graph, alpha: str, change: str, image: str) -> str:
    one = graph.constant(np.array(1, np.float32))
    kept = graph.add("Mul", image, graph.add("Sub", one, alpha))
    return graph.add("Add", graph.add("Mul", change, alpha), kept)


def _made(graph: Graph, network: Network, state: State, x: str, pose: str | None) -> list[str]:
    feature = _body(graph, x, network, state, pose)
    return [_head(graph, feature, head, state) for head in network.heads]


def _decomposer(graph: Graph, state: State, image: str) -> list[Output]:
    made = _made(graph, NETWORKS["decomposer"], state, image, None)
    ground_alpha, ground, eyebrow_alpha, eyebrow = made
    return [
        Output(_mix(graph, eyebrow_alpha, image, eyebrow), 4),
        Output(eyebrow_alpha, 1),
        Output(eyebrow, 4),
        Output(_mix(graph, ground_alpha, ground, image), 4),
        Output(ground_alpha, 1),
        Output(ground, 4),
    ]


def _combiner(graph: Graph, state: State, ground: str, layer: str, pose: str) -> list[Output]:
    both = graph.add("Concat", ground, layer, axis=1)
    grid, alpha, colour, whole = _made(graph, NETWORKS["combiner"], state, both, pose)
    warped = warp(graph, grid, layer, 128)
    morphed = _mix(graph, alpha, colour, warped)
    one, two = (graph.constant(np.array(value, np.float32)) for value in (1, 2))
    opacity = graph.add("Div", graph.add("Add", channels(graph, morphed, 3, 4), one), two)

    def over(alpha: str) -> str:
        below = channels(graph, ground, 0, 3)
        mixed = _mix(graph, alpha, channels(graph, morphed, 0, 3), below)
        return graph.add("Concat", mixed, channels(graph, ground, 3, 4), axis=1)

    return [
        Output(over(whole), 4),
        Output(whole, 1),
        Output(over(opacity), 4),
        Output(morphed, 4),
        Output(alpha, 1),
        Output(colour, 4),
        Output(warped, 4),
        Output(grid, 2),
    ]


def _face(graph: Graph, state: State, image: str, pose: str) -> list[Output]:
    grid, colour, alpha, eye, eye_alpha = _made(graph, NETWORKS["face"], state, image, pose)
    warped = warp(graph, grid, image, 192)
    painted = _mix(graph, alpha, colour, warped)
    return [
        Output(_mix(graph, eye_alpha, eye, painted), 4),
        Output(eye_alpha, 1),
        Output(eye, 4),
        Output(painted, 4),
        Output(alpha, 1),
        Output(colour, 4),
        Output(warped, 4),
    ]


def _rotator(graph: Graph, state: State, image: str, pose: str) -> list[Output]:
    x = graph.add("Concat", image, _planes(graph, pose, 256), axis=1)
    direct, grid = _made(graph, NETWORKS["rotator"], state, x, None)
    return [Output(direct, 4), Output(warp(graph, grid, image, 256), 4), Output(grid, 2)]


def _editor(
    graph: Graph, state: State, image: str, rotated: str, change: str, pose: str
) -> list[Output]:
    x = graph.add("Concat", image, rotated, change, _planes(graph, pose, 512), axis=1)
    colour, alpha, grid = _made(graph, NETWORKS["editor"], state, x, None)
    grid = graph.add("Add", change, grid)
    warped = warp(graph, grid, image, 512)
    return [
        Output(_mix(graph, alpha, colour, warped), 4),
        Output(alpha, 4),
        Output(colour, 4),
        Output(warped, 4),
        Output(grid, 2),
    ]


def _picture(size: int, count: int = 4) -> tuple[int, ...]:
    return 1, count, size, size


MODULES = {
    "decomposer": Module({"image": _picture(128)}, 128, _decomposer),
    "combiner": Module(
        {"background": _picture(128), "eyebrow_layer": _picture(128), "pose": (1, 12)},
        128,
        _combiner,
    ),
    "face": Module({"image": _picture(192), "pose": (1, 27)}, 192, _face),
    "rotator": Module({"image": _picture(256), "pose": (1, 6)}, 256, _rotator),
    "editor": Module(
        {
            "image": _picture(512),
            "rotated": _picture(512),
            "grid_change": _picture(512, 2),
            "pose": (1, 6),
        },
        512,
        _editor,
    ),
}
