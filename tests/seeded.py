"""Deterministic weights and images for checking a network without its published weights.

A network is described by a manifest: a JSON list of {"name", "shape", "init", "gain"} in
state-dict order. `seeded_state_dict` fills it with the same numbers on every machine and every
NumPy (the legacy RandomState stream is frozen), so that a reference implementation and ours can
be run on identical weights and their outputs compared. `seeded_image` does the same for inputs.

The expected outputs beside each manifest were produced by the reference implementation of that
network from exactly these weights and inputs.
"""

import hashlib
import json
from pathlib import Path

import numpy as np


def _random(name: str, seed: int) -> np.random.RandomState:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return np.random.RandomState(int.from_bytes(digest[:4], "little"))


def seeded_array(
    name: str, shape: list[int], init: str = "he", gain: float = 1.0, seed: int = 0
) -> np.ndarray:
    """One parameter. `init`: he, scale, bias, mean, var, count, uniform, zeros.

    he      normal with std gain * sqrt(2 / fan_in), fan_in = prod(shape[1:])  (conv, linear)
    scale   gain * (1 + 0.1 * normal)                                         (norm weight, PReLU)
    bias    gain * 0.1 * normal
    mean    gain * 0.1 * normal                                               (running_mean)
    var     gain * uniform(0.5, 1.5)                                          (running_var)
    uniform gain * uniform(-1, 1)
    count   int64 zero                                                        (num_batches_tracked)
    zeros   float32 zero
    """
    random = _random(name, seed)
    if init == "he":
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else shape[0]
        values = gain * np.sqrt(2.0 / fan_in) * random.standard_normal(shape)
    elif init == "scale":
        values = gain * (1.0 + 0.1 * random.standard_normal(shape))
    elif init in ("bias", "mean"):
        values = gain * 0.1 * random.standard_normal(shape)
    elif init == "var":
        values = gain * random.uniform(0.5, 1.5, shape)
    elif init == "uniform":
        values = gain * random.uniform(-1.0, 1.0, shape)
    elif init == "count":
        return np.zeros(shape, np.int64)
    elif init == "zeros":
        values = np.zeros(shape)
    else:
        raise ValueError(f"unknown init {init!r} for {name}")
    return np.asarray(values, np.float32)


def seeded_state_dict(manifest: str | Path, seed: int = 0) -> dict[str, np.ndarray]:
    """The whole state dict of a manifest file, in its order, as NumPy arrays."""
    entries = json.loads(Path(manifest).read_text())
    return {
        e["name"]: seeded_array(
            e["name"], e["shape"], e.get("init", "he"), e.get("gain", 1.0), seed
        )
        for e in entries
    }


def seeded_image(height: int, width: int, channels: int = 4, seed: int = 0) -> np.ndarray:
    """A smooth uint8 picture (height, width, channels): sums of a few random waves, with edges.

    The last channel of a four-channel picture is an alpha mask: an opaque ellipse with a soft rim
    on a transparent ground, so that alpha handling is exercised too.
    """
    random = _random("image", seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = y / height, x / width
    planes = []
    for _ in range(channels):
        plane = np.zeros((height, width))
        for _ in range(6):
            fy, fx, phase = (
                random.uniform(-9, 9),
                random.uniform(-9, 9),
                random.uniform(0, 2 * np.pi),
            )
            plane += np.sin(2 * np.pi * (fy * y + fx * x) + phase)
        plane += 1.5 * (np.sin(2 * np.pi * 5 * x + random.uniform(0, 6)) > 0)
        planes.append(plane)
    image = np.stack(planes, axis=-1)
    image = (image - image.min()) / (image.max() - image.min())
    if channels == 4:
        radius = np.sqrt(((x - 0.5) / 0.42) ** 2 + ((y - 0.52) / 0.46) ** 2)
        image[..., 3] = np.clip((1.0 - radius) / 0.06, 0.0, 1.0)
    return np.round(image * 255).astype(np.uint8)
