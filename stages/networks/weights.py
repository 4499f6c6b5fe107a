"""Reads the weights of published networks: PyTorch's files, without PyTorch, running none of them.

Both of its formats are read: the zip archive (`data.pkl` and a file for each storage) and the older
single file (pickles one after the other, then the storages). No length in a file is believed before
it is held against the size of what is there.
"""

import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stages.networks.pickled import MAX_BYTES, Machine, Storage, Tensor, WeightsRejected

__all__ = ["WeightsRejected", "load_weights"]

_ZIP: Final = b"PK\x03\x04"
_MAGIC: Final = 0x1950A86A20F9469CFC6C  # the first pickle of an old file
# Weights hardly get smaller by packing: an archive that unpacks to more than this is a trap.
_MAX_GROWTH: Final = 16
_MAX_TENSORS: Final = 100_000
_MAX_NESTING: Final = 8

# The elements of a storage as they lie in the file, in their NumPy type; bfloat16 as uint16.
_Elements = Callable[[Storage], NDArray[Any]]


def load_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Return the tensors of a state dict by name; of dictionaries in it as `outer.inner`.

    Types stay as they are, but bfloat16 becomes float32. What is no tensor is left out. Raises
    `WeightsRejected` for a file that is anything else than tensors in containers.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(4)
        state = _from_archive(path) if start == _ZIP else _from_old_file(path)
    except WeightsRejected as error:
        raise WeightsRejected(f"{path}: {error}") from error
    except OSError as error:
        raise WeightsRejected(f"{path} cannot be read ({error.strerror or error})") from error
    if not state:
        raise WeightsRejected(f"{path} holds no tensors")
    return state


def _from_archive(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) != len(set(names)):
                raise WeightsRejected("its archive has two files of one name")
            whole = sum(info.file_size for info in archive.infolist())
            if whole > _MAX_GROWTH * path.stat().st_size + MAX_BYTES:
                raise WeightsRejected("its archive unpacks to far more than it is")
            inner = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
            if len(inner) != 1:
                raise WeightsRejected("its archive is no state dict: it has no data.pkl")
            folder = inner[0][: -len("data.pkl")]
            if f"{folder}byteorder" in names:
                order = _entry(archive, f"{folder}byteorder", limit=16)
                if order != b"little":
                    raise WeightsRejected("its numbers are big-endian")
            root = Machine(_entry(archive, inner[0], MAX_BYTES)).next_object()

            def elements(storage: Storage) -> NDArray[Any]:
                dtype = _dtype(storage)
                expected = storage.length * dtype.itemsize
                data = _entry(archive, f"{folder}data/{storage.key}", limit=expected)
                return _as_elements(data, storage)

            return _arrays(root, elements)
    # zipfile reports damage in all these ways.
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        KeyError,
        EOFError,
        ValueError,
        zlib.error,
    ) as error:
        if isinstance(error, WeightsRejected):
            raise
        raise WeightsRejected(f"its archive is damaged ({error})") from error


def _entry(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > limit:
        raise WeightsRejected(f"{name} in its archive has {info.file_size} bytes, not {limit}")
    return archive.read(info)


def _from_old_file(path: Path) -> dict[str, NDArray[Any]]:
    data = np.memmap(path, np.uint8, mode="r") if path.stat().st_size else np.empty(0, np.uint8)
    view = memoryview(data)  # type: ignore[arg-type]
    machine = Machine(view)
    if machine.next_object() != _MAGIC or machine.next_object() != 1001:
        raise WeightsRejected("it is neither of PyTorch's formats")
    machine.next_object()  # facts about the machine that wrote it
    root = machine.next_object()
    keys = machine.next_object()
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise WeightsRejected("its list of storages is damaged")
    storages = {tensor.storage.key: tensor.storage for _, tensor in _tensors(root)}
    places: dict[str, memoryview] = {}
    position = machine.position
    for key in keys:
        if key not in storages or position + 8 > len(view):
            raise WeightsRejected("its list of storages does not fit its tensors")
        count = int.from_bytes(view[position : position + 8], "little", signed=True)
        end = position + 8 + count * _dtype(storages[key]).itemsize
        if count != storages[key].length or end > len(view):
            raise WeightsRejected(f"its storage {key[:40]} is not as long as it says")
        places[key] = view[position + 8 : end]
        position = end
    if missing := storages.keys() - places.keys():
        raise WeightsRejected(f"its storage {min(missing)[:40]} is missing")
    return _arrays(root, lambda storage: _as_elements(places[storage.key], storage))


def _dtype(storage: Storage) -> np.dtype[Any]:
    return np.dtype("<u2" if storage.type.dtype == "bfloat16" else storage.type.dtype)


def _as_elements(data: bytes | memoryview, storage: Storage) -> NDArray[Any]:
    dtype = _dtype(storage)
    if len(data) != storage.length * dtype.itemsize:
        raise WeightsRejected(f"its storage {storage.key[:40]} is not as long as it says")
    return np.frombuffer(data, dtype)


def _arrays(root: Any, elements: _Elements) -> dict[str, NDArray[Any]]:
    """The arrays of all tensors below `root`; storages that several share are read once."""
    read: dict[str, NDArray[Any]] = {}
    arrays = {}
    for name, tensor in _tensors(root):
        key = tensor.storage.key
        if key not in read:
            read[key] = elements(tensor.storage)
        if len(read[key]) != tensor.storage.length:
            raise WeightsRejected(f"its storage {key[:40]} has two lengths")
        arrays[name] = _array(tensor, read[key], name)
    return arrays


def _tensors(root: Any) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors below an object. A dictionary inside itself has an end here, too."""
    left = _MAX_TENSORS
    waiting: list[tuple[str, Any, int]] = [("", root, 0)]
    while waiting:
        left -= 1
        if left < 0:
            raise WeightsRejected("it holds more things than any network has")
        name, value, depth = waiting.pop()
        if isinstance(value, Tensor):
            yield name or "0", value
            continue
        items: list[tuple[Any, Any]] = []
        if isinstance(value, dict):
            items = list(value.items())
        elif type(value) in (list, tuple):
            items = list(enumerate(value))
        if items and depth >= _MAX_NESTING:
            raise WeightsRejected("its dictionaries lie too deep in each other")
        if len(items) + len(waiting) > _MAX_TENSORS:
            raise WeightsRejected("it holds more things than any network has")
        prefix = f"{name}." if name else ""
        waiting += [(f"{prefix}{key}", inner, depth + 1) for key, inner in reversed(items)]


def _array(tensor: Tensor, elements: NDArray[Any], name: str) -> NDArray[Any]:
    """A tensor's own copy of its part of a storage."""
    count = math.prod(tensor.size)
    reach = tensor.offset + sum(
        (n - 1) * step for n, step in zip(tensor.size, tensor.stride, strict=True)
    )
    if count > len(elements) or (count and reach >= len(elements)):
        raise WeightsRejected(f"{name[:80]} of size {tensor.size} does not fit into its storage")
    if not count:
        return np.zeros(
            tensor.size, np.float32 if tensor.storage.type.dtype == "bfloat16" else elements.dtype
        )
    strides = [step * elements.itemsize for step in tensor.stride]
    view = np.lib.stride_tricks.as_strided(
        elements[tensor.offset :], tensor.size, strides, writeable=False
    )
    if tensor.storage.type.dtype == "bfloat16":
        # The upper half of a float32.
        return (view.astype(np.uint32) << 16).view(np.float32)
    return np.array(view)
