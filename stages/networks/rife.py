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

import numpy as np

from stages.networks.graph import Graph
from stages.networks.layers import cut
from stages.networks.pack import Precision, Target
from stages.networks.rife_blocks import Network, Seen, Size, between_at, see

SCALES = (2, 3, 4)


def frame(network: Network, precision: Precision, target: Target = "cpu") -> Graph:
    """Picture in; all that depends on it alone out."""
    graph, size = Graph("frame", precision, target), network.size
    bgra = graph.input("frame", "uint8", size.height, size.width, 4)
    seen = see(graph, premultiplied(graph, bgra, size), network)
    for name, value, shape in zip(Seen._fields, seen, _shapes(network), strict=True):
        graph.output(value, name, "float32", *shape)
    return graph


def between(network: Network, scale: int, precision: Precision, target: Target = "cpu") -> Graph:
    """Two frames as `frame` gives them in; the `scale` - 1 pictures between them out, in order."""
    graph, size = Graph(f"between_x{scale}", precision, target), network.size
    older, newer = (
        Seen(
            *(
                graph.input(f"{side}_{name}", "float32", *shape)
                for name, shape in zip(Seen._fields, _shapes(network), strict=True)
            )
        )
        for side in ("older", "newer")
    )
    for part in range(1, scale):
        made = between_at(graph, older, newer, part / scale, network)
        bgra = straight(graph, made.picture, size)
        graph.output(bgra, f"between_{part}", "uint8", size.height, size.width, 4)
    return graph


def whole(network: Network, scale: int, precision: Precision, target: Target = "gpu") -> Graph:
    """One graph as ezvtuber-rt loads it: two frames in, all `scale` of them out.

    The first dimension of the inputs is 1; the last frame of the output is the newer one itself.
    """
    graph, size = Graph(f"rife_x{scale}", precision, target), network.size
    shape = size.height, size.width, 4
    seen = []
    for name in ("tha_img_0", "tha_img_1"):
        given = graph.input(name, "uint8", 1, *shape)
        bgra = graph.add("Squeeze", given, graph.constant(np.array([0])))
        with graph.scope(name):
            seen.append(see(graph, premultiplied(graph, bgra, size), network))
    frames = []
    for part in range(1, scale):
        made = between_at(graph, seen[0], seen[1], part / scale, network)
        bgra = straight(graph, made.picture, size)
        frames.append(graph.add("Unsqueeze", bgra, graph.constant(np.array([0]))))
    together = graph.add("Concat", *frames, "tha_img_1", axis=0)
    graph.output(together, "frames", "uint8", scale, *shape)
    return graph


def premultiplied(graph: Graph, bgra: str, size: Size) -> str:
    """Turn (height, width, 4) uint8 BGRA, straight, into (1, 4, H, W) premultiplied, 0 to 1."""
    planes = graph.add("Transpose", graph.cast(bgra, "float32"), perm=[2, 0, 1])
    planes = graph.add("Mul", planes, _number(graph, 1 / 255))
    colours, alpha = cut(graph, planes, 0, 0, 3), cut(graph, planes, 0, 3, 4)
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
        planes = cut(graph, cut(graph, planes, 1, 0, size.height), 2, 0, size.width)
    alpha = cut(graph, planes, 0, 3, 4)
    # Below half a level nothing is seen: divided by no less, and set to nothing.
    least, most = _number(graph, 0.5 / 255), _number(graph, 255)
    seen = graph.cast(graph.add("GreaterOrEqual", alpha, least), "float32")
    of_alpha = graph.add("Mul", seen, most)
    of_colour = graph.add("Div", of_alpha, graph.add("Max", alpha, least))
    factors = graph.add("Concat", of_colour, of_colour, of_colour, of_alpha, axis=0)
    levels = graph.add("Clip", graph.add("Mul", planes, factors), _number(graph, 0), most)
    levels = graph.add("Floor", graph.add("Add", levels, _number(graph, 0.5)))
    return graph.add("Transpose", graph.cast(levels, "uint8"), perm=[1, 2, 0])


def _shapes(network: Network) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of `Seen`."""
    size, version = network.size, network.version
    height, width, first = size.padded_height, size.padded_width, version.scales[0]
    return (
        (1, 4, height, width),
        (1, version.seen, height, width),
        (1, version.seen, height // first, width // first),
    )


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, np.float32))
