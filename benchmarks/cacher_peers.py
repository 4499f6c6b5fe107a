"""The layouts of two other frame caches, re-created from their description to be timed.

Both belong to ezvtuber-rt: the stacked JPEG of its older versions, the brotli of today. Only what
one frame costs is here. Each gives back an array of its own, so that neither pays for a copy into
somebody's slot, which ours does.
"""

import ctypes
import ctypes.util
import os
from typing import Any, Protocol

import brotli
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

_TJPF_BGRA, _TJSAMP_444, _TJFLAG_ACCURATEDCT = 8, 0, 4096


class Layout(Protocol):
    """How a cache keeps one frame."""

    name: str

    def encode(self, frame: Image) -> bytes:
        """Pack a BGRA (height, width, 4) uint8 frame."""

    def decode(self, blob: bytes) -> Image:
        """Unpack it."""


class Brotli:
    """The whole frame as it is, brotli at quality 0: without loss."""

    name = "brotli 0"

    def encode(self, frame: Image) -> bytes:
        packed: bytes = brotli.compress(frame.tobytes(), quality=0)
        return packed

    def decode(self, blob: bytes) -> Image:
        return np.frombuffer(brotli.decompress(blob), np.uint8).reshape(512, 512, 4)


class Stacked:
    """One JPEG twice as high: the frame above, its alpha as the blue channel below.

    4:4:4, accurate DCT, optimised Huffman tables, through the system's libjpeg-turbo.
    """

    def __init__(self, quality: int) -> None:
        self.name = f"stacked JPEG {quality}"
        self._quality = quality
        path = ctypes.util.find_library("turbojpeg")
        if path is None:
            raise OSError("no libturbojpeg is installed")
        self._library: Any = ctypes.CDLL(path)
        for function in ("tjInitCompress", "tjInitDecompress"):
            getattr(self._library, function).restype = ctypes.c_void_p
        self._library.tjGetErrorStr2.restype = ctypes.c_char_p
        self._compressor = ctypes.c_void_p(self._library.tjInitCompress())
        self._decompressor = ctypes.c_void_p(self._library.tjInitDecompress())

    def encode(self, frame: Image) -> bytes:
        height, width = frame.shape[:2]
        stacked = np.zeros((2 * height, width, 4), np.uint8)
        stacked[:height] = frame
        stacked[height:, :, 0] = frame[..., 3]
        out, size = ctypes.c_void_p(), ctypes.c_ulong()
        os.environ["TJ_OPTIMIZE"] = "1"  # how version 2 of the library is asked for it
        try:
            failed = self._library.tjCompress2(
                self._compressor, stacked.ctypes.data_as(ctypes.c_void_p), width, 0, 2 * height,
                _TJPF_BGRA, ctypes.byref(out), ctypes.byref(size), _TJSAMP_444, self._quality,
                _TJFLAG_ACCURATEDCT,
            )  # fmt: skip
        finally:
            del os.environ["TJ_OPTIMIZE"]
        if failed:
            raise OSError(self._library.tjGetErrorStr2(self._compressor))
        try:
            return ctypes.string_at(out, size.value)
        finally:
            self._library.tjFree(out)

    def decode(self, blob: bytes) -> Image:
        stacked = np.empty((1024, 512, 4), np.uint8)
        failed = self._library.tjDecompress2(
            self._decompressor, blob, ctypes.c_ulong(len(blob)),
            stacked.ctypes.data_as(ctypes.c_void_p), 512, 0, 1024, _TJPF_BGRA, _TJFLAG_ACCURATEDCT,
        )  # fmt: skip
        if failed:
            raise OSError(self._library.tjGetErrorStr2(self._decompressor))
        frame = stacked[:512]
        frame[..., 3] = stacked[512:, :, 0]
        return frame
