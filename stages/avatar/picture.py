"""The picture of the character: found by name or path, read, checked.

Files come from anywhere, so nothing is decoded before its size is known: the header is read first,
and only the two formats that keep an alpha channel without loss are taken.
"""

import hashlib
import struct
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH = HEIGHT = 512
MAX_FILE_BYTES = 64 * 1024 * 1024
SHIPPED = Path(__file__).parent / "pictures"

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_MEND = "save it as a 512x512 PNG with a transparent background"


class PictureRejected(ValueError):
    """A picture cannot be used. The message is one sentence: what, where, and the mend."""


def shipped_names() -> list[str]:
    """The bare names of the pictures that come with ayatsuri, sorted."""
    return sorted(path.stem for path in SHIPPED.glob("*.png"))


def resolve(name_or_path: str | Path) -> Path:
    """Return the file of a shipped picture or of a path; "default" is the first shipped one.

    A bare word is a name; anything with a separator or a suffix is a path. Raises
    `PictureRejected` for an unknown name; whether a path exists is left to `load`.
    """
    path = Path(name_or_path)
    if path.suffix or len(path.parts) != 1:
        return path.expanduser()
    names = shipped_names()
    if path.name == "default" and names:
        return SHIPPED / f"{names[0]}.png"
    if path.name in names:
        return SHIPPED / f"{path.name}.png"
    there = ", ".join(names) if names else "none"
    raise PictureRejected(
        f'no picture named "{path.name}" is shipped (there is: {there}); give one of these or the '
        "path of a PNG file"
    )


def load(source: Path | bytes) -> NDArray[np.uint8]:
    """Return the picture as BGRA (512, 512, 4) uint8, straight alpha, colour 0 where alpha is 0.

    `source` is a file or a file's content. Raises `PictureRejected` for anything else.
    """
    return cleared(load_as_it_is(source))


def cleared(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Set the pixels of alpha 0 to all zeros, in place; return the picture."""
    picture[picture[..., 3] == 0] = 0
    return picture


def load_as_it_is(source: Path | bytes) -> NDArray[np.uint8]:
    """Return the picture as `load` does, but with the colours that are hidden where alpha is 0."""
    where = "the given bytes" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else _read(source)
    if len(data) > MAX_FILE_BYTES:
        raise PictureRejected(f"{where} is larger than 64 MiB; {_MEND}")
    width, height = _declared_size(data, where)
    if (width, height) != (WIDTH, HEIGHT):
        raise PictureRejected(f"{where} is {width}x{height} pixels, not 512x512; {_MEND}")
    picture = _to_eight_bits(_decoded(data, where))
    if not picture[..., 3].any():
        raise PictureRejected(f"{where} is transparent everywhere; {_MEND}")
    return picture


def digest(picture: NDArray[np.uint8]) -> int:
    """Return 64 bits that name the picture's pixels: stable over processes and machines."""
    return int.from_bytes(hashlib.blake2b(picture.tobytes(), digest_size=8).digest(), "little")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # One byte past the limit tells a file that is too large, whatever it claims to be.
            return file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise PictureRejected(f"no picture at {path}; check the path") from None
    except OSError as error:
        raise PictureRejected(
            f"{path} cannot be read ({error.strerror}); give a readable PNG file"
        ) from error


def _declared_size(data: bytes, where: str) -> tuple[int, int]:
    """Width and height as the header says, without decoding a pixel."""
    if data.startswith(_JPEG):
        raise PictureRejected(f"{where} is a JPEG and has no alpha channel; {_MEND}")
    try:
        if data.startswith(_PNG):
            width, height = struct.unpack_from(">II", data, 16)
            return width, height
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp_size(data)
    except (struct.error, IndexError):
        raise PictureRejected(f"{where} ends inside its header; {_MEND}") from None
    raise PictureRejected(f"{where} is neither PNG nor WebP; {_MEND}")


def _webp_size(data: bytes) -> tuple[int, int]:
    """The three layouts of https://developers.google.com/speed/webp/docs/riff_container."""
    kind = data[12:16]
    if kind == b"VP8X":
        low_width, high_width, low_height, high_height = struct.unpack_from("<HBHB", data, 24)
        return (high_width << 16 | low_width) + 1, (high_height << 16 | low_height) + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)  # "VP8 ": lossy, and never with alpha
    return width & 0x3FFF, height & 0x3FFF


def _decoded(data: bytes, where: str) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """(512, 512, 4) as the file has it: 8 or 16 bits."""
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape[:2] != (HEIGHT, WIDTH):
        raise PictureRejected(f"{where} is damaged; {_MEND}")
    if pixels.ndim != 3 or pixels.shape[2] != 4:
        raise PictureRejected(f"{where} has no alpha channel; {_MEND}")
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    if pixels.dtype == np.uint16:
        return np.asarray(pixels, np.uint16)
    raise PictureRejected(f"{where} has {pixels.dtype} samples, not 8 or 16 bits; {_MEND}")


def _to_eight_bits(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels, np.uint8)
    # 65535 = 255 * 257: rounds to the nearest.
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
