"""RIFE as the graphs of a model pack: frames between two frames.

| graph      | computes                                        | run                     |
|------------|-------------------------------------------------|-------------------------|
| frame      | a picture as the blocks want to see it          | once for every picture  |
| between_x2 | the picture in the middle of two                | once for every pair,    |
| between_x3 | the two at thirds                               | that of the scale asked |
| between_x4 | the three at quarters                           | for                     |

A picture is (height, width, 4) uint8 BGRA, straight alpha. The network sees its premultiplied
colours, and its flow and mask move all four channels of the premultiplied picture: so edges neither
fringe nor tremble. Sizes are padded with zeros at the bottom and at the right, and cut off again.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stages.networks.graph import Graph
from stages.networks.layers import convolution, cut
from stages.networks.pack import Precision, Target
from stages.networks.parameters import Parameters, State
from stages.networks.rife_sampling import (
    CoarseSum,
    mean_of_four,
    padded,
    resized,
    sample,
    shares,
)
from stages.networks.rife_versions import FEATURES, Version
from stages.networks.upsampling import transposed

SLOPE = 0.2
SCALES = (2, 3, 4)
CUT = 20  # channels of the last block's last convolution that anybody uses: flow and mask


class Size(NamedTuple):
    """A picture's size, and what it is padded to."""

    height: int
    width: int
    padded_height: int
    padded_width: int

    @classmethod
    def of(cls, height: int, width: int, version: Version) -> "Size":
        """Return the size a version works at."""
        multiple = version.multiple
        return cls(height, width, padded(height, multiple), padded(width, multiple))


class Seen(NamedTuple):
    """One picture as the blocks want to see it."""

    picture: str  # (1, 4, H, W): BGRA, premultiplied, 0 to 1
    full: str  # (1, seen, H, W): RGB and what the head sees in it
    coarse: str  # the same, reduced for the first block


class Between(NamedTuple):
    """A picture between two."""

    picture: str  # (1, 4, H, W): BGRA, premultiplied
    grids: list[str]  # where older and newer were sampled, (1, H, W, 2)
    mask: str  # (1, 1, H, W), before the sigmoid


def frame(
    state: State, version: Version, size: Size, precision: Precision, target: Target
) -> Graph:
    """Picture in; all that depends on it alone out."""
    graph = Graph("frame", precision, target)
    bgra = graph.input("frame", "uint8", size.height, size.width, 4)
    seen = see(graph, premultiplied(graph, bgra, size), state, version)
    for name, (value, shape) in _seen_values(seen, version, size).items():
        graph.output(value, name, "float32", *shape)
    return graph


def between(
    state: State,
    version: Version,
    size: Size,
    scale: int,
    precision: Precision,
    target: Target,
) -> Graph:
    """Two frames as `frame` gives them in; the `scale` - 1 pictures between them out."""
    graph = Graph(f"between_x{scale}", precision, target)
    seen = []
    for side in ("older", "newer"):
        names = Seen(*(f"{side}_{name}" for name in Seen._fields))
        for name, (value, shape) in _seen_values(names, version, size).items():
            graph.input(value, "float32", *shape)
        seen.append(names)
    for part, made in enumerate(all_between(graph, *seen, shares(scale), state, version, size), 1):
        bgra = straight(graph, made.picture, size)
        graph.output(bgra, f"between_{part}", "uint8", size.height, size.width, 4)
    return graph


def premultiplied(graph: Graph, bgra: str, size: Size) -> str:
    """Turn (height, width, 4) uint8 BGRA, straight, into (1, 4, H, W) premultiplied, 0 to 1."""
    planes = graph.add("Transpose", graph.cast(bgra, "float32"), perm=[2, 0, 1])
    planes = graph.add("Mul", planes, _number(graph, 1 / 255))
    colours = cut(graph, planes, 0, 0, 3)
    alpha = cut(graph, planes, 0, 3, 4)
    planes = graph.add("Concat", graph.add("Mul", colours, alpha), alpha, axis=0)
    planes = graph.add("Unsqueeze", planes, graph.constant(np.array([0])))
    below, right = size.padded_height - size.height, size.padded_width - size.width
    if not below and not right:
        return planes
    return graph.add("Pad", planes, graph.constant(np.array([0, 0, 0, 0, 0, 0, below, right])))


