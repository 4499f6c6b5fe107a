"""`launcher.py video` on a small video with sound, made by the same ffmpeg."""

import subprocess
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import cli
from pipeline.video.frames import VideoFile, VideoRejected, VideoWriter

ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="runs where the extra `video` is installed")

SIZE = 96, 128  # height, width
RATE = 24000 / 1001


def frame(number: int, *, second_scene: bool = False) -> np.ndarray:
    """A disc that wanders over a ground."""
    picture = np.full((*SIZE, 4), (200, 160, 60, 255) if second_scene else (40, 60, 90, 255))
    picture = picture.astype(np.uint8)
    cv2.circle(picture, (20 + 6 * number, 48), 14, (60, 200, 240, 255), -1)
    return picture


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames, the second half another scene; half a second of sound."""
    folder = tmp_path_factory.mktemp("video")
    sound, path = folder / "sound.m4a", folder / "in put.mp4"
    command = [ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "lavfi", "-i"]
    command += ["sine=frequency=440:duration=0.5", "-c:a", "aac", str(sound)]
    subprocess.run(command, check=True)
    writer = VideoWriter(path, SIZE, Fraction(24000, 1001), sound, 8)
    for number in range(12):
        writer.write(frame(number % 6, second_scene=number >= 6))
    writer.close()
    return path


def sound_of(path: Path) -> str:
    """A digest of the encoded sound."""
    command = [ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-map", "0:a", "-c", "copy"]
    command += ["-f", "md5", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def disc_at(picture: np.ndarray) -> float:
    """Where the disc is."""
    bright = (picture[..., 1].astype(int) > 180) & (picture[..., 0] < 120)
    bright |= (picture[..., 2] > 200) & (picture[..., 1] > 180)
    return float(np.flatnonzero(bright.any(axis=0)).mean())


@pytest.mark.parametrize("scale", [2, 3])
def test_a_video_becomes_longer_in_frames_and_not_in_time(
    video: Path, tmp_path: Path, scale: int
) -> None:
    out = tmp_path / "out.mp4"
    arguments = ["video", str(video), str(out), "--scale", str(scale), "--method", "flow"]
    assert cli.main([*arguments, "--quality", "8"]) == 0
    made = VideoFile(out)
    assert made.rate == Fraction(24000, 1001) * scale or abs(made.rate - RATE * scale) < 0.01
    assert sound_of(out) == sound_of(video)
    frames = list(made)
    assert len(frames) == 12 * scale
    places = [disc_at(picture) for picture in frames[: 5 * scale + 1]]
    steps = np.diff(places)
    assert steps.min() > 0.3 * 6 / scale and steps.max() < 1.7 * 6 / scale
    # The last frame before the cut is held, not mixed with the other scene.
    for picture in frames[5 * scale : 6 * scale]:
        assert np.abs(picture.astype(int) - frames[5 * scale]).mean() < 2
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"], "nothing is left beside it"


def test_a_folder_becomes_a_folder_with_its_alpha(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for number in range(3):
        picture = frame(number)
        picture[picture[..., 1] < 100] = 0
        cv2.imwrite(str(source / f"{number}.png"), picture)
    assert cli.main(["video", str(source), str(out), "--scale", "4", "--method", "flow"]) == 0
    files = sorted(out.iterdir())
    assert len(files) == 12
    made = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in files]
    for number in range(3):
        original = cv2.imread(str(source / f"{number}.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(made[4 * number], original)
    assert all((picture[..., 3] == 0).mean() > 0.5 for picture in made)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.mp4", "out.mp4"], "there is no such file"),
        (["broken.mp4", "out.mp4"], "ffmpeg cannot read it"),
        (["pictures", "out.mp4"], "--fps says"),
        (["pictures", "there"], "--overwrite"),
        (["pictures", "pictures"], "is the input"),
        (["pictures", "out", "--method", "rife", "--model", "empty"], "models convert rife"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_left(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    for folder in ("pictures", "there", "empty"):
        (tmp_path / folder).mkdir()
    for number in range(2):
        cv2.imwrite(str(tmp_path / "pictures" / f"{number}.png"), frame(number))
    before = sorted(tmp_path.rglob("*"))
    assert cli.main(["video", *arguments]) == 6
    assert said in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_size_that_the_codec_refuses_is_said(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "out.nosuch", SIZE, Fraction(25), None, 16)
    with pytest.raises(VideoRejected, match="ffmpeg cannot write it"):
        for number in range(2):
            writer.write(frame(number))
        writer.close()


def test_published_weights_are_built_for_the_size_of_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx", reason="runs where the extra `convert` is installed")
    from stages.networks import weights
    from tests.rife_reference import published_state

    source, out, model = tmp_path / "in", tmp_path / "out", tmp_path / "flownet.pkl"
    source.mkdir()
    model.write_bytes(b"seeded")
    monkeypatch.setattr(weights, "load_weights", lambda _path: published_state("v4.25.lite"))
    for number in range(2):
        cv2.imwrite(str(source / f"{number}.png"), frame(number)[:90, :122])
    arguments = ["video", str(source), str(out), "--model", str(model), "--threads", "2"]
    assert cli.main(arguments) == 0
    made = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted(out.iterdir())]
    assert [picture.shape for picture in made] == [(90, 122, 4)] * 4
    assert all((picture[..., 3] >= 254).all() for picture in made)
