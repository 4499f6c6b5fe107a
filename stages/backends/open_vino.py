"""OpenVINO on the CPU: the fastest that is known for THA3 without a GPU."""

import ctypes
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from stages.backends.engine import (
    Backend,
    BackendMissing,
    Engine,
    GraphRejected,
    Memory,
    TensorSpec,
    zeros,
)

_DTYPES = {"u8": "uint8", "i32": "int32", "i64": "int64", "f16": "float16", "f32": "float32"}


class OpenVino(Backend):
    """The CPU, through OpenVINO."""

    def __init__(self, *, threads: int = 0, exact: bool = True) -> None:
        """`threads` 0 leaves their number to the library.

        Where the processor has bfloat16, OpenVINO would use it unasked; `exact` forbids that. Not
        exact, a frame differs by some levels and takes about two thirds of the time.
        """
        try:
            import openvino
        except ImportError as error:
            raise BackendMissing("OpenVINO is not installed: pip install openvino") from error
        self._library = openvino
        self._core = openvino.Core()
        self.name = f"OpenVINO {str(openvino.__version__).partition('-')[0]}"
        self.device = "cpu"
        self._settings: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            # Other stages have their own idea of which core is free.
            "ENABLE_CPU_PINNING": False,
            **({"INFERENCE_PRECISION_HINT": "f32"} if exact else {}),
            **({"INFERENCE_NUM_THREADS": threads} if threads else {}),
        }

    def load(self, graph: Path | bytes) -> Engine:
        try:
            model = self._core.read_model(graph)
            request = self._core.compile_model(model, "CPU", self._settings).create_infer_request()
        except RuntimeError as error:
            named = f"a graph of {len(graph)} bytes" if isinstance(graph, bytes) else str(graph)
            raise GraphRejected(f"{self.name} cannot load {named}: {error}") from error
        return _OpenVinoEngine(self._library, request)

    def allocate(self, spec: TensorSpec) -> Memory:
        return zeros(spec)


class _OpenVinoEngine(Engine):
    def __init__(self, library: Any, request: Any) -> None:
        self._library = library
        self._request = request
        inputs = {_input_name(port): port for port in request.model_inputs}
        outputs = {_output_name(port): port for port in request.model_outputs}
        self._ports = inputs | outputs
        super().__init__(_specs(inputs), _specs(outputs))

    def _allocate(self, spec: TensorSpec) -> Memory:
        return zeros(spec)

    def _bind(self, name: str, memory: Memory) -> None:
        host = memory.host
        if host is None:
            raise TypeError(f"{type(memory).__name__} is memory of another back end")
        if not host.flags.writeable:
            # The library asks for writable memory even where it only reads, as it does here.
            place = (ctypes.c_uint8 * host.nbytes).from_address(host.ctypes.data)
            host = np.ndarray(host.shape, host.dtype, buffer=memoryview(place))
        tensor = self._library.Tensor(host, shared_memory=True)
        self._request.set_tensor(self._ports[name], tensor)

    def _run(self) -> None:
        self._request.infer()


def installed() -> bool:
    """Whether OpenVINO is here; imports nothing."""
    return importlib.util.find_spec("openvino") is not None


def _input_name(port: Any) -> str:
    # A port may have several names once nodes behind it were folded away; its node has the graph's.
    return str(port.get_node().get_friendly_name())


def _output_name(port: Any) -> str:
    return str(port.get_node().get_friendly_name()).rpartition("/")[0]  # ".../sink_port_0"


def _specs(ports: dict[str, Any]) -> dict[str, TensorSpec]:
    specs = {}
    for name, port in ports.items():
        kind = port.get_element_type().get_type_name()
        if kind not in _DTYPES or port.get_partial_shape().is_dynamic:
            raise GraphRejected(
                f"{name!r} is {kind} {port.get_partial_shape()}; only fixed shapes "
                f"of {', '.join(_DTYPES.values())} can be bound"
            )
        specs[name] = TensorSpec(_DTYPES[kind], tuple(port.shape))
    return specs
