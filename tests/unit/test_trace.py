"""Traces: what is read, and what is said about one that cannot be."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages.ingest.trace import TraceRejected, load_trace
from stages.pose import HIGH, INDEX, LOW, SIZE

SHIPPED = Path(__file__).parents[2] / "configs" / "traces" / "face_10s.json"


def written(folder: Path, content: object, name: str = "trace.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_rows_of_json_are_poses(tmp_path: Path) -> None:
    rows = np.linspace(0, 1, 3 * SIZE).reshape(3, SIZE)
    poses = load_trace(written(tmp_path, rows.tolist()))
    assert poses.dtype == np.float32
    assert poses == pytest.approx(rows, abs=1e-6)


def test_whole_numbers_are_numbers(tmp_path: Path) -> None:
    assert load_trace(written(tmp_path, [[0] * SIZE])).shape == (1, SIZE)


def test_npy_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "trace.npy", np.full((4, SIZE), 0.5))
    assert (load_trace(tmp_path / "trace.npy") == 0.5).all()


def test_values_out_of_range_are_bounded(tmp_path: Path) -> None:
    poses = load_trace(written(tmp_path, [[9.0] * SIZE, [-9.0] * SIZE]))
    assert np.array_equal(poses, [HIGH, LOW])


def test_a_pickle_in_npy_is_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "trace.npy", np.array([{"run": "me"}]), allow_pickle=True)
    with pytest.raises(TraceRejected, match="Object arrays cannot be loaded"):
        load_trace(tmp_path / "trace.npy")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not a list of lists"),
        ("[[1, 2", "not a list of lists"),
        ("{}", "not a list of lists"),
        ("[" * 100_000, "nested too deep|not a list of lists"),
        ([["0"] * SIZE], "not a list of lists"),
        ([[None] * SIZE], "not a list of lists"),
        ([[0.0] * SIZE, [0.0] * 44], "not a list of lists"),
        ([], r"shape \(0,\)"),
        ([[0.0] * 44], r"shape \(1, 44\)"),
        ([0.0] * SIZE, r"shape \(45,\)"),
        ([[0.0] * SIZE, [float("nan")] * SIZE], "row 1"),
        ([[0.0] * SIZE, [0.0] * SIZE, [float("inf")] * SIZE], "row 2"),
        ("[[" + ",".join(["1e999"] * SIZE) + "]]", "row 0"),
    ],
)
def test_what_is_no_trace_is_refused_with_its_reason(
    tmp_path: Path, content: object, reason: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(TraceRejected, match=reason) as refusal:
        load_trace(path)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"not numpy"])
def test_a_damaged_npy_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "trace.npy").write_bytes(content)
    with pytest.raises(TraceRejected):
        load_trace(tmp_path / "trace.npy")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceRejected):
        load_trace(tmp_path / "trace.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceRejected, match=r"no trace at .*gone\.json"):
        load_trace(tmp_path / "gone.json")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceRejected, match="cannot be read"):
        load_trace(tmp_path)


def test_the_shipped_trace_is_ten_seconds_that_begin_calmly() -> None:
    poses = load_trace(SHIPPED)
    assert poses.shape == (200, SIZE)
    # The head; the eyes blink in row 10.
    assert np.abs(np.diff(poses[:20, INDEX["iris_rotation_x"] :], axis=0)).max() < 0.2
    assert SHIPPED.with_suffix(".LICENSE.txt").read_text().count("Copyright (c) 2024 zpeng11") == 1
