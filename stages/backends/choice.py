"""Which back ends there are, by the names that configs use, and which one `auto` is."""

from typing import Literal

from stages.backends import onnx_runtime, open_vino
from stages.backends.engine import Backend, BackendMissing

Kind = Literal["auto", "openvino", "onnxruntime", "cuda", "directml"]


def open_backend(
    kind: Kind = "auto", *, device_id: int = 0, threads: int = 0, exact: bool = True
) -> Backend:
    """Open a back end; raise `BackendMissing` if it is not on this machine.

    `auto` is the fastest that is installed for the CPU; what it chose is in the result's `name`.
    `device_id` counts GPUs; `threads` is for the CPU, 0 for the library's own choice. Without
    `exact` a back end may compute more coarsely than in the graph's own precision.
    """
    if kind == "auto":
        kind = _best_for_cpu()
    if kind == "openvino":
        return open_vino.OpenVino(threads=threads, exact=exact)
    device = {"onnxruntime": "cpu", "cuda": "cuda", "directml": "dml"}[kind]
    return onnx_runtime.OnnxRuntime(device, device_id, threads=threads, exact=exact)


def _best_for_cpu() -> Literal["openvino", "onnxruntime"]:
    if open_vino.installed():
        return "openvino"
    if onnx_runtime.installed():
        return "onnxruntime"
    raise BackendMissing(
        "no back end is installed: pip install openvino (fastest on a CPU) or onnxruntime"
    )


def gpu_or_cpu(*, directml_first: bool = False) -> tuple[Kind, str]:
    """Return the back end for a GPU if there is one, else the best for the CPU, and its name.

    Raises `BackendMissing` where nothing is installed.
    """
    found = onnx_runtime.providers() if onnx_runtime.installed() else ()
    gpus: list[tuple[Kind, str, str]] = [
        ("cuda", "CUDAExecutionProvider", "ONNX Runtime on CUDA"),
        ("directml", "DmlExecutionProvider", "ONNX Runtime on DirectML"),
    ]
    for kind, provider, name in reversed(gpus) if directml_first else gpus:
        if provider in found:
            return kind, name
    best = _best_for_cpu()
    return "auto", {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}[best] + " on the CPU"
