"""Reads the data in a pickle of PyTorch's without running any of it.

A pickle is a program for a small stack machine, and one of its instructions calls any function of
any module: loading one from the internet is running it. So nothing of Python's own machine is used
here. This one knows the few instructions that PyTorch's files hold, names are only ever looked up
in the short table of what a state dict is made of, and a call makes plain data or is refused.
"""

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

MAX_BYTES = 64 * 1024 * 1024
_MARK = object()


class WeightsRejected(ValueError):
    """A file of weights cannot be used. The message: what, where, and why."""


class StorageType(NamedTuple):
    """What a storage's elements are, as NumPy spells it; bfloat16 has no NumPy form."""

    dtype: str


class Storage(NamedTuple):
    """A reference to a run of elements that lies elsewhere in the file."""

    key: str
    type: StorageType
    length: int


class Tensor(NamedTuple):
    """A view of a storage, in elements; nothing of it is checked yet."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Name(NamedTuple):
    """Something a pickle may call."""

    make: Callable[..., Any]
    text: str


def _rebuilt(
    storage: object, offset: object, size: object, stride: object, *_rest: object
) -> Tensor:
    """`torch._utils._rebuild_tensor_v2`: what follows the stride is about gradients."""
    if not isinstance(storage, Storage) or not _is_count(offset):
        raise WeightsRejected("a tensor has no storage")
    sizes, strides = _counts(size), _counts(stride)
    if len(sizes) != len(strides) or len(sizes) > 16:
        raise WeightsRejected("a tensor's size and stride do not fit together")
    assert isinstance(offset, int)
    return Tensor(storage, offset, sizes, strides)


def _parameter(data: object, *_rest: object) -> Tensor:
    if not isinstance(data, Tensor):
        raise WeightsRejected("a parameter holds no tensor")
    return data


def _ordered(pairs: object = ()) -> dict[Any, Any]:
    if not isinstance(pairs, (list, tuple)):
        raise WeightsRejected("an OrderedDict is not made of pairs")
    made: dict[Any, Any] = {}
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise WeightsRejected("an OrderedDict is not made of pairs")
        made[_key(pair[0])] = pair[1]
    return made


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 62


def _counts(values: object) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or not all(_is_count(value) for value in values):
        raise WeightsRejected("a tensor's size or stride is not made of whole numbers")
    return tuple(values)


def _key(value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise WeightsRejected(f"a dictionary has a {type(value).__name__} for a key")


_STORAGES = {
    "Double": "<f8", "Float": "<f4", "Half": "<f2", "BFloat16": "bfloat16", "Long": "<i8",
    "Int": "<i4", "Short": "<i2", "Char": "|i1", "Byte": "|u1", "Bool": "|b1",
}  # fmt: skip
_NAMES: dict[str, _Name | StorageType] = {
    "collections.OrderedDict": _Name(_ordered, "OrderedDict"),
    "torch._utils._rebuild_tensor_v2": _Name(_rebuilt, "tensor"),
    "torch._utils._rebuild_tensor": _Name(_rebuilt, "tensor"),
    "torch._utils._rebuild_parameter": _Name(_parameter, "parameter"),
    "torch.Size": _Name(_counts, "size"),
    **{f"torch.{name}Storage": StorageType(dtype) for name, dtype in _STORAGES.items()},
}


class Machine:
    """Runs one pickle after the other out of some bytes; the next one starts at `position`."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self.position = 0

    def next_object(self) -> Any:
        """The object of the next pickle. Raises `WeightsRejected`."""
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        try:
            while True:
                code = self._take(1)[0]
                if code == 0x2E:  # STOP
                    return self._pop()
                step = _STEPS.get(code)
                if step is None:
                    raise WeightsRejected(f"its pickle has the instruction 0x{code:02x}, which no "
                                          "state dict needs")  # fmt: skip
                step(self)
        except (
            struct.error,
            UnicodeDecodeError,
            IndexError,
            RecursionError,
            OverflowError,
        ) as error:
            raise WeightsRejected(f"its pickle is damaged ({type(error).__name__})") from error

    def _take(self, count: int) -> memoryview:
        end = self.position + count
        if count < 0 or end > len(self._data):
            raise WeightsRejected("its pickle ends too early")
        part = self._data[self.position : end]
        self.position = end
        return part

    def _skip(self, count: int) -> None:
        self._take(count)

    def _number(self, form: str) -> int:
        number: int = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return number

    def _line(self) -> str:
        for length in range(256):
            if self._data[self.position + length] == 0x0A:
                text = bytes(self._take(length + 1)[:-1])
                return text.decode("ascii")
        raise WeightsRejected("its pickle has a name without end")

    def _push(self, value: Any) -> None:
        if len(self._stack) >= 1 << 20:
            raise WeightsRejected("its pickle piles up too much")
        self._stack.append(value)

    def _pop(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise WeightsRejected("its pickle takes what was never put there")
        return self._stack.pop()

    def _since_mark(self) -> list[Any]:
        for index in range(len(self._stack) - 1, -1, -1):
            if self._stack[index] is _MARK:
                values = self._stack[index + 1 :]
                del self._stack[index:]
                return values
        raise WeightsRejected("its pickle takes what was never put there")

    def _text(self, form: str) -> None:
        self._push(bytes(self._take(self._number(form))).decode("utf-8", "surrogatepass"))

    def _raw(self, form: str) -> None:
        self._push(bytes(self._take(self._number(form))))

    def _long(self, form: str) -> None:
        count = self._number(form)
        if not 0 <= count <= 32:
            raise WeightsRejected("its pickle holds a number too long to mean anything")
        self._push(int.from_bytes(self._take(count), "little", signed=True))

    def _tuple(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(values)))

    def _remember(self, index: int) -> None:
        if not self._stack or self._stack[-1] is _MARK:
            raise WeightsRejected("its pickle takes what was never put there")
        self._memo[index] = self._stack[-1]

    def _recall(self, index: int) -> None:
        if index not in self._memo:
            raise WeightsRejected("its pickle recalls what it never had")
        self._push(self._memo[index])

    def _name(self, module: object, name: object) -> None:
        known = _NAMES.get(f"{module}.{name}") if isinstance(name, str) else None
        if known is None:
            raise WeightsRejected(
                f"its pickle names {str(module)[:80]}.{str(name)[:80]}, which is no part of "
                "a state dict"
            )
        self._push(known)

    def _global(self) -> None:
        module = self._line()
        self._name(module, self._line())

    def _stack_global(self) -> None:
        name = self._pop()
        self._name(self._pop(), name)

    def _call(self) -> None:
        arguments, what = self._pop(), self._pop()
        if not isinstance(what, _Name) or type(arguments) is not tuple:
            raise WeightsRejected("its pickle calls what is no part of a state dict")
        try:
            self._push(what.make(*arguments))
        except TypeError as error:
            raise WeightsRejected(f"a {what.text} is made of the wrong things") from error

    def _build(self) -> None:
        """Attributes: those of an OrderedDict (`_metadata`) are of no use here."""
        self._pop()
        if not self._stack or not isinstance(self._stack[-1], dict):
            raise WeightsRejected("its pickle sets attributes of what has none")

    def _persistent(self) -> None:
        """A storage: ("storage", type, key, location, count), and a view in old files."""
        given = self._pop()
        if type(given) is not tuple or len(given) not in (5, 6) or given[0] != "storage":
            raise WeightsRejected("its pickle refers to something that is no storage")
        _, kind, key, _, count = given[:5]
        if len(given) == 6 and given[5] is not None:
            raise WeightsRejected("it has views of storages, which only very old files have")
        if not isinstance(kind, StorageType) or not isinstance(key, str) or not _is_count(count):
            raise WeightsRejected("its pickle refers to something that is no storage")
        self._push(Storage(key, kind, count))

    def _into_dict(self, values: list[Any]) -> None:
        target = self._target(dict)
        if len(values) % 2:
            raise WeightsRejected("its pickle has a key without a value")
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_key(key)] = value

    def _into_list(self, values: list[Any]) -> None:
        self._target(list).extend(values)

    def _target(self, kind: type) -> Any:
        if not self._stack or type(self._stack[-1]) is not kind:
            raise WeightsRejected(f"its pickle fills a {kind.__name__} that is none")
        return self._stack[-1]

    def _set_item(self) -> None:
        value = self._pop()
        self._into_dict([self._pop(), value])

    def _protocol(self) -> None:
        if self._number("<B") > 5:
            raise WeightsRejected("its pickle is of a protocol that is not known yet")


