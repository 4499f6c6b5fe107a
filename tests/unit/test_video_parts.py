"""The parts of `launcher.py video`: rates, cuts, folders, frames in between in order."""

import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.video.cuts import CutDetector
from pipeline.video.frames import PictureFolder, VideoRejected
from pipeline.video.interpolate import PaddedFlow, interpolate
from pipeline.video.rate import exact_rate

Image = NDArray[np.uint8]


def scene(seed: int, shift: int = 0) -> Image:
    """Smooth noise that is moved; another seed, another scene."""
    noise = np.random.default_rng(seed).integers(0, 256, (5, 9, 3)).astype(np.uint8)
    large = cv2.resize(noise, (320, 180), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.cvtColor(np.roll(large, shift, axis=1), cv2.COLOR_BGR2BGRA), np.uint8)


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (23.98, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (25.0, Fraction(25)),
        (60.0, Fraction(60)),
        (12.5, Fraction(25, 2)),
    ],
)
def test_rounded_rates_are_told_apart_from_whole_ones(told: float, meant: Fraction) -> None:
    assert exact_rate(told) == meant


def test_another_scene_is_a_cut_and_motion_is_none() -> None:
    detector = CutDetector()
    shots = [*(scene(1, 2 * n) for n in range(9)), *(scene(2, 3 * n) for n in range(9))]
    assert [n for n, frame in enumerate(shots) if detector.is_cut(frame)] == [9]


def test_where_every_frame_differs_much_that_is_usual() -> None:
    detector = CutDetector(least=2.0)
    cuts = [detector.is_cut(scene(1, 12 * n)) for n in range(12)]
    assert cuts[1] and not any(cuts[2:])


class Blend:
    """Makes what can be checked: the older value plus the phase times the difference."""

    def between(self, previous, current, phases, outs) -> None:
        for phase, out in zip(phases, outs, strict=True):
            out[:] = np.round(previous + phase * (current.astype(float) - previous))


def flat(*values: int) -> Iterator[Image]:
    return (np.full((8, 8, 4), value, np.uint8) for value in values)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_frame_becomes_so_many_and_the_last_one_holds(scale: int) -> None:
    shown: list[int] = []
    done = interpolate(
        flat(0, 12, 24), scale, Blend(), lambda f: shown.append(int(f[0, 0, 0])), None
    )
    step = 12 // scale
    assert shown == [*range(0, 25, step), *[24] * (scale - 1)]
    assert len(shown) == done.written == 3 * scale


def test_across_a_cut_the_frame_before_it_is_held() -> None:
    shown: list[int] = []

    def write(frame: Image) -> None:
        shown.append(int(frame[0, 0, 0]))

    done = interpolate(flat(0, 10, 200, 210), 2, Blend(), write, CutDetector())
    assert shown == [0, 5, 10, 10, 200, 205, 210, 210]
    assert done.cuts == 1


def test_no_more_than_a_few_frames_are_held_however_many_there_are() -> None:
    held: list[weakref.ref[np.ndarray]] = []
    most = 0

    def many() -> Iterator[Image]:
        nonlocal most
        for n in range(200):
            frame = np.full((8, 8, 4), n, np.uint8)
            held[:] = [one for one in (*held, weakref.ref(frame)) if one() is not None]
            most = max(most, len(held))
            yield frame
            del frame

    assert interpolate(many(), 2, Blend(), lambda _: None, None).written == 400
    assert most <= 3


@pytest.mark.parametrize("size", [(180, 320), (181, 323), (40, 50)])
def test_any_size_can_be_made_by_flow(size: tuple[int, int]) -> None:
    height, width = size
    frames = [np.ascontiguousarray(np.resize(scene(1, 4 * n), (height, width, 4))) for n in (0, 1)]
    for frame in frames:
        frame[..., 3] = 255
    out = np.zeros_like(frames[0])
    PaddedFlow(height, width).between(frames[0], frames[1], [0.5], [out])
    assert (out[..., 3] == 255).all() and out[..., :3].std() > 10


def keep(folder: Path, name: str, picture: Image) -> None:
    good, data = cv2.imencode(Path(name).suffix, picture)
    assert good
    (folder / name).write_bytes(data.tobytes())


def test_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        keep(tmp_path, f"絵 {number}.png", np.full((8, 8, 4), number, np.uint8))
    assert [int(frame[0, 0, 0]) for frame in PictureFolder(tmp_path)] == [1, 2, 10]


def test_pictures_of_another_size_are_named(tmp_path: Path) -> None:
    keep(tmp_path, "1.png", np.zeros((8, 8, 3), np.uint8))
    keep(tmp_path, "2.png", np.zeros((8, 9, 3), np.uint8))
    with pytest.raises(VideoRejected, match=r"2\.png is 9x8, 1\.png is 8x8"):
        list(PictureFolder(tmp_path))


def test_what_is_no_picture_and_a_folder_of_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(VideoRejected, match="two pictures at least"):
        PictureFolder(tmp_path)
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(VideoRejected, match=r"1\.png is no picture"):
        PictureFolder(tmp_path)
