"""ONNX Runtime: on the CPU always, on DirectML and CUDA with the builds that have them."""

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.backends.engine import (
    Backend,
    BackendMissing,
    Engine,
    GraphRejected,
    Memory,
    TensorSpec,
    check_fits,
    zeros,
)

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "dml": "DmlExecutionProvider",
}
_PACKAGES = {"cpu": "onnxruntime", "cuda": "onnxruntime-gpu", "dml": "onnxruntime-directml"}
_DTYPES = {
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
}


class OnnxRuntime(Backend):
    """One device of ONNX Runtime's."""

    def __init__(
        self, device: str = "cpu", device_id: int = 0, *, threads: int = 0, exact: bool = True
    ) -> None:
        """`device` is cpu, cuda or dml; `threads` 0 leaves their number to the library."""
        try:
            import onnxruntime
        except ImportError as error:
            raise BackendMissing(
                f"ONNX Runtime is not installed: pip install {_PACKAGES[device]}"
            ) from error
        self._library = onnxruntime
        if PROVIDERS[device] not in onnxruntime.get_available_providers():
            raise BackendMissing(
                f"this ONNX Runtime has no {PROVIDERS[device]}: pip uninstall onnxruntime, "
                f"then pip install {_PACKAGES[device]}"
            )
        self.name = f"ONNX Runtime {onnxruntime.__version__}"
        self.device = device if device == "cpu" else f"{device}:{device_id}"
        self._place = device, device_id
        self._threads = threads
        self._exact = exact

    def load(self, graph: Path | bytes) -> Engine:
        source = graph if isinstance(graph, bytes) else str(graph)
        try:
            session = self._library.InferenceSession(
                source, self._options(), providers=self._providers()
            )
        # The library raises classes of its own that it does not export.
        except Exception as error:
            raise GraphRejected(f"{self.name} cannot load {_named(graph)}: {error}") from error
        return _OrtEngine(session, self._place, self.allocate)

    def allocate(self, spec: TensorSpec) -> Memory:
        if self.device == "cpu":
            return zeros(spec)
        return _OrtMemory(self._library, spec, *self._place)

    def _options(self) -> Any:
        options = self._library.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        # Threads that spin between operators take the cores of the other stages.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        if self._place[0] == "dml":  # as its documentation asks
            options.enable_mem_pattern = False
        return options

    def _providers(self) -> list[Any]:
        device, device_id = self._place
        if device == "cpu":
            return [PROVIDERS["cpu"]]
        options: dict[str, Any] = {"device_id": device_id}
        if device == "cuda":
            options["use_tf32"] = int(not self._exact)
        return [(PROVIDERS[device], options), PROVIDERS["cpu"]]


class _OrtEngine(Engine):
    def __init__(self, session: Any, place: tuple[str, int], allocate: Any) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._new = allocate
        super().__init__(_specs(session.get_inputs()), _specs(session.get_outputs()))

    def _allocate(self, spec: TensorSpec) -> Memory:
        memory: Memory = self._new(spec)
        return memory

    def _bind(self, name: str, memory: Memory) -> None:
        bind = self._binding.bind_input if name in self.inputs else self._binding.bind_output
        host = memory.host
        if host is not None:
            place, address = ("cpu", 0), host.ctypes.data
        elif isinstance(memory, _OrtMemory):
            place, address = memory.place, memory.value.data_ptr()
        else:
            raise TypeError(f"{type(memory).__name__} is memory of another back end")
        bind(name, *place, np.dtype(memory.spec.dtype), list(memory.spec.shape), address)

    def _run(self) -> None:
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()


class _OrtMemory(Memory):
    """A tensor on a device that ONNX Runtime allocated."""

    def __init__(self, library: Any, spec: TensorSpec, device: str, device_id: int) -> None:
        super().__init__(spec, f"{device}:{device_id}")
        self.place = device, device_id
        self.value = library.OrtValue.ortvalue_from_numpy(
            np.zeros(spec.shape, spec.dtype), device, device_id
        )

    def write(self, values: NDArray[Any]) -> None:
        check_fits(TensorSpec(str(values.dtype), values.shape), self.spec, "the values written")
        self.value.update_inplace(np.ascontiguousarray(values))

    def read(self, into: NDArray[Any]) -> None:
        check_fits(TensorSpec(str(into.dtype), into.shape), self.spec, "the array read into")
        np.copyto(into, self.value.numpy())


def installed() -> bool:
    """Whether some build of ONNX Runtime is here; imports nothing."""
    for package in _PACKAGES.values():
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        return True
    return False


def providers() -> tuple[str, ...]:
    """Return the names of what the installed build can run on."""
    import onnxruntime

    return tuple(onnxruntime.get_available_providers())


def _specs(nodes: list[Any]) -> dict[str, TensorSpec]:
    specs = {}
    for node in nodes:
        if node.type not in _DTYPES or not all(isinstance(size, int) for size in node.shape):
            raise GraphRejected(
                f"{node.name!r} is {node.type} {node.shape}; only fixed shapes of "
                f"{', '.join(_DTYPES.values())} can be bound"
            )
        specs[node.name] = TensorSpec(_DTYPES[node.type], tuple(node.shape))
    return specs


def _named(graph: Path | bytes) -> str:
    return f"a graph of {len(graph)} bytes" if isinstance(graph, bytes) else str(graph)