# Protocol 2, which PyTorch writes, and what protocols 3 and 4 write for the same data.
_STEPS: dict[int, Callable[[Machine], None]] = {
    0x80: lambda m: m._protocol(),
    0x95: lambda m: m._skip(8),  # FRAME
    0x28: lambda m: m._push(_MARK),
    0x7D: lambda m: m._push({}),
    0x5D: lambda m: m._push([]),
    0x29: lambda m: m._push(()),
    0x4E: lambda m: m._push(None),
    0x88: lambda m: m._push(True),
    0x89: lambda m: m._push(False),
    0x4A: lambda m: m._push(m._number("<i")),
    0x4B: lambda m: m._push(m._number("<B")),
    0x4D: lambda m: m._push(m._number("<H")),
    0x8A: lambda m: m._long("<B"),
    0x8B: lambda m: m._long("<i"),
    0x47: lambda m: m._push(struct.unpack(">d", m._take(8))[0]),
    0x58: lambda m: m._text("<I"),
    0x8C: lambda m: m._text("<B"),
    0x8D: lambda m: m._text("<Q"),
    0x54: lambda m: m._text("<i"),
    0x55: lambda m: m._text("<B"),
    0x42: lambda m: m._raw("<I"),
    0x43: lambda m: m._raw("<B"),
    0x74: lambda m: m._push(tuple(m._since_mark())),
    0x85: lambda m: m._tuple(1),
    0x86: lambda m: m._tuple(2),
    0x87: lambda m: m._tuple(3),
    0x71: lambda m: m._remember(m._number("<B")),
    0x72: lambda m: m._remember(m._number("<I")),
    0x94: lambda m: m._remember(len(m._memo)),
    0x68: lambda m: m._recall(m._number("<B")),
    0x6A: lambda m: m._recall(m._number("<I")),
    0x63: lambda m: m._global(),
    0x93: lambda m: m._stack_global(),
    0x52: lambda m: m._call(),
    0x62: lambda m: m._build(),
    0x51: lambda m: m._persistent(),
    0x73: lambda m: m._set_item(),
    0x75: lambda m: m._into_dict(m._since_mark()),
    0x61: lambda m: m._into_list([m._pop()]),
    0x65: lambda m: m._into_list(m._since_mark()),
}
