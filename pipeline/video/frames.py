"""Frames out of files and into files: videos through ffmpeg, folders of pictures through OpenCV.

A source is read frame by frame and a sink written so; neither holds more than one.
"""

import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.video.rate import exact_rate

Image = NDArray[np.uint8]

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_NEED_FFMPEG = "videos need ffmpeg: pip install 'ayatsuri[video]'; folders of pictures do not"


class VideoRejected(ValueError):
    """A video or folder cannot be read or written; the message says what and why."""


class Source(ABC):
    """Frames of one size, in order."""

    size: tuple[int, int]  # height, width
    rate: Fraction | None  # frames a second, None where nothing says
    count: int  # about how many frames there are, 0 if unknown
    sound: Path | None = None  # a file whose other streams belong to the frames

    @abstractmethod
    def __iter__(self) -> Iterator[Image]:
        """Yield BGRA (height, width, 4) uint8 arrays, each a new one."""


class Sink(ABC):
    """Takes frames in order."""

    @abstractmethod
    def write(self, frame: Image) -> None:
        """Take one frame; it may be overwritten afterwards."""

    @abstractmethod
    def close(self) -> None:
        """Finish the file. Raises `VideoRejected`."""

    @abstractmethod
    def abandon(self) -> None:
        """Stop at once, leaving what there is."""


def open_source(path: Path) -> Source:
    """Open a video, or a folder of pictures. Raises `VideoRejected`."""
    if path.is_dir():
        return PictureFolder(path)
    if not path.is_file():
        raise VideoRejected(f"{path}: there is no such file or folder")
    return VideoFile(path)


class VideoFile(Source):
    """A video, as ffmpeg decodes it at a constant rate."""

    def __init__(self, path: Path) -> None:
        ffmpeg = _ffmpeg()
        self._path = path
        try:
            reading = ffmpeg.read_frames(str(path), pix_fmt="bgr24")
            self._facts = next(reading)
            reading.close()
        except (OSError, RuntimeError, StopIteration) as error:
            reason = str(error).strip().splitlines()
            last = reason[-1] if reason else "no frames"
            raise VideoRejected(f"{path}: ffmpeg cannot read it: {last}") from error
        width, height = self._facts["size"]
        if not width or not height or not self._facts["fps"]:
            raise VideoRejected(f"{path}: there are no moving pictures in it")
        self.size = height, width
        self.rate = exact_rate(self._facts["fps"])
        self.count = round(self._facts["duration"] * float(self.rate))
        self.sound = path

    def __iter__(self) -> Iterator[Image]:
        height, width = self.size
        filters = f"scale=in_color_matrix={self._matrix()}:flags=accurate_rnd+full_chroma_int"
        reading = _ffmpeg().read_frames(
            str(self._path), pix_fmt="bgr24", output_params=["-vf", filters]
        )
        next(reading)
        try:
            for data in reading:
                seen = np.frombuffer(data, np.uint8).reshape(height, width, 3)
                yield np.asarray(cv2.cvtColor(seen, cv2.COLOR_BGR2BGRA), np.uint8)
        finally:
            reading.close()

    def _matrix(self) -> str:
        """What turned colours into what is stored; players take this where the file is silent."""
        told = str(self._facts.get("pix_fmt", ""))
        for name in ("bt709", "bt2020"):
            if name in told:
                return name
        silent = not any(name in told for name in ("smpte170m", "bt470bg"))
        return "bt709" if silent and self.size[0] >= 720 else "bt601"


class PictureFolder(Source):
    """The pictures of a folder, in the order of the numbers in their names."""

    def __init__(self, path: Path) -> None:
        files = [file for file in path.iterdir() if file.suffix.lower() in PICTURES]
        if len(files) < 2:
            raise VideoRejected(f"{path}: a folder needs two pictures at least ({_endings()})")
        self._files = sorted(files, key=lambda file: _in_order(file.name))
        self.size = self._read(self._files[0]).shape[:2]
        self.rate, self.count = None, len(files)

    def __iter__(self) -> Iterator[Image]:
        for file in self._files:
            picture = self._read(file)
            if picture.shape[:2] != self.size:
                height, width = picture.shape[:2]
                raise VideoRejected(
                    f"{file} is {width}x{height}, {self._files[0].name} is "
                    f"{self.size[1]}x{self.size[0]}: all must be of one size"
                )
            yield picture

    def _read(self, file: Path) -> Image:
        # Not imread: it cannot open names that are not ASCII on Windows.
        data = np.frombuffer(file.read_bytes(), np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
        if picture is None:
            raise VideoRejected(f"{file} is no picture that can be read")
        if picture.dtype != np.uint8:
            picture = (picture / 257).astype(np.uint8) if picture.dtype == np.uint16 else picture
        if picture.ndim == 2:
            picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
        if picture.shape[2] == 3:
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA)
        return np.asarray(picture, np.uint8)


class VideoWriter(Sink):
    """A video by ffmpeg, with the sound and subtitles of another file beside it as they are."""

    def __init__(
        self, path: Path, size: tuple[int, int], rate: Fraction, sound: Path | None, quality: int
    ) -> None:
        """`quality` is x264's: 0 without loss, 16 hardly to be told from it, 51 worst."""
        height, width = size
        command = [_ffmpeg().get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo"]
        command += ["-pix_fmt", "bgr24", "-s", f"{width}x{height}", "-r", str(rate), "-i", "-"]
        if sound is not None:
            command += ["-i", str(sound), "-map", "0:v:0", "-map", "1:a?", "-c:a", "copy"]
            if path.suffix.lower() == ".mkv":
                command += ["-map", "1:s?", "-c:s", "copy"]
        # Halved colour planes need even sizes.
        planes = "yuv444p" if height % 2 or width % 2 else "yuv420p"
        command += ["-vf", "scale=out_color_matrix=bt709:flags=accurate_rnd+full_chroma_int"]
        command += ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
        command += ["-c:v", "libx264", "-preset", "medium", "-crf", str(quality)]
        command += ["-pix_fmt", planes, str(path)]
        self._path = path
        self._bgr: Image = np.empty((height, width, 3), np.uint8)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def write(self, frame: Image) -> None:
        assert self._process.stdin is not None
        cv2.cvtColor(frame, cv2.COLOR_BGRA2BGR, dst=self._bgr)
        try:
            self._process.stdin.write(self._bgr.data)
        except BrokenPipeError:
            self.close()  # says why

    def close(self) -> None:
        _, said = self._process.communicate()
        if self._process.returncode:
            lines = said.decode(errors="replace").strip().splitlines() or ["it gives no reason"]
            raise VideoRejected(f"{self._path}: ffmpeg cannot write it: {lines[-1]}")

    def abandon(self) -> None:
        self._process.kill()
        self._process.communicate()


class PictureWriter(Sink):
    """PNG files with ascending numbers, alpha included."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path, self._written = path, 0

    def write(self, frame: Image) -> None:
        self._written += 1
        good, data = cv2.imencode(".png", frame, [cv2.IMWRITE_PNG_COMPRESSION, 3])
        assert good
        (self._path / f"{self._written:08}.png").write_bytes(data.tobytes())

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass


def _ffmpeg() -> Any:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise VideoRejected(_NEED_FFMPEG) from error
    return imageio_ffmpeg


def _in_order(name: str) -> list[tuple[int, int | str]]:
    """Return a key by which 2.png comes before 10.png."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts]


def _endings() -> str:
    return ", ".join(PICTURES)
