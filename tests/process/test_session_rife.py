"""The whole shape in one session, each stage a process: ingest, cacher, THA3, RIFE; seeded."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from sessions import Session, frames, running_session, wait_until

from ezvtb_interface import get_core
from shm import FrameLost, RingReader, Stamp
from shm.frame import Flag
from stages.backends.choice import open_backend
from stages.interpolation.rife import RifeInterpolator
from stages.networks.rife_pack import find_rife
from tests.rife_packs import write_pack as write_rife
from tests.sessions import ROOT
from tests.tha3_reference import DATA, Reference
from tests.tha3_reference import write_pack as write_tha3

pytest.importorskip("onnx", reason="builds the packs where the extra `convert` is installed")

SLOW_S = 60.0  # THA3 draws a few frames a second on two cores
Picture = np.ndarray


class Shown(NamedTuple):
    """A frame as another program keeps it."""

    stamp: Stamp
    picture: Picture


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with a pack of each network, and a picture."""
    folder = tmp_path_factory.mktemp("models")
    reference = Reference(DATA / "separable_seed0.npz")
    write_tha3(reference, folder / "tha3_separable_fp32")
    write_rife(folder / "rife_v4.25.lite_fp32", (512, 512), scales=(2,))
    cv2.imwrite(str(folder / "picture.png"), reference.picture)
    return folder


def kept(ring: RingReader) -> Iterator[Shown]:
    """Yield frames one after the other, copied; what was overwritten meanwhile is left out."""
    for frame in frames(ring, 400, SLOW_S):
        try:
            stamp, picture = frame.stamp, frame.array.copy()
            frame.check()
        except FrameLost:
            continue
        yield Shown(stamp, picture)


def is_between(stamp: Stamp) -> bool:
    """Whether the interpolation made this frame: not the cacher, nor a repeated one."""
    return stamp.flags & ~Flag.DISCONTINUITY == Flag.INTERPOLATED


def made_between(ring: RingReader) -> tuple[Shown, Shown, Shown]:
    """Return a frame that was made, with the drawn ones before and after it."""
    before: list[Shown] = []
    for shown in kept(ring):
        before = [*before[-2:], shown]
        drawn = [not one.stamp.phase_denominator for one in before]
        if drawn == [True, False, True] and is_between(before[1].stamp):
            return before[0], before[1], before[2]
    raise AssertionError("no frame between two")


def assert_is_of_the_network(models: Path, shown: tuple[Shown, Shown, Shown]) -> None:
    before, made, after = shown
    assert (made.stamp.phase_numerator, made.stamp.phase_denominator) == (1, 2)
    with open_backend(threads=1) as backend:
        rife = RifeInterpolator(find_rife(models, "", "fp32", (512, 512)), backend)
        expected = np.zeros_like(made.picture)
        rife.between(before.picture, after.picture, [0.5], [expected])
    assert not np.array_equal(before.picture, after.picture)
    off = np.abs(made.picture.astype(int) - expected)
    assert off.max() <= 1, "the network alone gives the same from the same two frames"


def overrides(models: Path, **interpolation: object) -> list[str]:
    """Return what makes the config `tha3` use these packs."""
    avatar = {"models": models, "picture": models / "picture.png", "stand_in": "false"}
    between = {"models": models, "pause_s": 30.0} | interpolation
    return [
        *(f"stages.avatar.options.{name}={value}" for name, value in avatar.items()),
        *(f"stages.interpolation.options.{name}={value}" for name, value in between.items()),
        "stages.page.options.port=0",
    ]


def by_rife(session: Session) -> bool:
    return session.counter("interpolation", "by_rife") == 1


@pytest.mark.slow
def test_the_whole_card_runs_and_rife_is_back_after_it_was_killed(models: Path) -> None:
    how = overrides(models, method="rife", scale=2)
    with running_session(*how, config=ROOT / "configs" / "tha3.toml") as session:
        stages = session.status()["stages"]
        pids = {stage["name"]: stage["pid"] for stage in stages}
        assert {"ingest", "cacher", "avatar", "interpolation"} <= set(pids)
        assert len(set(pids.values())) == len(pids), "each is a process"
        assert "THA3 separable fp32 on" in session.log
        assert "RIFE v4.25.lite fp32 on" in session.log
        with session.reader() as ring:
            assert_is_of_the_network(models, made_between(ring))
            wait_until(lambda: by_rife(session), what="RIFE makes them")
            killed = session.kill("interpolation")
            wait_until(
                lambda: session.pid("interpolation") not in (None, killed),
                SLOW_S,
                "another process of the interpolation",
            )
            session.wait_running(SLOW_S)
            assert_is_of_the_network(models, made_between(ring))
            assert session.pid("avatar") == pids["avatar"], "the others did not notice"


@pytest.mark.slow
def test_auto_falls_back_to_flow_where_rife_is_too_slow_and_says_so(models: Path) -> None:
    # Half a step of 20 frames a second is 22 ms, less than any one thread needs for it.
    how = overrides(models, method="auto", scale=2)
    how += ["stages.avatar.options.poser=warp", "stages.interpolation.threads=1"]
    with running_session(*how, config=ROOT / "configs" / "tha3.toml") as session:
        assert "ms for the frames between two, over the" in session.log
        assert "optical flow makes them" in session.log
        with session.reader() as ring:
            assert made_between(ring)
        assert not by_rife(session)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [False, True])
def test_get_core_takes_rife_where_its_weights_are(
    models: Path, processes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AYATSURI_RUNTIME_DIR", str(tmp_path))
    picture = cv2.imread(str(models / "picture.png"), cv2.IMREAD_UNCHANGED)
    poses = np.zeros((2, 1, 45), np.float32)
    poses[1, 0, 39] = 0.5
    with get_core(model_dir=str(models), processes=processes) as core:
        core.setImage(picture)
        before = core.inference(poses[0])[-1].copy()
        made, after = (shown.copy() for shown in core.inference(poses[1]))
    stamp = Stamp(1, 1, 1, phase_numerator=1, phase_denominator=2)
    assert_is_of_the_network(
        models, (Shown(stamp, before), Shown(stamp, made), Shown(stamp, after))
    )
