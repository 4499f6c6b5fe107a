"""The versions of RIFE that can be built, as data, and how a file of weights is told to be one.

A version is five or four blocks from coarse to fine; what distinguishes them is in `Version`. The
scales are not in the weights: a file is recognised by the names and shapes of its parameters.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from stages.networks.parameters import Shapes, State, WeightsMismatch

_PREFIX = "module."  # published files come from a model trained on several devices
_TRAINING_ONLY = ("teacher.", "caltime.")
FEATURES = 8  # channels that a block hands to the next one
HEAD = 4  # channels that the head sees in a picture


class Version(NamedTuple):
    """What tells one version from the others."""

    name: str
    scales: tuple[int, ...]  # a block works on the picture reduced by this
    widths: tuple[int, ...]  # channels inside a block
    head: bool  # whether pictures are looked at by an encoder first, and features handed on
    multiple: int  # sizes are padded to it

    @property
    def seen(self) -> int:
        """Channels of a picture as the blocks get it: colours, and what the head sees."""
        return 3 + HEAD * self.head

    @property
    def made(self) -> int:
        """Channels a block makes: flow 4, mask 1, then features (without a head: one unused)."""
        return 5 + FEATURES if self.head else 6


VERSIONS: dict[str, Version] = {
    version.name: version
    for version in (
        Version("v4.6", (8, 4, 2, 1), (192, 128, 96, 64), False, 32),
        Version("v4.22.lite", (8, 4, 2, 1), (192, 128, 64, 32), True, 32),
        Version("v4.25.lite", (32, 16, 8, 4, 1), (192, 128, 96, 64, 24), True, 128),
        Version("v4.26", (16, 8, 4, 2, 1), (192, 128, 96, 64, 32), True, 64),
        # The same network as v4.26, trained differently: names and shapes do not tell them apart.
        Version("v4.25", (16, 8, 4, 2, 1), (192, 128, 96, 64, 32), True, 64),
    )
}


def plain_names(state: State) -> dict[str, np.ndarray]:
    """Return the parameters by the names that the network itself gives them."""
    plain = {name.removeprefix(_PREFIX): values for name, values in state.items()}
    return {name: plain[name] for name in plain if not name.startswith(_TRAINING_ONLY)}


def expected(version: Version) -> Shapes:
    """Return the shape of every parameter."""
    shapes: Shapes = {}
    if version.head:
        for index, before in enumerate((3, 16, 16)):
            shapes |= _convolution(f"encode.cnn{index}", (16, before, 3, 3), 16)
        shapes |= _convolution("encode.cnn3", (16, HEAD, 4, 4), HEAD)
    first = 2 * version.seen + 1
    later = first + 1 + (FEATURES if version.head else 0) + 4
    for index, width in enumerate(version.widths):
        block = f"block{index}"
        inputs = later if index else first
        shapes |= _convolution(f"{block}.conv0.0.0", (width // 2, inputs, 3, 3), width // 2)
        shapes |= _convolution(f"{block}.conv0.1.0", (width, width // 2, 3, 3), width)
        for unit in range(8):
            shapes[f"{block}.convblock.{unit}.beta"] = (1, width, 1, 1)
            name = f"{block}.convblock.{unit}.conv"
            shapes |= _convolution(name, (width, width, 3, 3), width)
        outputs = 4 * version.made
        shapes |= _convolution(f"{block}.lastconv.0", (width, outputs, 4, 4), outputs)
    return shapes


def recognise(state: State) -> Version:
    """Return the version that these parameters, `plain_names`, belong to.

    Of v4.25 and v4.26 it says v4.26. Raises `WeightsMismatch`.
    """
    found = {name: values.shape for name, values in state.items()}
    nearest, fewest = VERSIONS["v4.26"], len(found) + 10_000
    for version in VERSIONS.values():
        wanted = expected(version)
        problems = sum(found.get(name) != shape for name, shape in wanted.items())
        if problems < fewest:
            nearest, fewest = version, problems
    if fewest:
        raise WeightsMismatch(_difference(found, nearest))
    check_values(state, nearest)
    return nearest


def check_values(state: State, version: Version) -> None:
    """Raise `WeightsMismatch` unless every parameter is a finite number of 16 or 32 bits."""
    for name in expected(version):
        if state[name].dtype not in (np.float32, np.float16):
            raise WeightsMismatch(f"{name} is {state[name].dtype}, must be float32 or float16")
        if not np.isfinite(state[name]).all():
            raise WeightsMismatch(f"{name} holds NaN or infinity")


def _difference(found: Mapping[str, tuple[int, ...]], nearest: Version) -> str:
    problems = []
    for name, shape in expected(nearest).items():
        if name not in found:
            problems.append(f"missing {name} {shape}")
        elif found[name] != shape:
            problems.append(f"{name} is {found[name]}, must be {shape}")
    more = f"; and {len(problems) - 3} more" if problems[3:] else ""
    return (
        f"not the weights of {', '.join(VERSIONS)}; nearest to {nearest.name}, but "
        f"{'; '.join(problems[:3])}{more}"
    )


def _convolution(name: str, weight: tuple[int, ...], bias: int) -> Shapes:
    return {f"{name}.weight": weight, f"{name}.bias": (bias,)}
