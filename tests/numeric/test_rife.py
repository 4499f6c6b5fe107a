"""The RIFE graphs against stored outputs of the reference implementation, on both CPU back ends.

Limits are those of the reference's documentation: several times what two correct implementations
differ by; deliberate mistakes make at least 300 times as much.
"""

from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx", reason="runs where the extra `convert` is installed")

from stages.backends.engine import Backend, Engine
from stages.networks import rife
from stages.networks.graph import Graph
from stages.networks.rife_blocks import Between, between_at, see
from tests.rife_reference import DATA, Reference, reference_files

COLOUR, FLOW, MASK = 1e-4, 1e-3, 5e-4
HALF_COLOUR = 4e-3


@pytest.fixture(scope="module", params=reference_files(), ids=lambda path: path.stem)
def reference(request: pytest.FixtureRequest) -> Reference:
    return Reference(request.param)


@pytest.fixture(scope="module")
def lite() -> Reference:
    return Reference(DATA / "rife_v4.25.lite_expected.npz")


def probe(
    reference: Reference, height: int, width: int, times: list[float], precision: Any
) -> bytes:
    """Colours in, all that is stored out: the reference saw colours that were not premultiplied."""
    graph = Graph("probe", precision)
    network = reference.network(height, width)
    full = network.size.padded_height, network.size.padded_width
    older, newer = (
        see(graph, graph.input(name, "float32", 1, 4, *full), network)
        for name in ("older", "newer")
    )
    made: list[Between] = [between_at(graph, older, newer, time, network) for time in times]
    for index, between in enumerate(made):
        graph.output(between.picture, f"picture{index}", "float32", 1, 4, *full)
        graph.output(between.mask, f"mask{index}", "float32", 1, 1, *full)
        for side, grid in enumerate(between.grids):
            graph.output(grid, f"grid{index}_{side}", "float32", 1, *full, 2)
    return graph.model().SerializeToString()


def write_opaque(engine: Engine, pair: tuple[np.ndarray, np.ndarray]) -> None:
    """Give two BGRA pictures as if they were opaque."""
    for name, picture in zip(("older", "newer"), pair, strict=True):
        planes = np.zeros(engine.inputs[name].shape, np.float32)
        height, width = picture.shape[:2]
        planes[0, :3, :height, :width] = picture[..., :3].transpose(2, 0, 1) / np.float32(255)
        planes[0, 3] = 1
        engine.memory(name).write(planes)


def read(engine: Engine, name: str) -> np.ndarray:
    spec = engine.outputs[name]
    values = np.empty(spec.shape, spec.dtype)
    engine.memory(name).read(values)
    return values[0]


def colours(engine: Engine, index: int) -> np.ndarray:
    """RGB, (H, W, 3)."""
    return read(engine, f"picture{index}")[2::-1].transpose(1, 2, 0)


def flow(engine: Engine, index: int) -> np.ndarray:
    """In pixels, (H, W, 4)."""
    parts = []
    for side in (0, 1):
        grid = read(engine, f"grid{index}_{side}").astype(np.float64)
        height, width = grid.shape[:2]
        rows, columns = np.mgrid[0:height, 0:width]
        parts += [(grid[..., 0] + 1) * (width - 1) / 2 - columns]
        parts += [(grid[..., 1] + 1) * (height - 1) / 2 - rows]
    return np.stack(parts, axis=-1)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_colours_flow_and_mask_meet_the_reference(reference: Reference, backend: Backend) -> None:
    engine = backend.load(probe(reference, 512, 512, reference.times, "fp32"))
    for pair in reference.pairs:
        write_opaque(engine, reference.pairs[pair])
        engine.run()
        backend.finish()
        for case in (case for case in reference.cases if case.pair == pair):
            index = reference.times.index(case.time)
            found = {
                "out": (reference.at(colours(engine, index)), COLOUR),
                "cells": (colours(engine, index).reshape(16, 32, 16, 32, 3).mean((1, 3)), COLOUR),
                "flow": (reference.at(flow(engine, index)), FLOW),
                "mask": (reference.at(read(engine, f"mask{index}")[0]), MASK),
            }
            for kind, (values, limit) in found.items():
                if f"{kind}_{case.name}" in reference.arrays:
                    off = np.abs(values - reference.arrays[f"{kind}_{case.name}"]).max()
                    assert off <= limit, f"{case.name}: {kind} is off by {off}"


