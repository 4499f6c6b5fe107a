"""The layers that all THA3 bodies are made of. Values are NCHW, in the graph's precision.

A block is a convolution (separable: depthwise, then pointwise, nothing between), instance
normalisation and an activation. All padding is zero padding; no convolution of a body has a bias.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stages.networks.graph import Graph
from stages.networks.parameters import Head, Parameters, Structure

EPSILON = 1e-5
SMALLEST_APART = 96  # a multiple of 16, as all larger sizes are

Weight = NDArray[np.float32]
Activation = Literal["relu", "leaky", ""]


def convolution(
    graph: Graph, x: str, weight: Weight, *, stride: int = 1, bias: Weight | None = None
) -> str:
    """Convolve, padded so that stride 1 keeps the size and 2 halves it.

    `weight` is (out, in, k, k).
    """
    kernel = weight.shape[-1]
    stored = [graph.weight(weight)] + ([graph.weight(bias, "bias")] if bias is not None else [])
    return graph.add(
        "Conv",
        x,
        *stored,
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=[(kernel - 1) // 2] * 4,
    )


def depthwise(graph: Graph, x: str, weight: Weight, *, stride: int = 1) -> str:
    """Convolve every channel with its own kernel, (channels, 1, k, k)."""
    kernel = weight.shape[-1]
    return graph.add(
        "Conv",
        x,
        graph.weight(weight),
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=[(kernel - 1) // 2] * 4,
        group=weight.shape[0],
    )


def normalise(graph: Graph, x: str, p: Parameters, size: int) -> str:
    """Instance normalisation of (1, ., size, size): the statistics are those of this very input.

    For CPUs it is taken apart where planes are large. Both ONNX Runtime and OpenVINO add up a whole
    plane in one float32, which loses up to 4e-3 and 3e-2 standard deviations on planes that are
    mostly of one value, as around a character; means of blocks lose under 1e-4.
    """
    scale, bias = p["weight"], p["bias"]
    if graph.target == "gpu" or size < SMALLEST_APART:
        stored = graph.weight(scale, "scale"), graph.weight(bias, "bias")
        return graph.add("InstanceNormalization", x, *stored, epsilon=EPSILON)
    x = graph.from_number(x)
    mean = _mean(graph, x)
    centred = graph.add("Sub", x, mean)
    variance = _mean(graph, graph.add("Mul", centred, centred))
    epsilon = graph.constant(np.array(EPSILON, np.float32))
    deviation = graph.add("Sqrt", graph.add("Add", variance, epsilon))
    column = (1, -1, 1, 1)
    factor = graph.add("Div", graph.constant(scale.reshape(column), "scale"), deviation)
    # In terms of x, not of what was centred: so that is never written to memory.
    shift = graph.constant(bias.reshape(column), "bias")
    shift = graph.add("Sub", shift, graph.add("Mul", mean, factor))
    return graph.to_number(graph.add("Add", graph.add("Mul", x, factor), shift))


def _mean(graph: Graph, x: str) -> str:
    """Return the mean of every plane, (1, ., 1, 1), by blocks."""
    blocks = graph.add("AveragePool", x, kernel_shape=[16, 16], strides=[16, 16])
    return graph.add("ReduceMean", blocks, axes=[2, 3], keepdims=1)


def activate(graph: Graph, x: str, activation: Activation) -> str:
    """ReLU, or leaky ReLU with slope 0.1."""
    if activation == "relu":
        return graph.add("Relu", x)
    if activation == "leaky":
        return graph.add("LeakyRelu", x, alpha=0.1)
    return x


def block(
    graph: Graph,
    x: str,
    p: Parameters,
    structure: Structure,
    activation: Activation,
    size: int,
    *,
    stride: int = 1,
) -> str:
    """Convolution of either structure, normalisation, activation; `size` is the result's."""
    if structure == "separable":
        x = depthwise(graph, x, p["0.weight"], stride=stride)
        x = convolution(graph, x, p["1.weight"])
        x = normalise(graph, x, p.within("2"), size)
    else:
        x = convolution(graph, x, p["0.weight"], stride=stride)
        x = normalise(graph, x, p.within("1"), size)
    return activate(graph, x, activation)


def residual(
    graph: Graph,
    x: str,
    p: Parameters,
    structure: Structure,
    activation: Activation,
    size: int,
) -> str:
    """Return x + [block, block without activation]; nothing after the sum."""
    path = x
    for index, kind in ((0, activation), (3, "")):
        if structure == "separable":
            path = depthwise(graph, path, p[f"{index}.0.weight"])
            path = convolution(graph, path, p[f"{index}.1.weight"])
        else:
            path = convolution(graph, path, p[f"{index}.weight"])
        path = activate(graph, normalise(graph, path, p.within(f"{index + 1}"), size), kind)
    return graph.add("Add", x, path)


def pose_planes(graph: Graph, pose: str, size: int) -> str:
    """Turn (1, n) float32 into n planes of `size` x `size`, each filled with one value."""
    column = graph.add("Unsqueeze", graph.to_number(pose), graph.constant(np.array([2, 3])))
    shape = graph.constant(np.array([1, 1, size, size]))
    return graph.add("Expand", column, shape)


def heads(graph: Graph, feature: str, p: Parameters, wanted: list[Head]) -> dict[str, str]:
    """Return the outputs of the heads, float32, by name.

    One convolution makes them all. Activations are taken in float32: what follows are colours,
    alphas and grids, and half precision there costs whole levels of the picture.
    """
    weights, biases = [], []
    for head in wanted:
        own = p.within(f"{head.name}.0" if head.activation else head.name)
        weights.append(own["weight"])
        biases.append(own["bias"] if head.activation else np.zeros(head.channels, np.float32))
    together = convolution(graph, feature, np.concatenate(weights), bias=np.concatenate(biases))
    together = graph.from_number(together)
    outputs, begin = {}, 0
    for head in wanted:
        with graph.scope(head.name):
            value = channels(graph, together, begin, begin + head.channels)
            outputs[head.name] = graph.add(head.activation, value) if head.activation else value
        begin += head.channels
    return outputs


def channels(graph: Graph, x: str, begin: int, end: int) -> str:
    """Return some channels of a picture."""
    return cut(graph, x, 1, begin, end)


def cut(graph: Graph, x: str, axis: int, begin: int, end: int) -> str:
    """Return `begin`..`end` along an axis."""
    bounds = [graph.constant(np.array([value])) for value in (begin, end, axis)]
    return graph.add("Slice", x, *bounds)


def box(graph: Graph, x: str, rows: tuple[int, int], columns: tuple[int, int]) -> str:
    """Cut a rectangle out of a picture."""
    names = [graph.constant(np.array(pair)) for pair in zip(rows, columns, strict=True)]
    return graph.add("Slice", x, *names, graph.constant(np.array([2, 3])))


def paste(graph: Graph, x: str, patch: str, size: int, top: int, left: int, patch_size: int) -> str:
    """Return `x` (size x size) with a square overwritten; all channels, no blending."""
    bottom, right = top + patch_size, left + patch_size
    row = graph.add(
        "Concat",
        box(graph, x, (top, bottom), (0, left)),
        patch,
        box(graph, x, (top, bottom), (right, size)),
        axis=3,
    )
    above, below = cut(graph, x, 2, 0, top), cut(graph, x, 2, bottom, size)
    return graph.add("Concat", above, row, below, axis=2)
