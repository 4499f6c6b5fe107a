"""The blocks of RIFE: from two pictures, coarse to fine, to what lies between them.

Everything outside the convolutions is float32 whatever the precision: half precision in a grid
moves pixels by an eighth.
"""

from typing import NamedTuple

import numpy as np

from stages.networks.graph import Graph
from stages.networks.layers import convolution, cut
from stages.networks.parameters import Parameters, State
from stages.networks.rife_sampling import CoarseSum, mean_of_four, padded, resized, sample
from stages.networks.rife_versions import FEATURES, Version
from stages.networks.upsampling import transposed

_SLOPE = 0.2  # of the leaky ReLUs
_USED = 20  # channels of the last block's last convolution that anybody uses: flow and mask


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


class Network(NamedTuple):
    """One network at one size."""

    state: State  # names as in `rife_versions.expected`
    version: Version
    size: Size


class Seen(NamedTuple):
    """One picture as the blocks want to see it."""

    picture: str  # (1, 4, H, W): BGRA, premultiplied, 0 to 1
    full: str  # (1, seen, H, W): BGR and what the head sees in it
    coarse: str  # the same, reduced for the first block


class Between(NamedTuple):
    """A picture between two."""

    picture: str  # (1, 4, H, W): BGRA, premultiplied
    grids: tuple[str, str]  # where older and newer were sampled, (1, H, W, 2)
    mask: str  # (1, 1, H, W), before the sigmoid


def see(graph: Graph, picture: str, network: Network) -> Seen:
    """Look at a premultiplied picture: its colours, the head's features, both reduced."""
    full = cut(graph, picture, 1, 0, 3)
    if network.version.head:
        full = graph.add("Concat", full, _head(graph, full, Parameters(network.state)), axis=1)
    return Seen(picture, full, resized(graph, full, 1 / network.version.scales[0]))


def between_at(graph: Graph, older: Seen, newer: Seen, time: float, network: Network) -> Between:
    """Return the picture at a time from 0, the older one, to 1."""
    with graph.scope(f"at_{time:.2f}"):
        return _Run(graph, older, newer, time, network).picture()


class _Run:
    """All blocks, for one time between two pictures."""

    def __init__(
        self, graph: Graph, older: Seen, newer: Seen, time: float, network: Network
    ) -> None:
        self._graph, self._seen, self._time = graph, (older, newer), time
        self._state, self._version, size = network
        self._height, self._width = size.padded_height, size.padded_width
        self._flow = CoarseSum(graph, self._height, self._width, lengths=True)
        self._masks = CoarseSum(graph, self._height, self._width, lengths=False)

    def picture(self) -> Between:
        """Run from coarse to fine, then move both pictures and mix them."""
        graph, version = self._graph, self._version
        last, made, grids = len(version.scales) - 1, "", []
        for index, scale in enumerate(version.scales):
            if index:
                self._flow.add(cut(graph, made, 1, 0, 4), version.scales[index - 1])
                self._masks.add(cut(graph, made, 1, 4, 5), version.scales[index - 1])
                grids = self._flow.grids(scale)
            x = graph.to_number(self._inputs(index, grids, made))
            p = Parameters(self._state).within(f"block{index}")
            with graph.scope(f"block{index}"):
                used = _USED if index == last or not version.head else None
                made = graph.from_number(_block(graph, x, p, _order(index, version), used))
        return self._mixed(grids, made)

    def _inputs(self, index: int, grids: list[str], before: str) -> str:
        """Concatenate what block `index` gets; `before` is what the block before it made."""
        graph, version, scale = self._graph, self._version, self._version.scales[index]
        shape = 1, 1, self._height // scale, self._width // scale
        time = graph.constant(np.full(shape, self._time, np.float32), "time")
        if index == 0:
            return graph.add("Concat", *(seen.coarse for seen in self._seen), time, axis=1)
        parts = []
        for seen, grid in zip(self._seen, grids, strict=True):
            x = sample(graph, seen.full, grid)
            parts.append(mean_of_four(graph, x) if scale > 1 else x)
        parts.append(time)
        if version.head:
            # Mask and features are those of the block before.
            own = cut(graph, before, 1, 4, 5 + FEATURES)
            parts.append(resized(graph, own, version.scales[index - 1] / scale))
        else:
            parts.append(self._masks.reduced(scale))
        return graph.add("Concat", *parts, self._flow.reduced(scale), axis=1)

    def _mixed(self, grids: list[str], made: str) -> Between:
        """Add the last block's flow, which is of full size, and mix what is sampled there."""
        graph = self._graph
        mask = cut(graph, made, 1, 4, 5)
        if not self._version.head:  # masks add up
            mask = graph.add("Add", self._masks.reduced(1), mask)
        unit = np.array([2.0 / (self._width - 1), 2.0 / (self._height - 1)] * 2, np.float32)
        flow = graph.add("Mul", cut(graph, made, 1, 0, 4), graph.constant(unit.reshape(1, 4, 1, 1)))
        flow = graph.add("Transpose", flow, perm=[0, 2, 3, 1])
        first, second = (
            graph.add("Add", grid, cut(graph, flow, 3, 2 * side, 2 * side + 2))
            for side, grid in enumerate(grids)
        )
        older = sample(graph, self._seen[0].picture, first)
        newer = sample(graph, self._seen[1].picture, second)
        change = graph.add("Mul", graph.add("Sub", older, newer), graph.add("Sigmoid", mask))
        return Between(graph.add("Add", newer, change), (first, second), mask)


