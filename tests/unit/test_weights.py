"""Weights: what PyTorch writes is read, and nothing a file holds is ever run."""

import contextlib
import io
import os
import pickle
import random
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages.networks.pickled import Machine
from stages.networks.weights import WeightsRejected, load_weights
from tests.archives import Writer, archive, saved, state_pickle

STUDENT = Path(__file__).parents[3] / "shared" / "data" / "tha4_student" / "lambda_00"
MAGIC = 0x1950A86A20F9469CFC6C


def some_arrays() -> dict[str, NDArray[Any]]:
    generator = np.random.default_rng(1)
    return {
        "layer.weight": generator.random((3, 4, 1), np.float32),
        "layer.bias": generator.random(7),
        "half": generator.random((2, 2)).astype(np.float16),
        "steps": np.arange(5),
        "bytes": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "number": np.array(3.5, np.float32),
        "nothing": np.zeros((0, 3), np.float32),
    }


def test_a_state_dict_comes_back_as_it_was(tmp_path: Path) -> None:
    arrays = some_arrays()
    loaded = load_weights(saved(tmp_path / "a.pt", arrays))
    assert list(loaded) == list(arrays)
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        assert np.array_equal(loaded[name], array)


def test_an_old_single_file_is_read(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32)
    path = tmp_path / "old.pkl"
    keys = Writer()
    keys.data += b"]"
    keys.text("0").data += b"a"
    parts = [Writer().number(MAGIC).end(), Writer().number(1001).end()]
    facts = Writer()
    facts.data += b"}"
    parts += [facts.end(), state_pickle({"a": array}), keys.end()]
    path.write_bytes(b"".join(parts) + struct.pack("<q", 6) + array.tobytes())
    assert np.array_equal(load_weights(path)["a"], array)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsRejected, match="not as long as it says"):
        load_weights(path)


def test_views_strides_and_shared_storages(tmp_path: Path) -> None:
    data = np.arange(12, dtype=np.float32)
    writer = Writer()
    writer.data += b"}("
    writer.text("turned").tensor("0", "Float", 12, (4, 3), (1, 4))
    writer.text("part").tensor("0", "Float", 12, (2,), (1,), offset=10)
    writer.data += b"u"
    loaded = load_weights(archive(tmp_path / "a.pt", writer.end(), {"0": data.tobytes()}))
    assert np.array_equal(loaded["turned"], data.reshape(3, 4).T)
    assert np.array_equal(loaded["part"], [10, 11])


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    values = np.array([1.5, -2.0, 0.15625], np.float32)
    upper = (values.view(np.uint32) >> 16).astype(np.uint16)
    writer = Writer()
    writer.data += b"}"
    writer.text("a").tensor("0", "BFloat16", 3, (3,), (1,)).data += b"s"
    loaded = load_weights(archive(tmp_path / "a.pt", writer.end(), {"0": upper.tobytes()}))
    assert loaded["a"].dtype == np.float32 and np.array_equal(loaded["a"], values)


def test_dictionaries_inside_are_joined_by_dots_and_numbers_left_out(tmp_path: Path) -> None:
    writer = Writer()
    writer.data += b"}"
    writer.text("params").data += b"}"
    writer.text("w").tensor("0", "Float", 2, (2,), (1,)).data += b"s"
    writer.text("epoch").number(7).data += b"s"
    writer.data += b"s"
    loaded = load_weights(archive(tmp_path / "a.pt", writer.end(), {"0": bytes(8)}))
    assert list(loaded) == ["params.w"]


@pytest.mark.skipif(not STUDENT.is_dir(), reason="needs ../shared, which only some machines have")
def test_a_published_student_is_read() -> None:
    weights = load_weights(STUDENT / "body_morpher.pt")
    assert weights["siren_layers.0.0.linear.weight"].shape == (360, 47, 1, 1)
    assert all(np.isfinite(array).all() for array in weights.values())


