"""The JPEG library behind one small interface, chosen once at start by what works.

Tried on Debian 12 (x86-64, Python 3.11):

- PyTurboJPEG 2.6 refuses Debian's libjpeg-turbo 2.1.5 at construction (RuntimeError); with
  libjpeg-turbo 3.x it works.
- PyTurboJPEG 1.8 works with both, through the old interface that 3.x still has.
- Without a system library either of them fails at construction; the exception differs by version.
- The package "turbojpeg" (Dobatymo's) installs a module of the same name as PyTurboJPEG with no
  `TurboJPEG` class. Only one of the two can be present; when it is the other, it is passed over.
- simplejpeg brings libjpeg-turbo in its wheel and works everywhere, so it is the last choice that
  is always there. Its frames are 40 bytes larger and 0.1 dB further from the original.

All compress 4:4:4 with the accurate DCT: the fast one gains no time with SIMD and costs 0.9 dB.
None takes a pitch when decoding, hence contiguous arrays only.
"""

import importlib
import importlib.metadata
import warnings
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


class JpegRejected(ValueError):
    """A JPEG is damaged or has another size than expected."""


class JpegBinding(Protocol):
    """Compresses and decompresses BGRX, 4:4:4. Not for use from two threads at once."""

    @property
    def name(self) -> str:
        """Which package and library this is, for log and benchmark."""

    def encode(self, bgrx: Image, quality: int) -> bytes:
        """Compress `bgrx`, C-contiguous (height, width, 4); `quality` is 1 to 100."""

    def decode_into(self, blob: bytes | memoryview, out: Image) -> None:
        """Decompress into `out`, C-contiguous (height, width, 4); channel 3 is undefined.

        Raises `JpegRejected` for a JPEG that is damaged or not of that size; `out` may then hold
        part of it.
        """


class NoJpegBinding(ImportError):
    """No JPEG package can be used here; the message says why each could not."""


class PyTurboJpegBinding:
    """PyTurboJPEG, 1.x or 2.x, on the system's libjpeg-turbo."""

    def __init__(self, library: str | None = None) -> None:
        """`library` is the path of a libturbojpeg; None looks in the usual places.

        Raises whatever the package raises without a usable library.
        """
        module = importlib.import_module("turbojpeg")
        if not hasattr(module, "TurboJPEG"):
            raise ImportError('the module "turbojpeg" is another package than PyTurboJPEG')
        self._library: Any = module.TurboJPEG(library) if library else module.TurboJPEG()
        self._pixel_format = int(module.TJPF_BGRX)
        self._subsampling = int(module.TJSAMP_444)
        # Version 1 has no name for the first flag, and without it takes the fast DCT below
        # quality 96. The second makes a damaged JPEG an error instead of a guess.
        self._encode_flags = 4096  # TJFLAG_ACCURATEDCT
        self._decode_flags = 4096 | 8192  # and TJFLAG_STOPONWARNING
        self.name = f"PyTurboJPEG {_version_of('PyTurboJPEG')}"

    def encode(self, bgrx: Image, quality: int) -> bytes:
        encoded = self._library.encode(
            bgrx,
            quality=quality,
            pixel_format=self._pixel_format,
            jpeg_subsample=self._subsampling,
            flags=self._encode_flags,
        )
        return bytes(encoded)

    def decode_into(self, blob: bytes | memoryview, out: Image) -> None:
        try:
            with warnings.catch_warnings():
                # Version 1 reports damage as a warning and carries on.
                warnings.simplefilter("error")
                decoded = self._library.decode(
                    blob, pixel_format=self._pixel_format, flags=self._decode_flags, dst=out
                )
        except (OSError, ValueError, RuntimeError, Warning) as error:
            raise JpegRejected(str(error)) from error
        if decoded is not out:
            raise JpegRejected(f"a JPEG of {decoded.shape} where {out.shape} belongs")


class SimpleJpegBinding:
    """simplejpeg, on the libjpeg-turbo in its wheel."""

    def __init__(self) -> None:
        self._module: ModuleType = importlib.import_module("simplejpeg")
        self.name = f"simplejpeg {_version_of('simplejpeg')}"

    def encode(self, bgrx: Image, quality: int) -> bytes:
        encoded = self._module.encode_jpeg(
            bgrx, quality=quality, colorspace="BGRX", colorsubsampling="444"
        )
        return bytes(encoded)

    def decode_into(self, blob: bytes | memoryview, out: Image) -> None:
        try:
            decoded = self._module.decode_jpeg(blob, colorspace="BGRX", buffer=out)
        except (OSError, ValueError, RuntimeError) as error:
            raise JpegRejected(str(error)) from error
        if decoded.shape != out.shape:
            raise JpegRejected(f"a JPEG of {decoded.shape} where {out.shape} belongs")


def open_jpeg() -> JpegBinding:
    """Return the first binding that compresses a pixel here. Raises `NoJpegBinding`."""
    refusals: list[str] = []
    for binding in (PyTurboJpegBinding, SimpleJpegBinding):
        try:
            opened: JpegBinding = binding()
            opened.encode(np.zeros((8, 8, 4), np.uint8), 90)
        # What a binding raises without its library depends on package, version and platform.
        except (ImportError, OSError, RuntimeError, AttributeError, TypeError, ValueError) as error:
            first_line = str(error).partition("\n")[0]
            refusals.append(f"{binding.__name__}: {first_line}")
        else:
            return opened
    raise NoJpegBinding(
        "no JPEG package works (" + "; ".join(refusals) + "); install one: pip install simplejpeg"
    )


def _version_of(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"
