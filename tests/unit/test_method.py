"""Which of the two makes the frames in between, and what is said of it."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

pytest.importorskip("onnx", reason="runs where the extra `convert` is installed")

from stages.interpolation.method import Method
from stages.interpolation.options import InterpolationOptions
from stages.networks.rife_pack import find_rife, look
from tests.rife_packs import write_pack

MS = 1_000_000
SIZE = (128, 128)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_pack(tmp_path_factory.mktemp("pack") / "p", SIZE, scales=(2, 3)))


@pytest.fixture
def trial_ms(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """What the trial at the start says RIFE takes."""
    took = [10]
    monkeypatch.setattr(Method, "_try", lambda *_: took[0] * MS)
    yield took


def options(pack: str, method: str = "auto") -> InterpolationOptions:
    return InterpolationOptions(method=method, models=pack)  # type: ignore[arg-type]


def pair() -> list[np.ndarray]:
    made = []
    for place in (40, 46):
        frame = np.zeros((*SIZE, 4), np.uint8)
        frame[30:100, place : place + 40] = (50, 100, 200, 255)
        made.append(frame)
    return made


def test_without_weights_it_is_flow_and_says_how_to_get_them(tmp_path: Path) -> None:
    method = Method(options(str(tmp_path)), 1, *SIZE)
    assert method.kind == "flow"
    (note,) = method.notes
    assert "models convert rife" in note and "optical flow makes the frames" in note


def test_asked_for_by_name_their_lack_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Method(options(str(tmp_path), "rife"), 1, *SIZE)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_flow_alone_looks_for_nothing(tmp_path: Path) -> None:
    assert Method(options(str(tmp_path), "flow"), 1, *SIZE).notes == []


def test_auto_takes_what_was_quick_enough_when_tried(pack: str) -> None:
    method = Method(options(pack), 2, *SIZE)
    assert method.rife_ns > 0
    quick = method.rife_ns <= 0.9 * 50 * MS / 2
    assert method.kind == ("rife" if quick else "flow")
    assert f"{method.rife_ns / MS:.0f} ms for the frames between two" in method.notes[0]
    method.close()


def test_auto_does_not_take_what_is_too_slow(pack: str, trial_ms: list[int]) -> None:
    trial_ms[0] = 80
    method = Method(options(pack), 1, *SIZE)
    assert method.kind == "flow"
    assert "80 ms" in method.notes[0] and "optical flow" in method.notes[0]
    assert Method(options(pack, "rife"), 1, *SIZE).kind == "rife", "asked for is asked for"


def test_auto_gives_up_when_frames_come_faster_than_it_is(
    pack: str, trial_ms: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    method = Method(options(pack), 1, *SIZE)
    for _ in range(40):
        method.watch(14 * MS, 33 * MS)
    method.watch(500 * MS, 33 * MS)  # one slow frame is an accident
    assert method.kind == "rife" and not caplog.records
    for _ in range(20):
        method.watch(16 * MS, 33 * MS)
    assert method.kind == "flow"
    assert "16 ms" in caplog.text and "15 ms" in caplog.text

    # Without even pacing only the rate has to be kept.
    latest = InterpolationOptions(models=pack, pacing="lowest_latency")
    method = Method(latest, 1, *SIZE)
    for _ in range(40):
        method.watch(16 * MS, 33 * MS)
    assert method.kind == "rife"


def test_the_method_changes_while_running_if_nothing_is_to_be_loaded(
    pack: str, trial_ms: list[int]
) -> None:
    method = Method(options(pack), 1, *SIZE)
    older, newer = pair()
    made = []
    for name in ("rife", "flow", "auto"):
        assert method.use(options(pack, name))
        out = np.zeros_like(older)
        method.between(older, newer, [out])
        made.append(out)
    assert np.array_equal(made[0], made[2]) and not np.array_equal(made[0], made[1])
    assert not method.use(InterpolationOptions(models="elsewhere"))
    assert not Method(options(pack, "flow"), 1, *SIZE).use(options(pack, "rife"))


def test_a_scale_that_no_graph_is_for_is_made_by_flow(pack: str, trial_ms: list[int]) -> None:
    method = Method(options(pack, "rife"), 1, *SIZE)
    older, newer = pair()
    by_flow = Method(options(pack, "flow"), 1, *SIZE)
    outs = [np.zeros((3, *older.shape), np.uint8) for _ in range(2)]
    for made, out in zip((method, by_flow), outs, strict=True):
        assert len(list(made.each(older, newer, list(out)))) == 3
    assert np.array_equal(*outs)


def test_how_frames_are_made_has_a_name_of_its_own(pack: str, trial_ms: list[int]) -> None:
    def how(method: str, scale: int, graphs: str = pack) -> int:
        wanted = structs.replace(options(graphs, method), scale=scale)
        return Method(wanted, 1, *SIZE).how

    names = {how("flow", 2), how("flow", 3), how("rife", 2), how("rife", 3)}
    assert len(names) == 4 and 0 not in names
    assert how("rife", 2) in names  # the same in the next session


def test_networks_of_other_weights_have_another_name(pack: str, tmp_path: Path) -> None:
    found = [look(find_rife(Path(pack), "", "fp32", SIZE))]
    path = tmp_path / "rife_x2_fp32.onnx"
    for content in (b"weights", b"others"):
        path.write_bytes(content)
        found.append(look(find_rife(tmp_path, "", "fp32", (512, 512))))
    assert len(set(found)) == 3
