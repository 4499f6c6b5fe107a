"""The contract of `stages.backends.engine`, on every back end that is on this machine."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="runs where the extra `convert` is installed")

from stages.backends import choice, onnx_runtime
from stages.backends.engine import (
    Backend,
    BackendMissing,
    BindingRejected,
    Engine,
    GraphRejected,
    TensorSpec,
)
from stages.networks.graph import Graph

KINDS = ["onnxruntime", "openvino", "cuda", "directml"]
SHAPE = (1, 3, 8, 16)


@pytest.fixture(scope="module", params=KINDS)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    try:
        opened = choice.open_backend(request.param, threads=1)
    except BackendMissing as error:
        pytest.skip(f"runs where it is installed: {error}")
    with opened:
        yield opened


def scaled(factor: float, dtype: str = "float32") -> bytes:
    """A graph that multiplies `x` and adds the one number `shift`."""
    graph = Graph("scaled")
    x, shift = graph.input("x", dtype, *SHAPE), graph.input("shift", "float32", 1)
    value = x if dtype == "float32" else graph.cast(x, "float32")
    product = graph.add("Mul", value, graph.constant(np.array(factor, np.float32)))
    graph.output(graph.add("Add", product, shift), "y", "float32", *SHAPE)
    graph.output(graph.cast(product, "uint8"), "levels", "uint8", *SHAPE)
    return graph.model().SerializeToString()


def values(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 50, SHAPE).astype(np.float32)


def result(backend: Backend, engine: Engine, name: str = "y") -> np.ndarray:
    engine.run()
    backend.finish()
    spec = engine.outputs[name]
    found = np.empty(spec.shape, spec.dtype)
    engine.memory(name).read(found)
    return found


def test_names_shapes_and_types_are_those_of_the_graph(backend: Backend) -> None:
    engine = backend.load(scaled(2))
    assert engine.inputs == {
        "x": TensorSpec("float32", SHAPE),
        "shift": TensorSpec("float32", (1,)),
    }
    assert list(engine.outputs) == ["y", "levels"]
    assert engine.outputs["levels"] == TensorSpec("uint8", SHAPE)
    assert engine.outputs["levels"].nbytes == 3 * 8 * 16


def test_a_name_survives_an_input_that_is_converted_at_once(backend: Backend) -> None:
    engine = backend.load(scaled(2, "float16"))
    assert list(engine.inputs) == ["x", "shift"]
    engine.memory("x").write(values().astype(np.float16))
    assert np.allclose(result(backend, engine), values().astype(np.float16) * 2.0, atol=1e-2)


def test_a_file_loads_like_its_content(backend: Backend, tmp_path: Path) -> None:
    path = tmp_path / "graph with a space.onnx"
    path.write_bytes(scaled(3))
    engine = backend.load(path)
    engine.memory("x").write(values())
    assert np.allclose(result(backend, engine), values() * 3)


def test_unbound_inputs_are_zero(backend: Backend) -> None:
    engine = backend.load(scaled(2))
    engine.memory("shift").write(np.array([7], np.float32))
    assert np.array_equal(result(backend, engine), np.full(SHAPE, 7, np.float32))


def test_results_are_written_into_bound_arrays(backend: Backend) -> None:
    engine = backend.load(scaled(2))
    x, slots = values(), np.full((2, *SHAPE), -1, np.float32)
    engine.bind("x", x)
    for slot in slots:
        engine.bind("y", slot)
        engine.run()
        backend.finish()
        assert np.allclose(slot, x * 2)
        x += 1  # bound in place: the next run sees it


def test_a_read_only_array_can_be_an_input_but_no_output(backend: Backend) -> None:
    engine = backend.load(scaled(2))
    x = values()
    x.flags.writeable = False
    engine.bind("x", x)
    assert np.allclose(result(backend, engine), x * 2)
    with pytest.raises(BindingRejected, match="read-only"):
        engine.bind("y", x)


def test_an_output_is_the_next_engines_input_without_a_copy(backend: Backend) -> None:
    first, second = backend.load(scaled(2)), backend.load(scaled(5))
    second.bind("x", first.memory("y"))
    assert second.memory("x") is first.memory("y")
    for seed in range(3):
        first.memory("x").write(values(seed))
        first.run()
        assert np.allclose(result(backend, second), values(seed) * 10)


def test_memory_of_the_back_end_serves_several_engines(backend: Backend) -> None:
    memory = backend.allocate(TensorSpec("float32", SHAPE))
    memory.write(values(4))
    for factor in (2, 3):
        engine = backend.load(scaled(factor))
        engine.bind("x", memory)
        assert np.allclose(result(backend, engine), values(4) * factor)


def test_several_outputs_and_types(backend: Backend) -> None:
    engine = backend.load(scaled(2))
    engine.memory("x").write(np.floor(values()))
    assert np.array_equal(
        result(backend, engine, "levels"), (np.floor(values()) * 2).astype("uint8")
    )


def test_runs_repeat_to_the_bit(backend: Backend) -> None:
    engine = backend.load(scaled(0.1))
    engine.memory("x").write(values())
    engine.warm_up()
    assert np.array_equal(result(backend, engine), result(backend, engine))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 3, 8, 15), np.float32),
        np.zeros(SHAPE, np.float64),
        np.zeros((1, 3, 16, 8), np.float32).transpose(0, 1, 3, 2),
    ],
    ids=["shape", "type", "order"],
)
def test_memory_that_does_not_fit_is_refused(backend: Backend, wrong: np.ndarray) -> None:
    engine = backend.load(scaled(2))
    engine.bind("x", values())
    for name in ("x", "y"):
        with pytest.raises(BindingRejected):
            engine.bind(name, wrong)
    assert np.allclose(result(backend, engine), values() * 2), "as it was bound before"
    with pytest.raises(BindingRejected):
        engine.memory("y").read(np.zeros((2, 2), np.float32))


def test_an_unknown_name_is_an_error_that_lists_the_known(backend: Backend) -> None:
    engine = backend.load(scaled(2))
    with pytest.raises(KeyError, match="shift"):
        engine.bind("z", values())


def test_graphs_that_cannot_be_loaded_are_refused(backend: Backend, tmp_path: Path) -> None:
    whole = scaled(2)
    (tmp_path / "half.onnx").write_bytes(whole[: len(whole) // 2])
    for graph in (b"no graph", tmp_path / "missing.onnx", tmp_path / "half.onnx"):
        with pytest.raises(GraphRejected, match=backend.name.split()[0]):
            backend.load(graph)


def test_auto_says_what_it_chose() -> None:
    try:
        with choice.open_backend("auto") as backend:
            assert backend.name
            assert backend.device == "cpu"
    except BackendMissing as error:
        assert "pip install" in str(error)


def test_a_missing_device_says_what_would_help() -> None:
    if not onnx_runtime.installed():
        pytest.skip("runs where ONNX Runtime is installed")
    for kind in ("cuda", "directml"):
        try:
            choice.open_backend(kind).close()  # type: ignore[arg-type]
        except BackendMissing as error:
            assert "pip install onnxruntime-" in str(error)