def _block(graph: Graph, x: str, p: Parameters, order: list[int], used: int | None) -> str:
    """Return flow, mask and features, (1, made, h, w), for an input of that height and width."""
    for index in range(2):
        own = p.within(f"conv0.{index}.0")
        weight = own["weight"] if index else own["weight"][:, order]
        x = _leaky(graph, convolution(graph, x, weight, stride=2, bias=own["bias"]))
    for unit in range(8):
        own = p.within(f"convblock.{unit}")
        beta = own["beta"].reshape(-1)
        weight = own["conv.weight"] * beta[:, None, None, None]
        # The skip is a convolution too, by 1 in the middle.
        weight[np.arange(len(beta)), np.arange(len(beta)), 1, 1] += 1
        x = _leaky(graph, convolution(graph, x, weight, bias=own["conv.bias"] * beta))
    weight = np.ascontiguousarray(p["lastconv.0.weight"][:, :used])
    x = transposed(graph, x, weight, bias=p["lastconv.0.bias"][:used])
    return graph.add("DepthToSpace", x, blocksize=2, mode="CRD")


def _head(graph: Graph, image: str, p: Parameters) -> str:
    """Return what the head sees in colours, BGR: (1, 4, H, W)."""
    p, x = p.within("encode"), graph.to_number(image)
    with graph.scope("encode"):
        for index, stride in enumerate((2, 1, 1)):
            own = p.within(f"cnn{index}")
            weight = own["weight"] if index else own["weight"][:, ::-1]  # published for RGB
            x = convolution(graph, x, weight, stride=stride, bias=own["bias"])
            x = _leaky(graph, x)
        x = transposed(graph, x, p["cnn3.weight"], bias=p["cnn3.bias"])
    return graph.from_number(x)


def _order(index: int, version: Version) -> list[int]:
    """Return the published place of each of our input channels.

    Ours are colours, BGR, and features of the older picture, then of the newer one; published are
    the colours of both, RGB, then the features of both. Turning weights round costs nothing.
    """
    features = version.seen - 3
    older = [2, 1, 0, *range(6, 6 + features)]
    newer = [5, 4, 3, *range(6 + features, 6 + 2 * features)]
    both = 2 * version.seen
    rest = both + 1 if index == 0 else both + 6 + (FEATURES if version.head else 0)
    return [*older, *newer, *range(both, rest)]


def _leaky(graph: Graph, x: str) -> str:
    return graph.add("LeakyRelu", x, alpha=_SLOPE)
