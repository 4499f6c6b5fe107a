"""Files as PyTorch writes them, written without it."""

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMES = {"<f4": "Float", "<f8": "Double", "<f2": "Half", "<i8": "Long", "|u1": "Byte"}


class Writer:
    """Writes pickles as PyTorch does, and whatever else a test asks for."""

    def __init__(self) -> None:
        self.data = bytearray(b"\x80\x02")

    def name(self, module: str, name: str) -> "Writer":
        self.data += f"c{module}\n{name}\n".encode()
        return self

    def text(self, value: str) -> "Writer":
        raw = value.encode()
        self.data += b"X" + struct.pack("<I", len(raw)) + raw
        return self

    def number(self, value: int) -> "Writer":
        raw = value.to_bytes(16, "little", signed=True)
        self.data += b"\x8a" + bytes([len(raw)]) + raw
        return self

    def numbers(self, values: tuple[int, ...]) -> "Writer":
        self.data += b"("
        for value in values:
            self.number(value)
        self.data += b"t"
        return self

    def tensor(
        self, key: str, kind: str, count: int, size: tuple[int, ...], stride: tuple[int, ...],
        offset: int = 0,
    ) -> "Writer":  # fmt: skip
        self.name("torch._utils", "_rebuild_tensor_v2").data += b"(("
        self.text("storage").name("torch", f"{kind}Storage").text(key).text("cuda:0").number(count)
        self.data += b"tQ"
        self.number(offset).numbers(size).numbers(stride).data += b"\x89"
        self.name("collections", "OrderedDict").data += b")RtR"
        return self

    def end(self) -> bytes:
        return bytes(self.data) + b"."


def strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))


def state_pickle(arrays: dict[str, NDArray[Any]]) -> bytes:
    writer = Writer().name("collections", "OrderedDict")
    writer.data += b")R("
    for index, (name, array) in enumerate(arrays.items()):
        writer.text(name)
        kind = NAMES[array.dtype.str]
        writer.tensor(str(index), kind, array.size, array.shape, strides(array.shape))
    writer.data += b"u"
    # The attributes PyTorch gives the dictionary.
    writer.data += b"}"
    writer.text("_metadata").data += b"}sb"
    return writer.end()


def archive(path: Path, pickled: bytes, storages: dict[str, bytes], **extra: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        for key, data in storages.items():
            file.writestr(f"archive/data/{key}", data)
        for name, data in extra.items():
            file.writestr(f"archive/{name}", data)
    return path


def saved(path: Path, arrays: dict[str, NDArray[Any]]) -> Path:
    storages = {str(i): array.tobytes() for i, array in enumerate(arrays.values())}
    return archive(path, state_pickle(arrays), storages)
