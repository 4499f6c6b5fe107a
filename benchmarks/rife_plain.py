"""RIFE as `torch.onnx.export` writes it: what ours is measured against.

Node by node what the published module does for one time step, nothing folded, kept or left out: two
RGB pictures, 0 to 1, float32 in, one out.
"""

import numpy as np

from stages.networks.graph import Graph
from stages.networks.layers import channels, convolution
from stages.networks.parameters import Parameters, State
from stages.networks.rife_sampling import resized, sample
from stages.networks.rife_versions import Version
from stages.networks.upsampling import transposed


def build(state: State, version: Version, height: int, width: int, time: float = 0.5) -> bytes:
    """Return the graph for a size that needs no padding."""
    graph = Graph("plain")
    p = Parameters(state)
    images = [graph.input(name, "float32", 1, 3, height, width) for name in ("older", "newer")]
    seen = [_head(graph, image, p.within("encode")) for image in images] if version.head else []
    plane = graph.constant(np.full((1, 1, height, width), time, np.float32))
    flow, mask, features = "", "", ""
    warped = images
    for index, scale in enumerate(version.scales):
        own = p.within(f"block{index}")
        if index == 0:
            x = graph.add("Concat", *images, *seen, plane, axis=1)
            change, mask, features = _block(graph, x, "", scale, own, version)
            flow = change
        else:
            warped_seen = [
                _warp(graph, x, flow, side, height, width) for side, x in enumerate(seen)
            ]
            parts = [*warped, *warped_seen, plane, mask, *([features] if version.head else [])]
            x = graph.add("Concat", *parts, axis=1)
            change, own_mask, features = _block(graph, x, flow, scale, own, version)
            flow = graph.add("Add", flow, change)
            mask = own_mask if version.head else graph.add("Add", mask, own_mask)
        warped = [
            _warp(graph, image, flow, side, height, width) for side, image in enumerate(images)
        ]
    share = graph.add("Sigmoid", mask)
    rest = graph.add("Sub", _number(graph, 1), share)
    out = graph.add("Add", graph.add("Mul", warped[0], share), graph.add("Mul", warped[1], rest))
    graph.output(out, "between", "float32", 1, 3, height, width)
    return graph.model().SerializeToString()


def _block(
    graph: Graph, x: str, flow: str, scale: int, p: Parameters, version: Version
) -> tuple[str, str, str]:
    x = resized(graph, x, 1 / scale)
    if flow:
        small = graph.add("Mul", resized(graph, flow, 1 / scale), _number(graph, 1 / scale))
        x = graph.add("Concat", x, small, axis=1)
    for index in range(2):
        own = p.within(f"conv0.{index}.0")
        x = convolution(graph, x, own["weight"], stride=2, bias=own["bias"])
        x = graph.add("LeakyRelu", x, alpha=0.2)
    for index in range(8):
        own = p.within(f"convblock.{index}")
        made = convolution(graph, x, own["conv.weight"], bias=own["conv.bias"])
        made = graph.add("Mul", made, graph.constant(own["beta"]))
        x = graph.add("LeakyRelu", graph.add("Add", made, x), alpha=0.2)
    x = transposed(graph, x, p["lastconv.0.weight"], bias=p["lastconv.0.bias"])
    x = graph.add("DepthToSpace", x, blocksize=2, mode="CRD")
    x = resized(graph, x, scale)
    change = graph.add("Mul", channels(graph, x, 0, 4), _number(graph, scale))
    features = channels(graph, x, 5, 13) if version.head else ""
    return change, channels(graph, x, 4, 5), features


def _head(graph: Graph, image: str, p: Parameters) -> str:
    x = image
    for index, stride in enumerate((2, 1, 1)):
        own = p.within(f"cnn{index}")
        x = convolution(graph, x, own["weight"], stride=stride, bias=own["bias"])
        x = graph.add("LeakyRelu", x, alpha=0.2)
    return transposed(graph, x, p["cnn3.weight"], bias=p["cnn3.bias"])


def _warp(graph: Graph, image: str, flow: str, side: int, height: int, width: int) -> str:
    across, down = np.linspace(-1, 1, width), np.linspace(-1, 1, height)
    base = np.stack(np.meshgrid(across, down))[None].astype(np.float32)
    own = channels(graph, flow, 2 * side, 2 * side + 2)
    half = np.array([(width - 1) / 2, (height - 1) / 2], np.float32).reshape(1, 2, 1, 1)
    grid = graph.add("Add", graph.constant(base), graph.add("Div", own, graph.constant(half)))
    return sample(graph, image, graph.add("Transpose", grid, perm=[0, 2, 3, 1]))


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, np.float32))
