"""Pictures: what is taken as it is, what is put right, what is refused and how it is said."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import figure
from numpy.typing import NDArray

from stages.avatar import picture
from stages.avatar.picture import PictureRejected, digest, load, resolve


def encoded(pixels: NDArray[np.uint8] | NDArray[np.uint16], suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG header without a picture behind it."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def test_a_png_file_comes_back_bit_by_bit(tmp_path: Path) -> None:
    path = tmp_path / "hina.png"
    path.write_bytes(encoded(figure()))
    assert np.array_equal(load(path), figure())


def test_bytes_are_read_like_a_file() -> None:
    assert np.array_equal(load(encoded(figure())), figure())


def test_lossless_webp_is_read() -> None:
    webp = cv2.imencode(".webp", figure(), [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    assert np.array_equal(load(webp)[..., 3], figure()[..., 3])


def test_colour_under_alpha_0_is_dropped() -> None:
    dirty = figure()
    dirty[dirty[..., 3] == 0] = (9, 8, 7, 0)
    assert np.array_equal(load(encoded(dirty)), figure())


def test_sixteen_bits_are_rounded_to_eight() -> None:
    deep = figure().astype(np.uint16) * 257
    deep[300, 256, 0] += 128  # nearer to the level below
    deep[301, 256, 0] += 129  # nearer to the level above
    read = load(encoded(deep)).astype(int) - figure().astype(int)
    assert read[300, 256, 0] == 0
    assert read[301, 256, 0] == 1
    assert np.count_nonzero(read) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "neither PNG nor WebP"),
        (b"GIF89a", "neither PNG nor WebP"),
        (b"\x89PNG\r\n\x1a\n\x00", "ends inside its header"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8X", "ends inside its header"),
        (encoded(figure())[:4000], "damaged"),
        (encoded(figure()[..., :3]), "no alpha channel"),
        (encoded(figure()[..., 3]), "no alpha channel"),
        (encoded(figure()[..., :3], ".jpg"), "no alpha channel"),
        (encoded(figure()[:256]), "512x256 pixels, not 512x512"),
        (encoded(figure()[:, :100], ".webp"), "100x512 pixels, not 512x512"),
        (encoded(np.zeros((512, 512, 4), np.uint8)), "transparent everywhere"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(PictureRejected, match=reason):
        load(content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PictureRejected, match=r"no picture at .*gone\.png"):
        load(tmp_path / "gone.png")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureRejected, match="cannot be read"):
        load(tmp_path)


def test_a_huge_picture_is_refused_from_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(*_: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(picture.cv2, "imdecode", decoded)
    with pytest.raises(PictureRejected, match="60000x60000"):
        load(png_claiming(60000, 60000))


def test_a_file_over_the_limit_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "MAX_FILE_BYTES", 1000)
    path = tmp_path / "large.png"
    path.write_bytes(encoded(figure()))
    with pytest.raises(PictureRejected, match="larger than 64 MiB"):
        load(path)


def test_digest_tells_one_changed_pixel_and_is_the_same_everywhere() -> None:
    changed = figure()
    changed[256, 256, 0] ^= 1
    assert digest(figure()) != digest(changed)
    # A value recorded once: the cacher's keys on disk must survive a restart.
    assert digest(np.zeros((512, 512, 4), np.uint8)) == 12230669196607149260


def test_names_paths_and_default_are_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mei", "aki"):
        (tmp_path / f"{name}.png").write_bytes(b"")
    monkeypatch.setattr(picture, "SHIPPED", tmp_path)
    assert resolve("mei") == tmp_path / "mei.png"
    assert resolve("default") == tmp_path / "aki.png"
    assert resolve("pictures/mei") == Path("pictures/mei")
    assert resolve("own.png") == Path("own.png")
    with pytest.raises(PictureRejected, match="aki, mei"):
        resolve("nobody")


def test_without_a_shipped_picture_default_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "SHIPPED", tmp_path)
    with pytest.raises(PictureRejected, match="there is: none"):
        resolve("default")


@pytest.mark.parametrize("name", picture.shipped_names())
def test_every_shipped_picture_can_be_used(name: str) -> None:
    assert load(resolve(name)).shape == (512, 512, 4)
