"""Pictures inside a graph: to and from the network's range, mixing, warping, resizing.

Everything here is float32 whatever the precision of the bodies: half precision in grids moves
pixels by an eighth, and in the colour curves costs levels.
"""

import numpy as np
from numpy.typing import NDArray

from stages.networks.graph import Graph
from stages.networks.layers import channels
from stages.networks.pack import Rounding

SIZE = 512


def colour_table() -> NDArray[np.float32]:
    """Return what each 8-bit colour is in the network's range: linear light, -1 to 1."""
    value = np.arange(256) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return (linear * 2.0 - 1.0).astype(np.float32)


def alpha_table() -> NDArray[np.float32]:
    """Return what each 8-bit alpha is in the network's range."""
    return (np.arange(256) / 255.0 * 2.0 - 1.0).astype(np.float32)


def from_bgra(graph: Graph, picture: str) -> str:
    """Turn (512, 512, 4) uint8 BGRA, straight alpha, sRGB, into (1, 4, 512, 512) RGBA.

    Tables, because 256 values are all there are: each is exact. Where alpha is 0 all four channels
    become those of transparent black, whatever colour is hidden there.
    """
    planes = graph.cast(graph.add("Transpose", picture, perm=[2, 0, 1]), "int32")
    alpha = graph.add("Gather", planes, graph.constant(np.array([3])), axis=0)
    rgb = graph.add("Gather", planes, graph.constant(np.array([2, 1, 0])), axis=0)
    visible = graph.add("Greater", alpha, graph.constant(np.array(0, np.int32)))
    rgb = graph.add("Where", visible, rgb, graph.constant(np.array(0, np.int32)))
    colours = graph.add("Gather", graph.constant(colour_table(), "colour_table"), rgb)
    alphas = graph.add("Gather", graph.constant(alpha_table(), "alpha_table"), alpha)
    image = graph.add("Concat", colours, alphas, axis=0)
    return graph.add("Unsqueeze", image, graph.constant(np.array([0])))


def to_display(graph: Graph, image: str) -> str:
    """Turn (1, 4, 512, 512) RGBA of the network into display values 0 to 1, sRGB, same layout."""
    half = _number(graph, 0.5)
    unit = graph.add("Add", graph.add("Mul", image, half), half)
    unit = graph.add("Clip", unit, _number(graph, 0.0), _number(graph, 1.0))
    linear, alpha = channels(graph, unit, 0, 3), channels(graph, unit, 3, 4)
    knee = _number(graph, 0.003130804953560372)
    # exp(log(x) / 2.4): libraries compute these two in vectors, and a power element by element.
    logarithm = graph.add("Log", graph.add("Max", linear, knee))
    power = graph.add("Exp", graph.add("Mul", logarithm, _number(graph, 1 / 2.4)))
    curve = graph.add("Sub", graph.add("Mul", power, _number(graph, 1.055)), _number(graph, 0.055))
    line = graph.add("Mul", linear, _number(graph, 12.92))
    low = graph.add("LessOrEqual", linear, knee)
    return graph.add("Concat", graph.add("Where", low, line, curve), alpha, axis=1)


def to_bgra(graph: Graph, display: str, rounding: Rounding) -> str:
    """Turn display values into (512, 512, 4) uint8 BGRA.

    `nearest` is how the official application saves files (ties to even), `down` how its live
    window and the existing ONNX packs do.
    """
    levels = graph.add("Mul", display, _number(graph, 255.0))
    levels = graph.add("Round" if rounding == "nearest" else "Floor", levels)
    levels = graph.cast(levels, "uint8")
    bgra = graph.add("Gather", levels, graph.constant(np.array([2, 1, 0, 3])), axis=1)
    bgra = graph.add("Squeeze", bgra, graph.constant(np.array([0])))
    return graph.add("Transpose", bgra, perm=[1, 2, 0])


def mix(graph: Graph, alpha: str, change: str, image: str) -> str:
    """Return change * alpha + image * (1 - alpha)."""
    step = graph.add("Mul", graph.add("Sub", change, image), alpha)
    return graph.add("Add", image, step)


def warp(graph: Graph, grid_change: str, image: str, size: int) -> str:
    """Sample `image` at its own places moved by `grid_change`; the border's pixels go on for ever.

    Channel 0 of the grid change goes along columns, channel 1 along rows; 2 / size is a pixel.
    """
    middle = (2.0 * np.arange(size) + 1.0) / size - 1.0
    base = np.stack(np.meshgrid(middle, middle), axis=-1)[None].astype(np.float32)
    grid = graph.add("Transpose", grid_change, perm=[0, 2, 3, 1])
    grid = graph.add("Add", grid, graph.constant(base, "base_grid"))
    return graph.add(
        "GridSample", image, grid, mode="bilinear", padding_mode="border", align_corners=0
    )


def halved(graph: Graph, image: str) -> str:
    """Return the image at half its size: bilinear without antialiasing is the mean of 2 x 2."""
    return _resized(graph, image, 0.5)


def doubled(graph: Graph, image: str) -> str:
    """Return the image at twice its size, bilinear, edges clamped."""
    return _resized(graph, image, 2.0)


def _resized(graph: Graph, image: str, scale: float) -> str:
    scales = graph.constant(np.array([1, 1, scale, scale], np.float32))
    return graph.add(
        "Resize",
        image,
        "",
        scales,
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, np.float32))
