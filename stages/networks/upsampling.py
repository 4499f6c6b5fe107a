"""The blocks up: twice the size, convolution, normalisation, activation."""

import numpy as np

from stages.networks.graph import Graph
from stages.networks.layers import (
    Weight,
    activate,
    convolution,
    depthwise,
    normalise,
)
from stages.networks.parameters import Parameters, Structure


def transposed_block(graph: Graph, x: str, p: Parameters, structure: Structure, size: int) -> str:
    """Transposed convolution of either structure, normalisation, ReLU; `size` is the result's."""
    if structure == "separable":
        x = transposed(graph, x, p["0.weight"], depthwise=True)
        x = convolution(graph, x, p["1.weight"])
        x = normalise(graph, x, p.within("2"), size)
    else:
        x = transposed(graph, x, p["0.weight"])
        x = normalise(graph, x, p.within("1"), size)
    return activate(graph, x, "relu")


def resized_block(
    graph: Graph, x: str, skip: str | None, p: Parameters, structure: Structure, size: int
) -> str:
    """Resize `x` to twice its size, put `skip` beside it, convolve, normalise, activate.

    Convolution is a sum over channels, so those of `x` and of `skip` are convolved apart and added:
    the large tensor that would hold both side by side is never written.
    """
    first = p["0.weight"]
    channels_in = first.shape[0] if structure == "separable" else first.shape[1]
    # `x` has twice the channels of `skip` and comes first.
    split = channels_in if skip is None else channels_in * 2 // 3
    if structure == "separable":
        pointwise = p["1.weight"]
        grown = _resized_depthwise(graph, x, first[:split])
        y = convolution(graph, grown, pointwise[:, :split])
        if skip is not None:
            seen = depthwise(graph, skip, first[split:])
            y = graph.add("Add", y, convolution(graph, seen, pointwise[:, split:]))
        y = normalise(graph, y, p.within("2"), size)
    else:
        y = _resized_convolution(graph, x, first[:, :split])
        if skip is not None:
            y = graph.add("Add", y, convolution(graph, skip, first[:, split:]))
        y = normalise(graph, y, p.within("1"), size)
    return activate(graph, y, "leaky")


def transposed(
    graph: Graph, x: str, weight: Weight, *, depthwise: bool = False, bias: Weight | None = None
) -> str:
    """Double the size with a transposed convolution; `weight` is (in, out / groups, 4, 4)."""
    stored = [graph.weight(weight)] + ([graph.weight(bias, "bias")] if bias is not None else [])
    return graph.add(
        "ConvTranspose",
        x,
        *stored,
        kernel_shape=[4, 4],
        strides=[2, 2],
        pads=[1] * 4,
        group=weight.shape[0] if depthwise else 1,
    )


def nearest_twice(graph: Graph, x: str) -> str:
    """Double the size: output (i, j) is input (i // 2, j // 2)."""
    scales = graph.constant(np.array([1, 1, 2, 2], np.float32))
    return graph.add(
        "Resize",
        x,
        "",
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def folded_kernel(weight: Weight) -> Weight:
    """Return the 4 x 4 transposed kernel that does what resize and `weight` (., ., 3, 3) do.

    Of three neighbours in a doubled picture two are the same pixel, so their weights add up. The
    zeros around the picture stay where they are: both see one pixel beyond each edge.
    """
    fold = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float64)
    folded = np.einsum("ar,oirs,bs->oiab", fold, weight.astype(np.float64), fold)
    return np.asarray(folded, np.float32)


def _resized_depthwise(graph: Graph, x: str, weight: Weight) -> str:
    if graph.target == "cpu":
        return transposed(graph, x, folded_kernel(weight), depthwise=True)
    return depthwise(graph, nearest_twice(graph, x), weight)


def _resized_convolution(graph: Graph, x: str, weight: Weight) -> str:
    if graph.target == "cpu":
        kernel = folded_kernel(weight).transpose(1, 0, 2, 3)
        return transposed(graph, x, np.ascontiguousarray(kernel))
    return convolution(graph, nearest_twice(graph, x), weight)
