"""Which parameters the five THA3 networks have: names and shapes, as published.

`Parameters` is what the layers read them through: a state dict seen from one of its prefixes.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Structure = Literal["separable", "standard"]
State = Mapping[str, NDArray[Any]]
Shapes = dict[str, tuple[int, ...]]

# How blocks up double the size: by a transposed convolution; by resize, then convolution; or by
# resize, the encoder's output of that size put beside it, then convolution.
Growth = Literal["transposed", "resized", "joined"]

STRUCTURES: tuple[Structure, ...] = ("separable", "standard")


class WeightsMismatch(ValueError):
    """A state dict is not that of the network it was taken for; the message says how it differs."""


class Head(NamedTuple):
    """One output convolution; only those with an activation have a bias."""

    name: str
    channels: int
    activation: Literal["Sigmoid", "Tanh", ""]


class Network(NamedTuple):
    """What tells one of the five networks from the others."""

    file: str  # stem of the published .pt file
    prefix: dict[Structure, str]  # of the body's parameters
    size: int  # height and width of its input
    inputs: int  # channels that enter the body
    pose: int  # pose values that join at the bottleneck
    widths: tuple[int, int, int, int]  # channels after each block down
    ups: tuple[tuple[int, int], ...]  # channels in and out of each block up
    growth: Growth
    heads: tuple[Head, ...]


def _head(name: str, channels: int, activation: Literal["Sigmoid", "Tanh", ""] = "") -> Head:
    return Head(name, channels, activation)


_WIDE = (64, 128, 256, 512)
_NARROW = (32, 64, 128, 256)
_JOINED_UPS = ((384, 128), (192, 64), (96, 32))
_UPS = ((512, 256), (256, 128), (128, 64))
_BODY: dict[Structure, str] = {"separable": "body.", "standard": "body."}
_FACE: dict[Structure, str] = {"separable": "body.", "standard": ""}
_ROTATOR: dict[Structure, str] = {
    "separable": "encoder_decoder.",
    "standard": "encoder_decoder.",
}

NETWORKS: dict[str, Network] = {
    "decomposer": Network(
        "eyebrow_decomposer", _BODY, 128, 4, 0, _WIDE, _UPS, "transposed",
        (
            _head("background_layer_alpha", 1, "Sigmoid"),
            _head("background_layer_color_change", 4, "Tanh"),
            _head("eyebrow_layer_alpha", 1, "Sigmoid"),
            _head("eyebrow_layer_color_change", 4, "Tanh"),
        ),
    ),
    "combiner": Network(
        "eyebrow_morphing_combiner", _BODY, 128, 8, 12, _WIDE, _UPS, "transposed",
        (
            _head("morphed_eyebrow_layer_grid_change", 2),
            _head("morphed_eyebrow_layer_alpha", 1, "Sigmoid"),
            _head("morphed_eyebrow_layer_color_change", 4, "Tanh"),
            _head("combine_alpha", 1, "Sigmoid"),
        ),
    ),
    "face": Network(
        "face_morpher", _FACE, 192, 4, 27, _WIDE, _UPS, "transposed",
        (
            _head("iris_mouth_grid_change", 2),
            _head("iris_mouth_color_change", 4, "Tanh"),
            _head("iris_mouth_alpha", 1, "Sigmoid"),
            _head("eye_color_change", 4, "Tanh"),
            _head("eye_alpha", 1, "Sigmoid"),
        ),
    ),
    "rotator": Network(
        "two_algo_face_body_rotator", _ROTATOR, 256, 10, 0, _WIDE, _UPS, "resized",
        (_head("direct_creator", 4, "Tanh"), _head("grid_change_creator", 2)),
    ),
    "editor": Network(
        "editor", _BODY, 512, 16, 0, _NARROW, _JOINED_UPS, "joined",
        (
            _head("color_change_creator", 4, "Tanh"),
            _head("alpha_creator", 4, "Sigmoid"),
            _head("grid_change_creator", 2),
        ),
    ),
}  # fmt: skip


class Parameters:
    """A state dict seen from a prefix."""

    def __init__(self, state: State, prefix: str = "") -> None:
        self._state = state
        self._prefix = prefix

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        return np.asarray(self._state[self._prefix + name], np.float32)

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._state

    def within(self, prefix: str) -> "Parameters":
        """Return the parameters whose names begin with `prefix` and a dot."""
        return Parameters(self._state, f"{self._prefix}{prefix}.")


def expected(network: Network, structure: Structure) -> Shapes:
    """Return the shape of every parameter, in the published order of blocks."""
    shapes: Shapes = {}
    first_kernel = 7 if network.growth == "resized" else 3
    prefix = network.prefix[structure]
    channels = network.inputs
    for index, width in enumerate(network.widths):
        kernel = 4 if index else first_kernel
        name = f"{prefix}downsample_blocks.{index}"
        shapes |= _block(name, structure, channels, width, kernel)
        channels = width
    joins = (
        network.growth == "transposed"
    )  # a convolution joins the pose, where there is one, to the feature
    for index in range(6):
        name = f"{prefix}bottleneck_blocks.{index}"
        if joins and index == 0:
            shapes |= _block(name, structure, channels + network.pose, channels, 3)
        else:
            shapes |= _residual(f"{name}.resnet_path", structure, channels)
    for index, (before, after) in enumerate(network.ups):
        name = f"{prefix}upsample_blocks.{index}"
        if network.growth == "resized":
            name += ".1"  # 0 is the resize
        kernel = 4 if network.growth == "transposed" else 3
        shapes |= _block(name, structure, before, after, kernel, network.growth == "transposed")
    for head in network.heads:
        kernel_shape = (head.channels, network.ups[-1][1], 3, 3)
        if head.activation:
            shapes[f"{head.name}.0.weight"] = kernel_shape
            shapes[f"{head.name}.0.bias"] = (head.channels,)
        else:
            shapes[f"{head.name}.weight"] = kernel_shape
    return shapes


def check(state: State, network: Network, structure: Structure) -> None:
    """Raise `WeightsMismatch` unless `state` is a state dict of `network`, all finite."""
    wanted = expected(network, structure)
    problems = [f"missing {name} {wanted[name]}" for name in wanted if name not in state]
    problems += [f"unknown {name}" for name in state if name not in wanted]
    for name, shape in wanted.items():
        if name in state and state[name].shape != shape:
            problems.append(f"{name} is {state[name].shape}, must be {shape}")
        elif name in state and state[name].dtype not in (np.float32, np.float16):
            problems.append(f"{name} is {state[name].dtype}, must be float32 or float16")
        elif name in state and not np.isfinite(state[name]).all():
            problems.append(f"{name} holds NaN or infinity")
    if problems:
        shown = "; ".join(problems[:4]) + (
            f"; and {len(problems) - 4} more" if problems[4:] else ""
        )
        found = identify(state)
        hint = f" These are the {found[1]} {found[0]} weights." if found else ""
        raise WeightsMismatch(f"not the {structure} {network.file} weights: {shown}.{hint}")


def identify(state: State) -> tuple[str, Structure] | None:
    """Return which published network these names and shapes belong to, None if to none of them."""
    shapes = {name: values.shape for name, values in state.items()}
    for network in NETWORKS.values():
        for structure in STRUCTURES:
            if expected(network, structure) == shapes:
                return network.file, structure
    return None


def _block(
    name: str,
    structure: Structure,
    before: int,
    after: int,
    kernel: int,
    transposed: bool = False,
) -> Shapes:
    """Return the shapes of a convolution and its instance normalisation."""
    if structure == "separable":
        return {
            f"{name}.0.weight": (before, 1, kernel, kernel),
            f"{name}.1.weight": (after, before, 1, 1),
            **_affine(f"{name}.2", after),
        }
    channels = (before, after) if transposed else (after, before)
    return {f"{name}.0.weight": (*channels, kernel, kernel), **_affine(f"{name}.1", after)}


def _residual(name: str, structure: Structure, channels: int) -> Shapes:
    """Return the shapes of the two convolutions of a residual block and their normalisations."""
    shapes: Shapes = {}
    for index in (0, 3):
        if structure == "separable":
            shapes[f"{name}.{index}.0.weight"] = (channels, 1, 3, 3)
            shapes[f"{name}.{index}.1.weight"] = (channels, channels, 1, 1)
        else:
            shapes[f"{name}.{index}.weight"] = (channels, channels, 3, 3)
        shapes |= _affine(f"{name}.{index + 1}", channels)
    return shapes


def _affine(name: str, channels: int) -> Shapes:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}
