"""RIFE in plain NumPy, as published: a second reading, to hold the graphs against.

Whole pictures are warped at every block, flow and mask are kept at full size, nothing is folded or
left out. Nothing here is shared with the modules that build graphs except the list of versions. It
takes seconds a frame.
"""

import numpy as np
from numpy.typing import NDArray

from stages.networks.evaluation import sample_picture
from stages.networks.parameters import Parameters, State
from stages.networks.rife_versions import Version

Array = NDArray[np.float32]
Picture = NDArray[np.uint8]


def sample_pair(height: int, width: int) -> tuple[Picture, Picture]:
    """Return two frames that belong together: the sample picture, and the same moved and turned."""
    picture = sample_picture()
    rows, columns = np.mgrid[0:height, 0:width]
    first = picture[rows * 512 // height, columns * 512 // width]
    second = first[
        np.clip(rows + 2, 0, height - 1), np.clip(columns - 5 + rows // 64, 0, width - 1)
    ]
    return np.ascontiguousarray(first), np.ascontiguousarray(second)


def evaluate(
    state: State, version: Version, older: Picture, newer: Picture, time: float
) -> Picture:
    """Return the frame at `time` between two, (height, width, 4) uint8 BGRA."""
    height, width = older.shape[:2]
    below, right = (-length % version.multiple for length in (height, width))
    pair = [
        np.pad(premultiplied(picture), ((0, 0), (0, below), (0, right)))
        for picture in (older, newer)
    ]
    flow, mask = _flow_and_mask(state, version, [image[:3] for image in pair], time)
    share = (1 / (1 + np.exp(-mask.astype(np.float64)))).astype(np.float32)
    moved = [_warp(image, flow[2 * side : 2 * side + 2]) for side, image in enumerate(pair)]
    mixed = moved[0] * share + moved[1] * (1 - share)
    return straight(mixed[:, :height, :width])


def premultiplied(picture: Picture) -> Array:
    """Return (4, height, width): red, green, blue, alpha, from 0 to 1."""
    planes = picture.transpose(2, 0, 1)[[2, 1, 0, 3]] / np.float32(255)
    planes[:3] *= planes[3]
    return np.asarray(planes, np.float32)


def straight(planes: Array) -> Picture:
    """Undo `premultiplied`, rounded to the nearest level."""
    alpha = planes[3]
    seen = alpha >= 0.5 / 255
    colours = np.where(seen, planes[:3] / np.where(seen, alpha, 1), 0)
    levels = np.concatenate([colours[::-1], np.where(seen, alpha, 0)[None]])
    found = np.floor(np.clip(levels, 0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(found.transpose(1, 2, 0))


def _flow_and_mask(
    state: State, version: Version, images: list[Array], time: float
) -> tuple[Array, Array]:
    p = Parameters(state)
    heads = [_head(image, p.within("encode")) for image in images] if version.head else []
    _, height, width = images[0].shape
    plane = np.full((1, height, width), time, np.float32)
    flow = np.zeros((4, height, width), np.float32)
    mask = np.zeros((1, height, width), np.float32)
    features = mask[:0]
    for index, scale in enumerate(version.scales):
        if index == 0:
            parts = [*images, *heads, plane]
            x = _reduced(np.concatenate(parts), scale)
        else:
            moved = [
                _warp(image, flow[2 * side : 2 * side + 2])
                for pair in (images, heads)
                for side, image in enumerate(pair)
            ]
            x = _reduced(np.concatenate([*moved, plane, mask, features]), scale)
            x = np.concatenate([x, _reduced(flow, scale) / np.float32(scale)])
        made = _enlarged(_block(x, p.within(f"block{index}")), scale)
        flow = flow + made[:4] * np.float32(scale)
        mask = made[4:5] + (0 if version.head else mask)
        features = made[5:] if version.head else features
    return flow, mask


def _block(x: Array, p: Parameters) -> Array:
    for index in range(2):
        x = _leaky(_convolve(x, p.within(f"conv0.{index}.0"), 2))
    for unit in range(8):
        own = p.within(f"convblock.{unit}")
        x = _leaky(_convolve(x, own.within("conv"), 1) * own["beta"][0] + x)
    x = _convolve_transposed(x, p.within("lastconv.0"))
    channels, height, width = x.shape
    x = x.reshape(channels // 4, 2, 2, height, width).transpose(0, 3, 1, 4, 2)
    return x.reshape(channels // 4, 2 * height, 2 * width)


def _head(image: Array, p: Parameters) -> Array:
    x = image
    for index, stride in enumerate((2, 1, 1)):
        x = _leaky(_convolve(x, p.within(f"cnn{index}"), stride))
    return _convolve_transposed(x, p.within("cnn3"))


def _convolve(x: Array, p: Parameters, stride: int) -> Array:
    """Convolve with 3 x 3, zeros around."""
    weight = p["weight"]
    height, width = x.shape[1] // stride, x.shape[2] // stride
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    total = np.zeros((len(weight), height * width), np.float32)
    for row in range(3):
        for column in range(3):
            seen = padded[:, row:, column:][
                :, : height * stride : stride, : width * stride : stride
            ]
            total += weight[:, :, row, column] @ seen.reshape(len(x), -1)
    return total.reshape(-1, height, width) + p["bias"][:, None, None]


def _convolve_transposed(x: Array, p: Parameters) -> Array:
    """Scatter every pixel over 4 x 4, two pixels apart, one cut off around."""
    weight = p["weight"]
    _, height, width = x.shape
    spread = np.zeros((weight.shape[1], 2 * height + 2, 2 * width + 2), np.float32)
    flat = x.reshape(len(x), -1)
    for row in range(4):
        for column in range(4):
            made = (weight[:, :, row, column].T @ flat).reshape(-1, height, width)
            spread[:, row : row + 2 * height : 2, column : column + 2 * width : 2] += made
    return spread[:, 1:-1, 1:-1] + p["bias"][:, None, None]


def _leaky(x: Array) -> Array:
    return np.where(x >= 0, x, np.float32(0.2) * x)


def _reduced(x: Array, scale: int) -> Array:
    """Resize by 1 / scale, bilinear: the mean of the four pixels in the middle of each cell."""
    if scale == 1:
        return np.asarray(x, np.float32)
    first = scale // 2 - 1
    rows = (x[:, first::scale] + x[:, first + 1 :: scale]) / 2
    columns = (rows[:, :, first::scale] + rows[:, :, first + 1 :: scale]) / 2
    return np.asarray(columns, np.float32)


def _enlarged(x: Array, scale: int) -> Array:
    """Resize by `scale`, bilinear, edges clamped."""
    for axis in (1, 2) if scale > 1 else ():
        length = x.shape[axis]
        places = np.clip((np.arange(length * scale) + 0.5) / scale - 0.5, 0, length - 1)
        below = np.minimum(places.astype(int), length - 1)
        share = (places - below).astype(np.float32)
        share = share[:, None] if axis == 1 else share
        above = np.take(x, np.minimum(below + 1, length - 1), axis)
        x = np.take(x, below, axis) * (1 - share) + above * share
    return x


def _warp(image: Array, flow: Array) -> Array:
    """Sample each pixel where its flow, in pixels along columns and rows, points."""
    _, height, width = image.shape
    columns = np.clip(np.arange(width) + flow[0].astype(np.float64), 0, width - 1)
    rows = np.clip(np.arange(height)[:, None] + flow[1].astype(np.float64), 0, height - 1)
    left, top = columns.astype(int), rows.astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (columns - left).astype(np.float32), (rows - top).astype(np.float32)
    upper = image[:, top, left] * (1 - across) + image[:, top, right] * across
    lower = image[:, bottom, left] * (1 - across) + image[:, bottom, right] * across
    return np.asarray(upper * (1 - down) + lower * down, np.float32)
