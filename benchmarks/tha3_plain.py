"""The five THA3 networks as `torch.onnx.export` writes them: what ours are measured against.

Node by node what the official modules do, with every output, nothing folded, merged or left out:
pictures in the network's range in and out, a graph for each module. Held against real exports of
torch 2.13 (`--peer FOLDER` takes such a folder): same operators, same outputs, same time.
"""

from collections.abc import Callable

import numpy as np

from stages.networks.graph import Graph
from stages.networks.layers import activate, channels, convolution, depthwise, normalise
from stages.networks.parameters import NETWORKS, Head, Network, Parameters, State
from stages.networks.pictures import warp
from stages.networks.upsampling import nearest_twice, transposed


def build(name: str, state: State) -> bytes:
    """Return the separable module `name` in single precision."""
    graph = Graph(name, "fp32", "gpu")
    _MODULES[name](graph, state)
    return graph.model().SerializeToString()


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


def _outputs(graph: Graph, size: int, *values: tuple[str, int]) -> None:
    for index, (value, count) in enumerate(values):
        graph.output(value, f"output_{index}", "float32", 1, count, size, size)


def _decomposer(graph: Graph, state: State) -> None:
    image = graph.input("image", "float32", 1, 4, 128, 128)
    made = _made(graph, NETWORKS["decomposer"], state, image, None)
    ground_alpha, ground, eyebrow_alpha, eyebrow = made
    _outputs(
        graph,
        128,
        (_mix(graph, eyebrow_alpha, image, eyebrow), 4),
        (eyebrow_alpha, 1),
        (eyebrow, 4),
        (_mix(graph, ground_alpha, ground, image), 4),
        (ground_alpha, 1),
        (ground, 4),
    )


def _combiner(graph: Graph, state: State) -> None:
    ground = graph.input("background", "float32", 1, 4, 128, 128)
    layer = graph.input("eyebrow_layer", "float32", 1, 4, 128, 128)
    pose = graph.input("pose", "float32", 1, 12)
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

    _outputs(
        graph,
        128,
        (over(whole), 4),
        (whole, 1),
        (over(opacity), 4),
        (morphed, 4),
        (alpha, 1),
        (colour, 4),
        (warped, 4),
        (grid, 2),
    )


def _face(graph: Graph, state: State) -> None:
    image = graph.input("image", "float32", 1, 4, 192, 192)
    pose = graph.input("pose", "float32", 1, 27)
    grid, colour, alpha, eye, eye_alpha = _made(graph, NETWORKS["face"], state, image, pose)
    warped = warp(graph, grid, image, 192)
    painted = _mix(graph, alpha, colour, warped)
    _outputs(
        graph,
        192,
        (_mix(graph, eye_alpha, eye, painted), 4),
        (eye_alpha, 1),
        (eye, 4),
        (painted, 4),
        (alpha, 1),
        (colour, 4),
        (warped, 4),
    )


def _rotator(graph: Graph, state: State) -> None:
    image = graph.input("image", "float32", 1, 4, 256, 256)
    pose = graph.input("pose", "float32", 1, 6)
    x = graph.add("Concat", image, _planes(graph, pose, 256), axis=1)
    direct, grid = _made(graph, NETWORKS["rotator"], state, x, None)
    _outputs(graph, 256, (direct, 4), (warp(graph, grid, image, 256), 4), (grid, 2))


def _editor(graph: Graph, state: State) -> None:
    image = graph.input("image", "float32", 1, 4, 512, 512)
    rotated = graph.input("rotated", "float32", 1, 4, 512, 512)
    change = graph.input("grid_change", "float32", 1, 2, 512, 512)
    pose = graph.input("pose", "float32", 1, 6)
    x = graph.add("Concat", image, rotated, change, _planes(graph, pose, 512), axis=1)
    colour, alpha, grid = _made(graph, NETWORKS["editor"], state, x, None)
    grid = graph.add("Add", change, grid)
    warped = warp(graph, grid, image, 512)
    _outputs(
        graph,
        512,
        (_mix(graph, alpha, colour, warped), 4),
        (alpha, 4),
        (colour, 4),
        (warped, 4),
        (grid, 2),
    )


_MODULES: dict[str, Callable[[Graph, State], None]] = {
    "decomposer": _decomposer,
    "combiner": _combiner,
    "face": _face,
    "rotator": _rotator,
    "editor": _editor,
}
