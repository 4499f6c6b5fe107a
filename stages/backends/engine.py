"""What every back end promises: graphs are loaded once, bound to memory, and run in place.

A back end has one stream: what is run on it happens in that order, and nothing is certain to have
happened before `finish`. On a CPU `run` itself does the work and `finish` returns at once. Nothing
is allocated, and nothing copied that is already on the device, once everything is bound.

    with open_backend("openvino", threads=2) as backend:
        face, body = backend.load(face_graph), backend.load(body_graph)
        body.bind("face", face.memory("face"))       # the same memory: no copy
        face.memory("face_pose").write(pose)
        body.bind("frame", slot.array)               # written straight into a ring's slot
        face.run()
        body.run()
        backend.finish()

Not for use from two threads at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray


class BackendMissing(RuntimeError):
    """A back end's package or device is not on this machine; the message says what would help."""


class GraphRejected(ValueError):
    """A back end cannot load or run a graph: the file is damaged or uses what it does not know."""


class BindingRejected(ValueError):
    """Memory does not fit the input or output it was bound to."""


class TensorSpec(NamedTuple):
    """What an input or output holds."""

    dtype: str  # as NumPy spells it
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """How many bytes that is."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


class Memory(ABC):
    """Room for one tensor, where a device can reach it."""

    def __init__(self, spec: TensorSpec, device: str) -> None:
        self.spec = spec
        self.device = device  # "cpu", "cuda:0", "dml:1"

    @property
    def host(self) -> NDArray[Any] | None:
        """The memory itself where the host can address it, None where it cannot."""
        return None

    @abstractmethod
    def write(self, values: NDArray[Any]) -> None:
        """Copy host values in, before whatever is run after this call."""

    @abstractmethod
    def read(self, into: NDArray[Any]) -> None:
        """Copy out to the host, after whatever was run before this call; returns when done."""


class HostMemory(Memory):
    """An array of the host's. What is bound must stay alive as long as this object."""

    def __init__(self, array: NDArray[Any]) -> None:
        if not array.flags.c_contiguous:
            raise BindingRejected(f"an array of shape {array.shape} is not C-contiguous")
        super().__init__(TensorSpec(str(array.dtype), array.shape), "cpu")
        self._array = array

    @property
    def host(self) -> NDArray[Any]:
        return self._array

    def write(self, values: NDArray[Any]) -> None:
        check_fits(TensorSpec(str(values.dtype), values.shape), self.spec, "the values written")
        np.copyto(self._array, values)

    def read(self, into: NDArray[Any]) -> None:
        check_fits(TensorSpec(str(into.dtype), into.shape), self.spec, "the array read into")
        np.copyto(into, self._array)


class Engine(ABC):
    """One graph on one device. Bind, then run as often as wanted.

    Inputs and outputs that nobody binds get memory of the back end's own, zeros at first.
    """

    def __init__(self, inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec]) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self._memories: dict[str, Memory] = {}

    def bind(self, name: str, memory: Memory | NDArray[Any]) -> None:
        """Read input `name` from there, or write output `name` there, from the next run on.

        An array is used in place: an input's must not change between `run` and `finish`, an
        output's holds the result after `finish`. Raises `BindingRejected`, `KeyError` for a name
        that the graph does not have.
        """
        if isinstance(memory, np.ndarray):
            memory = HostMemory(memory)
        wanted = self._spec(name)
        check_fits(memory.spec, wanted, f"the memory bound to {name!r}")
        host = memory.host
        if name in self.outputs and host is not None and not host.flags.writeable:
            raise BindingRejected(f"the array bound to output {name!r} is read-only")
        self._bind(name, memory)
        self._memories[name] = memory

    def memory(self, name: str) -> Memory:
        """Return what is bound to `name`; bind new memory if nothing is."""
        if name not in self._memories:
            self.bind(name, self._allocate(self._spec(name)))
        return self._memories[name]

    def run(self) -> None:
        """Compute the outputs from the inputs, after everything run before on this back end."""
        for name in (*self.inputs, *self.outputs):
            if name not in self._memories:
                self.memory(name)
        self._run()

    def warm_up(self) -> None:
        """Run once on whatever is bound, so that the first frame is no slower than the others."""
        self.run()

    def _spec(self, name: str) -> TensorSpec:
        spec = self.inputs.get(name) or self.outputs.get(name)
        if spec is None:
            known = ", ".join((*self.inputs, *self.outputs))
            raise KeyError(f"the graph has no {name!r}; it has {known}")
        return spec

    @abstractmethod
    def _allocate(self, spec: TensorSpec) -> Memory:
        """Return new memory, all zero, where the device likes it best."""

    @abstractmethod
    def _bind(self, name: str, memory: Memory) -> None:
        """Tell the library; `memory` fits."""

    @abstractmethod
    def _run(self) -> None:
        """Run; everything is bound."""


class Backend(ABC):
    """A library that runs graphs, on one device. Close it after the last use of its engines."""

    name: str  # of the library, for log and metrics
    device: str  # what it runs on, as in `Memory.device`

    @abstractmethod
    def load(self, graph: Path | bytes) -> Engine:
        """Load a graph: a file, or its content. May take seconds. Raises `GraphRejected`."""

    @abstractmethod
    def allocate(self, spec: TensorSpec) -> Memory:
        """Return new memory on the device, all zero, for any of this back end's engines."""

    # Where `run` does the work there is nothing to wait for; most libraries clean up themselves.

    def finish(self) -> None:  # noqa: B027
        """Wait until everything run so far is done and its results are where they were bound."""

    def close(self) -> None:  # noqa: B027
        """Give the device back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def check_fits(found: TensorSpec, wanted: TensorSpec, what: str) -> None:
    """Raise `BindingRejected` unless dtype and shape are those wanted."""
    if found != wanted:
        raise BindingRejected(
            f"{what}: {found.dtype} {found.shape}, must be {wanted.dtype} {wanted.shape}"
        )


def zeros(spec: TensorSpec) -> HostMemory:
    """Return host memory, all zero."""
    return HostMemory(np.zeros(spec.shape, spec.dtype))