def straight(graph: Graph, picture: str, size: Size) -> str:
    """Turn (1, 4, H, W) premultiplied BGRA into (height, width, 4) uint8 BGRA, rounded."""
    planes = graph.add("Squeeze", picture, graph.constant(np.array([0])))
    if (size.height, size.width) != (size.padded_height, size.padded_width):
        ends = graph.constant(np.array([size.height, size.width]))
        starts, axes = graph.constant(np.array([0, 0])), graph.constant(np.array([1, 2]))
        planes = graph.add("Slice", planes, starts, ends, axes)
    alpha = cut(graph, planes, 0, 3, 4)
    # Below half a level nothing is seen: divided by no less, and set to nothing.
    least = _number(graph, 0.5 / 255)
    factor = graph.add("Div", _number(graph, 255), graph.add("Max", alpha, least))
    seen = graph.cast(graph.add("GreaterOrEqual", alpha, least), "float32")
    factors = graph.add(
        "Concat", *[graph.add("Mul", factor, seen)] * 3, graph.add("Mul", seen, _number(graph, 255)),
        axis=0,
    )  # fmt: skip
    levels = graph.add("Mul", planes, factors)
    levels = graph.add("Clip", levels, _number(graph, 0), _number(graph, 255))
    levels = graph.cast(graph.add("Floor", graph.add("Add", levels, _number(graph, 0.5))), "uint8")
    return graph.add("Transpose", levels, perm=[1, 2, 0])


def see(graph: Graph, picture: str, state: State, version: Version) -> Seen:
    """Look at a premultiplied picture: its colours, the head's features, both reduced."""
    order = graph.constant(np.array([2, 1, 0]))
    full = graph.add("Gather", picture, order, axis=1)
    if version.head:
        full = graph.add("Concat", full, _head(graph, full, Parameters(state)), axis=1)
    return Seen(picture, full, resized(graph, full, 1 / version.scales[0]))


def all_between(
    graph: Graph,
    older: Seen,
    newer: Seen,
    times: Sequence[float],
    state: State,
    version: Version,
    size: Size,
) -> list[Between]:
    """Return the pictures at `times`, from 0, the older one, to 1."""
    made = []
    for time in times:
        with graph.scope(f"at_{time:.2f}"):
            made.append(_between(graph, older, newer, time, state, version, size))
    return made


def _between(
    graph: Graph, older: Seen, newer: Seen, time: float, state: State, version: Version, size: Size
) -> Between:
    p = Parameters(state)
    full = size.padded_height, size.padded_width
    flow = CoarseSum(graph, *full, lengths=True)
    masks = CoarseSum(graph, *full, lengths=False)
    last = len(version.scales) - 1
    made, before = "", version.scales[0]
    grids: list[str] = []
    for index, scale in enumerate(version.scales):
        height, width = size.padded_height // scale, size.padded_width // scale
        if index == 0:
            inputs = [older.coarse, newer.coarse]
        else:
            grids = flow.grids(scale)
            inputs = [
                _reduced(graph, seen.full, grid, scale)
                for seen, grid in zip((older, newer), grids, strict=True)
            ]
        inputs.append(_plane(graph, time, height, width))
        if index:
            # Mask and features are those of the block before; without features masks add up.
            inputs.append(
                resized(graph, cut(graph, made, 1, 4, 5 + FEATURES), before / scale)
                if version.head
                else masks.reduced(scale)
            )
            inputs.append(flow.reduced(scale))
        x = graph.to_number(graph.add("Concat", *inputs, axis=1))
        with graph.scope(f"block{index}"):
            outputs = CUT if index == last or not version.head else 0
            x = _block(graph, x, p.within(f"block{index}"), _input_order(index, version), outputs)
        made = graph.from_number(x)
        own_flow, mask = cut(graph, made, 1, 0, 4), cut(graph, made, 1, 4, 5)
        if index < last:
            flow.add(own_flow, scale)
            masks.add(mask, scale)
        elif not version.head:
            mask = graph.add("Add", masks.reduced(scale), mask)
        before = scale
    grids = _moved(graph, grids, own_flow, size)
    sampled = [
        sample(graph, seen.picture, grid) for seen, grid in zip((older, newer), grids, strict=True)
    ]
    share = graph.add("Sigmoid", mask)
    change = graph.add("Mul", graph.add("Sub", sampled[0], sampled[1]), share)
    return Between(graph.add("Add", sampled[1], change), grids, mask)


