"""THA3 in plain NumPy: a second reading of the same specification, to hold the graphs against.

Nothing here is shared with the layers that build graphs except the list of parameters. It works in
float32 with the statistics in float64 and is slow: seconds a frame.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.networks.parameters import NETWORKS, Network, Parameters, State, Structure

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


class Evaluated(NamedTuple):
    """What passes between the graphs of `tha3`, by the same names, without the first axis.

    Pictures are planar RGBA in the network's range; `warped`, `grid_change` and `edited` stay
    inside the last graph.
    """

    image: Array
    face_crop: Array
    eyebrow_layer: Array
    background: Array
    eyebrow_feature: Array
    face_with_eyebrows: Array
    face_feature: Array
    face: Array
    warped: Array
    grid_change: Array
    edited: Array
    frame: Picture


def evaluate(
    states: dict[str, State], structure: Structure, picture: Picture, pose: Array
) -> Evaluated:
    """Draw `pose`, (45,), of `picture`, (512, 512, 4) BGRA."""
    image = network_image(picture)
    region = image[:, 64:192, 192:320]
    made, _ = _small("decomposer", states, structure, region, None)
    eyebrow_layer = _mix(made["eyebrow_layer_alpha"], region, made["eyebrow_layer_color_change"])
    background = _mix(made["background_layer_alpha"], made["background_layer_color_change"], region)
    both = np.concatenate([background, eyebrow_layer])
    made, eyebrow_feature = _small("combiner", states, structure, both, pose[:12])
    moved = _mix(
        made["morphed_eyebrow_layer_alpha"],
        made["morphed_eyebrow_layer_color_change"],
        _warp(made["morphed_eyebrow_layer_grid_change"], eyebrow_layer),
    )
    crop = image[:, 32:224, 160:352]
    moved_on = crop.copy()
    moved_on[:3, 32:160, 32:160] = _mix(
        (moved[3:] + np.float32(1)) / np.float32(2), moved[:3], background[:3]
    )
    moved_on[3, 32:160, 32:160] = background[3]
    made, face_feature = _small("face", states, structure, moved_on, pose[12:39])
    face = _warp(made["iris_mouth_grid_change"], moved_on)
    face = _mix(made["iris_mouth_alpha"], made["iris_mouth_color_change"], face)
    face = _mix(made["eye_alpha"], made["eye_color_change"], face)
    full = image.copy()
    full[:, 32:224, 160:352] = face
    half = full.reshape(4, 256, 2, 256, 2).mean((2, 4))
    made = _large("rotator", states, structure, half, pose[39:])
    warped, change = _warp(made["grid_change_creator"], half), made["grid_change_creator"]
    wide = double(np.concatenate([warped, change]))
    made = _large("editor", states, structure, np.concatenate([full, wide]), pose[39:])
    edited = _mix(
        made["alpha_creator"],
        made["color_change_creator"],
        _warp(wide[4:] + made["grid_change_creator"], full),
    )
    return Evaluated(
        image=image,
        face_crop=crop,
        eyebrow_layer=eyebrow_layer,
        background=background,
        eyebrow_feature=eyebrow_feature,
        face_with_eyebrows=moved_on,
        face_feature=face_feature,
        face=face,
        warped=warped,
        grid_change=change,
        edited=edited,
        frame=bgra(edited),
    )


def sample_picture() -> Picture:
    """Return a picture to check with, (512, 512, 4) BGRA: the same to the bit on every machine."""
    rows, columns = np.mgrid[0:512, 0:512]

    def wave(places: NDArray[np.int64], period: int) -> NDArray[np.int64]:
        return np.abs(places % period * 2 - period) * 255 // period

    blue = (wave(rows * 2 + columns, 180) + wave(rows - columns * 3, 410)) // 2
    green = (wave(rows + columns, 230) * 3 + wave(columns * 5 - rows * 4, 350)) // 4
    red = (wave(columns, 170) + wave(rows * 3 + columns, 290)) // 2
    distance = (rows - 262) ** 2 + (columns - 256) ** 2
    alpha = np.clip((215**2 - distance) // 24, 0, 255)
    return np.stack([blue, green, red, alpha], axis=-1).astype(np.uint8)


def sample_pose() -> Array:
    """Return a pose to check with, (45,): every parameter off its rest."""
    steps = np.arange(45) * 19 % 45
    return ((steps + 1) / 50.0).astype(np.float32)


def network_image(picture: Picture) -> Array:
    """Return RGBA planes -1..1, colours linear, nothing where alpha is 0."""
    value = picture[..., [2, 1, 0, 3]].astype(np.float64) / 255
    value[picture[..., 3] == 0] = 0
    colour = value[..., :3]
    value[..., :3] = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return (value * 2 - 1).transpose(2, 0, 1).astype(np.float32)


def bgra(image: Array, *, down: bool = False) -> Picture:
    """Return the picture of RGBA planes, rounded to the nearest level or down."""
    unit = np.clip((image.astype(np.float64) + 1) / 2, 0, 1)
    colour = unit[:3]
    curve = 1.055 * np.maximum(colour, 1e-9) ** (1 / 2.4) - 0.055
    unit[:3] = np.where(colour <= 0.003130804953560372, 12.92 * colour, curve)
    levels = np.floor(unit * 255) if down else np.rint(unit * 255)
    return np.ascontiguousarray(levels.astype(np.uint8)[[2, 1, 0, 3]].transpose(1, 2, 0))


def _small(
    name: str, states: dict[str, State], structure: Structure, x: Array, pose: Array | None
) -> tuple[dict[str, Array], Array]:
    """Return what the heads make, and the feature before the pose."""
    network, p = NETWORKS[name], Parameters(states[name], NETWORKS[name].prefix[structure])
    for index in range(4):
        x = _block(x, p, f"downsample_blocks.{index}", structure, 0.0, stride=2 if index else 1)
    feature = x
    if pose is not None:
        planes = np.broadcast_to(pose[:, None, None], (len(pose), *x.shape[1:]))
        x = np.concatenate([x, planes.astype(np.float32)])
    x = _block(x, p, "bottleneck_blocks.0", structure, 0.0)
    for index in range(1, 6):
        x = _residual(x, p, f"bottleneck_blocks.{index}.resnet_path", structure, 0.0)
    for index in range(3):
        x = _grow(x, p, f"upsample_blocks.{index}", structure)
    return _heads(network, Parameters(states[name]), x), feature


def _large(
    name: str, states: dict[str, State], structure: Structure, x: Array, pose: Array
) -> dict[str, Array]:
    network, p = NETWORKS[name], Parameters(states[name], NETWORKS[name].prefix[structure])
    planes = np.broadcast_to(pose[:, None, None], (len(pose), *x.shape[1:]))
    x = np.concatenate([x, planes.astype(np.float32)])
    levels = []
    for index in range(4):
        # The official builder forgets its slope there, in this structure only.
        slope = 0.0 if index and structure == "standard" else 0.1
        x = _block(x, p, f"downsample_blocks.{index}", structure, slope, stride=2 if index else 1)
        levels.append(x)
    for index in range(6):
        x = _residual(x, p, f"bottleneck_blocks.{index}.resnet_path", structure, 0.1)
    for index in range(3):
        x = x.repeat(2, axis=1).repeat(2, axis=2)
        prefix = f"upsample_blocks.{index}"
        if name == "editor":
            x = np.concatenate([x, levels[2 - index]])
        else:
            prefix += ".1"
        x = _block(x, p, prefix, structure, 0.1)
    return _heads(network, Parameters(states[name]), x)


def _heads(network: Network, p: Parameters, x: Array) -> dict[str, Array]:
    made: dict[str, Array] = {}
    for head in network.heads:
        if not head.activation:
            made[head.name] = _convolve(x, p[f"{head.name}.weight"])
            continue
        value = _convolve(x, p[f"{head.name}.0.weight"])
        value += p[f"{head.name}.0.bias"][:, None, None]
        made[head.name] = np.tanh(value) if head.activation == "Tanh" else _sigmoid(value)
    return made


def _sigmoid(x: Array) -> Array:
    return np.float32(1) / (np.float32(1) + np.exp(-x))


def _block(
    x: Array, p: Parameters, name: str, structure: Structure, slope: float, stride: int = 1
) -> Array:
    if structure == "separable":
        x = _convolve(_depthwise(x, p[f"{name}.0.weight"], stride), p[f"{name}.1.weight"])
        return _activate(_normalise(x, p.within(f"{name}.2")), slope)
    x = _convolve(x, p[f"{name}.0.weight"], stride)
    return _activate(_normalise(x, p.within(f"{name}.1")), slope)


def _residual(x: Array, p: Parameters, name: str, structure: Structure, slope: float) -> Array:
    path = x
    for index, own_slope in ((0, slope), (3, 1.0)):
        if structure == "separable":
            path = _depthwise(path, p[f"{name}.{index}.0.weight"])
            path = _convolve(path, p[f"{name}.{index}.1.weight"])
        else:
            path = _convolve(path, p[f"{name}.{index}.weight"])
        path = _activate(_normalise(path, p.within(f"{name}.{index + 1}")), own_slope)
    return x + path


def _grow(x: Array, p: Parameters, name: str, structure: Structure) -> Array:
    """Transposed convolution: zeros between the pixels, then the mirrored kernel."""
    spread = np.zeros((x.shape[0], x.shape[1] * 2 + 3, x.shape[2] * 2 + 3), np.float32)
    spread[:, 2:-2:2, 2:-2:2] = x
    kernel = p[f"{name}.0.weight"][..., ::-1, ::-1]
    if structure == "separable":
        x = _convolve(_depthwise(spread, kernel, pad=0), p[f"{name}.1.weight"])
        return _activate(_normalise(x, p.within(f"{name}.2")), 0.0)
    x = _convolve(spread, kernel.transpose(1, 0, 2, 3), pad=0)
    return _activate(_normalise(x, p.within(f"{name}.1")), 0.0)


def _convolve(x: Array, weight: Array, stride: int = 1, pad: int | None = None) -> Array:
    """One matrix product per place in the kernel."""
    size = weight.shape[-1]
    padded, height, width = _padded(x, size, stride, pad)
    total = np.zeros((weight.shape[0], height * width), np.float32)
    for row in range(size):
        for column in range(size):
            seen = _shifted(padded, row, column, stride, height, width)
            total += weight[:, :, row, column] @ seen.reshape(len(x), -1)
    return total.reshape(-1, height, width)


def _depthwise(x: Array, weight: Array, stride: int = 1, pad: int | None = None) -> Array:
    size = weight.shape[-1]
    padded, height, width = _padded(x, size, stride, pad)
    total = np.zeros((len(x), height, width), np.float32)
    for row in range(size):
        for column in range(size):
            seen = _shifted(padded, row, column, stride, height, width)
            total += seen * weight[:, 0, row, column][:, None, None]
    return total


def _padded(x: Array, size: int, stride: int, pad: int | None) -> tuple[Array, int, int]:
    around = (size - 1) // 2 if pad is None else pad
    padded = np.pad(x, ((0, 0), (around, around), (around, around)))
    height, width = ((n - size) // stride + 1 for n in padded.shape[1:])
    return padded, height, width


def _shifted(x: Array, row: int, column: int, stride: int, height: int, width: int) -> Array:
    rows, columns = (
        slice(row, row + height * stride, stride),
        slice(column, column + width * stride, stride),
    )
    return x[:, rows, columns][:, :height, :width]


def _normalise(x: Array, p: Parameters) -> Array:
    mean = x.mean((1, 2), dtype=np.float64)[:, None, None]
    variance = np.square(x - mean).mean((1, 2), dtype=np.float64)[:, None, None]
    scale = p["weight"][:, None, None] / np.sqrt(variance + 1e-5)
    result: Array = ((x - mean) * scale + p["bias"][:, None, None]).astype(np.float32)
    return result


def _activate(x: Array, slope: float) -> Array:
    return np.maximum(x, 0) + np.float32(slope) * np.minimum(x, 0)


def _mix(alpha: Array, change: Array, image: Array) -> Array:
    return change * alpha + image * (np.float32(1) - alpha)


def _warp(grid_change: Array, image: Array) -> Array:
    size = image.shape[-1]
    places = np.arange(size, dtype=np.float64)
    columns = np.clip(places[None, :] + grid_change[0] * (size / 2), 0, size - 1)
    rows = np.clip(places[:, None] + grid_change[1] * (size / 2), 0, size - 1)
    left, top = columns.astype(np.int64), rows.astype(np.int64)
    right, bottom = np.minimum(left + 1, size - 1), np.minimum(top + 1, size - 1)
    across, down = columns - left, rows - top
    upper = image[:, top, left] * (1 - across) + image[:, top, right] * across
    lower = image[:, bottom, left] * (1 - across) + image[:, bottom, right] * across
    result: Array = (upper * (1 - down) + lower * down).astype(np.float32)
    return result


def double(x: Array) -> Array:
    """Enlarge twice, bilinear: a quarter of one neighbour and three of the other."""
    for axis in (1, 2):
        first = np.take(x, [0], axis)
        last = np.take(x, [-1], axis)
        size = x.shape[axis]
        around = np.concatenate([first, x, last], axis)
        before, after = (np.take(around, range(start, start + size), axis) for start in (0, 2))
        low, high = 0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after
        x = np.stack([low, high], axis + 1).reshape(
            *(n * 2 if index == axis else n for index, n in enumerate(x.shape))
        )
    return x