def test_a_size_that_needs_padding_meets_the_reference(
    reference: Reference, backend: Backend
) -> None:
    pair = reference.cropped()
    engine = backend.load(probe(reference, *pair[0].shape[:2], [0.5], "fp32"))
    write_opaque(engine, pair)
    engine.run()
    backend.finish()
    found = reference.at(colours(engine, 0), "pos_pad")
    assert np.abs(found - reference.arrays["out_pad"]).max() <= COLOUR


def test_half_precision_is_bounded(reference: Reference, backend: Backend) -> None:
    engine = backend.load(probe(reference, 512, 512, [reference.times[1]], "fp16"))
    write_opaque(engine, reference.pairs["A"])
    engine.run()
    backend.finish()
    case = next(case for case in reference.cases if case.time == reference.times[1])
    off = np.abs(reference.at(colours(engine, 0)) - reference.arrays[f"out_{case.name}"])
    assert off.max() <= HALF_COLOUR
    assert np.quantile(off, 0.99) <= HALF_COLOUR / 4


def drawn(
    reference: Reference, backend: Backend, pair: tuple[np.ndarray, np.ndarray], scale: int
) -> list[np.ndarray]:
    """All frames of a scale between two BGRA pictures, by the graphs of a pack."""
    network = reference.network(*pair[0].shape[:2])
    between = backend.load(rife.between(network, scale, "fp32").model().SerializeToString())
    model = rife.frame(network, "fp32").model().SerializeToString()
    for side, picture in zip(("older", "newer"), pair, strict=True):
        frame = backend.load(model)
        frame.memory("frame").write(picture)
        frame.run()
        for name in frame.outputs:
            between.bind(f"{side}_{name}", frame.memory(name))
    between.run()
    backend.finish()
    frames = []
    for name, spec in between.outputs.items():
        frames.append(np.empty(spec.shape, np.uint8))
        between.memory(name).read(frames[-1])
    return frames


def test_frames_with_alpha_meet_the_reference(reference: Reference, backend: Backend) -> None:
    made = [*drawn(reference, backend, reference.pairs["S"], 2)]
    made += drawn(reference, backend, reference.pairs["S"], 3)[:1]
    for name, frame in zip(("S_1_2", "S_1_3"), made, strict=True):
        off = np.abs(reference.at(frame).astype(int) - reference.arrays[f"bgra_{name}"])
        # Where alpha is a level or two, a rounding of alpha is many levels of colour.
        solid = reference.arrays[f"bgra_{name}"][:, 3] > 16
        assert off[solid].max() <= 1
        assert off[..., 3].max() <= 1
        assert (off > 0).mean() < 0.001
    path = DATA / f"{reference.path.stem}_bgra_S_1_2.png"
    if path.exists() and reference.path.parent == DATA:
        whole = np.abs(made[0].astype(int) - cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        assert (whole > 0).mean() < 1e-4


def test_a_size_that_needs_padding_comes_out_as_it_went_in(
    lite: Reference, backend: Backend
) -> None:
    pair = lite.cropped()
    frames = drawn(lite, backend, pair, 4)
    assert [frame.shape for frame in frames] == [pair[0].shape] * 3


def test_nothing_is_where_nothing_was(lite: Reference, backend: Backend) -> None:
    first, second = (picture.copy() for picture in lite.pairs["A"])
    for picture in (first, second):
        picture[picture[..., 3] == 0] = (7, 200, 90, 0)  # colours that nobody sees
    (frame,) = drawn(lite, backend, (first, second), 2)
    (clean,) = drawn(lite, backend, lite.pairs["A"], 2)
    assert np.array_equal(frame, clean)
    assert not frame[frame[..., 3] == 0].any()