def _reduced(graph: Graph, image: str, grid: str, scale: int) -> str:
    x = sample(graph, image, grid)
    return mean_of_four(graph, x) if scale > 1 else x


def _moved(graph: Graph, grids: list[str], flow: str, size: Size) -> list[str]:
    """Add the flow of the last block, which is of full size, to the grids it worked on."""
    unit = [2.0 / (size.padded_width - 1), 2.0 / (size.padded_height - 1)] * 2
    scaled = graph.add("Mul", flow, graph.constant(np.array(unit, np.float32).reshape(1, 4, 1, 1)))
    scaled = graph.add("Transpose", scaled, perm=[0, 2, 3, 1])
    return [
        graph.add("Add", grid, cut(graph, scaled, 3, 2 * picture, 2 * picture + 2))
        for picture, grid in enumerate(grids)
    ]


def _block(graph: Graph, x: str, p: Parameters, order: list[int], outputs: int) -> str:
    """Return (1, made, h, w) for an input of the same height and width."""
    first = p["conv0.0.0.weight"][:, order]
    x = _leaky(graph, convolution(graph, x, first, stride=2, bias=p["conv0.0.0.bias"]))
    x = _leaky(
        graph, convolution(graph, x, p["conv0.1.0.weight"], stride=2, bias=p["conv0.1.0.bias"])
    )
    for unit in range(8):
        own = p.within(f"convblock.{unit}")
        beta = own["beta"].reshape(-1)
        weight, bias = own["conv.weight"] * beta[:, None, None, None], own["conv.bias"] * beta
        # The skip is a convolution too, by 1 in the middle.
        weight[np.arange(len(beta)), np.arange(len(beta)), 1, 1] += 1
        x = _leaky(graph, convolution(graph, x, weight, bias=bias))
    weight, bias = p["lastconv.0.weight"], p["lastconv.0.bias"]
    if outputs:
        weight, bias = weight[:, :outputs], bias[:outputs]
    x = transposed(graph, x, np.ascontiguousarray(weight), bias=bias)
    return graph.add("DepthToSpace", x, blocksize=2, mode="CRD")


def _head(graph: Graph, image: str, p: Parameters) -> str:
    p = p.within("encode")
    x = graph.to_number(image)
    with graph.scope("encode"):
        for index, stride in enumerate((2, 1, 1)):
            weight, bias = p[f"cnn{index}.weight"], p[f"cnn{index}.bias"]
            x = _leaky(graph, convolution(graph, x, weight, stride=stride, bias=bias))
        x = transposed(graph, x, p["cnn3.weight"], bias=p["cnn3.bias"])
    return graph.from_number(x)


def _input_order(index: int, version: Version) -> list[int]:
    """Return the published place of each of our input channels.

    Ours are colours and features of the older picture, then of the newer one; published are the
    colours of both, then the features of both.
    """
    features = version.seen - 3
    older = [0, 1, 2, *range(6, 6 + features)]
    newer = [3, 4, 5, *range(6 + features, 6 + 2 * features)]
    rest = range(2 * version.seen, 2 * version.seen + 1 + bool(index) * (5 + 8 * version.head))
    return [*older, *newer, *rest]


def _seen_values(
    seen: Seen, version: Version, size: Size
) -> dict[str, tuple[str, tuple[int, ...]]]:
    height, width, first = size.padded_height, size.padded_width, version.scales[0]
    shapes = (
        (1, 4, height, width),
        (1, version.seen, height, width),
        (1, version.seen, height // first, width // first),
    )
    return dict(zip(Seen._fields, zip(seen, shapes, strict=True), strict=True))


def _plane(graph: Graph, value: float, height: int, width: int) -> str:
    return graph.constant(np.full((1, 1, height, width), value, np.float32), "time")


def _leaky(graph: Graph, x: str) -> str:
    return graph.add("LeakyRelu", x, alpha=SLOPE)


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, np.float32))