class _Hostile:
    """Pickles to a call of `what` with `arguments`."""

    def __init__(self, what: Any, *arguments: Any) -> None:
        self._call = (what, arguments)

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("wrapped", [False, True])
def test_calls_are_never_made(tmp_path: Path, protocol: int, wrapped: bool) -> None:
    mark = tmp_path / "executed"
    hostile = [
        _Hostile(os.system, f"touch {mark}"),
        _Hostile(os.mkdir, str(mark)),
        _Hostile(open, str(mark), "w"),
        _Hostile(getattr, _Hostile(__import__, "os"), "system"),
        _Hostile(eval, f"open({str(mark)!r}, 'w')"),
        _Hostile(__import__, "os"),
        _Hostile(type, "x", (), {}),
    ]
    for number, thing in enumerate(hostile):
        state = OrderedDict(weight=[thing]) if wrapped else thing
        path = archive(tmp_path / f"{number}.pt", pickle.dumps(state, protocol), {})
        with pytest.raises(WeightsRejected):
            load_weights(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("builtins", "getattr"),
        ("torch", "load"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("torch.serialization", "load"),
        ("collections", "OrderedDict.fromkeys"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("stages.networks.pickled", "Machine"),
    ],
)
def test_the_error_names_what_a_file_wants(tmp_path: Path, module: str, name: str) -> None:
    writer = Writer().name(module, name)
    writer.data += b")R"
    with pytest.raises(WeightsRejected, match="which is no part of a state dict") as caught:
        load_weights(archive(tmp_path / "a.pt", writer.end(), {}))
    assert module in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("count", "size", "stride", "offset"),
    [
        (4, (5,), (1,), 0),
        (4, (4,), (1,), 1),
        (4, (2, 2), (3, 1), 0),
        (4, (1 << 40, 1 << 20), (0, 0), 0),
        (4, (2,), (1 << 61,), 0),
        (1 << 60, (1 << 60,), (1,), 0),
        (5, (4,), (1,), 0),
        (4, (-1,), (1,), 0),
        (4, (2,), (-1,), 3),
        (4, (2, 2), (1,), 0),
    ],
)
def test_lengths_are_not_believed(
    tmp_path: Path, count: int, size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> None:
    writer = Writer()
    writer.data += b"}"
    writer.text("a").tensor("0", "Float", count, size, stride, offset).data += b"s"
    with pytest.raises(WeightsRejected):
        load_weights(archive(tmp_path / "a.pt", writer.end(), {"0": bytes(16)}))


def test_things_inside_themselves_end(tmp_path: Path) -> None:
    itself: list[Any] = []
    itself.append(itself)
    laughs: list[Any] = []
    for _ in range(40):
        laughs = [laughs, laughs]
    for number, thing in enumerate((itself, laughs, {"a": itself})):
        path = archive(tmp_path / f"{number}.pt", pickle.dumps(thing, 2), {})
        with pytest.raises(WeightsRejected):
            load_weights(path)


def test_archives_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    for data in (b"", b"PK\x03\x04", b"PK\x03\x04" + bytes(100), b"\x80\x02K\x01.", bytes(1000)):
        path.write_bytes(data)
        with pytest.raises(WeightsRejected):
            load_weights(path)
    with pytest.raises(WeightsRejected, match="cannot be read"):
        load_weights(tmp_path / "missing.pt")
    with pytest.raises(WeightsRejected, match="big-endian"):
        load_weights(archive(path, state_pickle({}), {}, byteorder=b"big"))
    with pytest.raises(WeightsRejected, match="no tensors"):
        load_weights(archive(path, state_pickle({}), {}))


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    zeros = bytes(1 << 26)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", state_pickle({"a": np.zeros(1, np.float32)}))
        for number in range(3):
            file.writestr(f"archive/data/{number}", zeros)
    with pytest.raises(WeightsRejected, match="unpacks"):
        load_weights(path)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_an_object_or_a_refusal(data: bytes) -> None:
    with contextlib.suppress(WeightsRejected):
        Machine(data).next_object()


@pytest.mark.parametrize("seed", range(8))
def test_damaged_files_give_weights_or_a_refusal(tmp_path: Path, seed: int) -> None:
    generator = random.Random(seed)
    whole = saved(tmp_path / "a.pt", some_arrays()).read_bytes()
    path = tmp_path / "b.pt"
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(generator.randint(1, 6)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        path.write_bytes(
            bytes(data[: generator.choice((len(data), generator.randrange(len(data))))])
        )
        with contextlib.suppress(WeightsRejected):
            load_weights(path)


@pytest.mark.parametrize("seed", range(8))
def test_damaged_pickles_give_weights_or_a_refusal(tmp_path: Path, seed: int) -> None:
    """Past the archive's check sums: the pickle itself is changed."""
    generator = random.Random(seed)
    arrays = some_arrays()
    whole = state_pickle(arrays)
    storages = {str(i): array.tobytes() for i, array in enumerate(arrays.values())}
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(generator.randint(1, 4)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as out:
            out.writestr("a/data.pkl", bytes(data))
            for key, content in storages.items():
                out.writestr(f"a/data/{key}", content)
        path = tmp_path / "b.pt"
        path.write_bytes(file.getvalue())
        with contextlib.suppress(WeightsRejected):
            load_weights(path)
