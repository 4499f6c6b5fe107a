"""What this machine has that ayatsuri can use, and the mend for what is missing.

Each subject is examined by one function. What is missing or broken is a finding, no exception.
"""

import ctypes.util
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from rich.table import Table
from rich.text import Text

from pipeline import topology
from shm.compiled import LIVE
from stages.avatar.siren.native_kernel import KERNEL
from stages.networks import library

State = Literal["ok", "warn", "missing"]

NEWEST_TESTED_PYTHON = (3, 14)
HELPERS = (LIVE, KERNEL)
_MARKS = {"ok": ("ok", "green"), "warn": ("look", "yellow"), "missing": ("missing", "red")}
_GIB = 2**30
_SHM = Path("/dev/shm")


class Finding(NamedTuple):
    """One thing that was looked for."""

    name: str
    state: State  # "warn": works, but less well; "missing": what needs it does not work
    found: str
    mend: str = ""  # what to do about it; empty if there is nothing to do


def examine() -> list[Finding]:
    """Look at everything; takes a second or two."""
    subjects = (
        _python,
        _system,
        _cpu,
        _memory,
        _shared_memory,
        _wake,
        _helpers,
        _packages,
        _jpeg,
        _gpus,
        _onnx_runtime,
        _open_vino,
        _tensor_rt,
        _models,
        _endpoint,
        _browser,
    )
    return [finding for subject in subjects for finding in subject()]


def render(findings: list[Finding]) -> Table:
    """Return the findings as a table for rich to print."""
    table = Table(box=None, pad_edge=False)
    for title in ("", "what", "found", "mend"):
        table.add_column(title, overflow="fold")
    for finding in findings:
        mark, colour = _MARKS[finding.state]
        cells = (finding.name, finding.found, finding.mend)
        # Text, because a string would be searched for markup, and paths may hold brackets.
        table.add_row(Text(mark, colour), *map(Text, cells))
    return table


def _python() -> Iterator[Finding]:
    version = sys.version_info[:2]
    found = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    if platform.python_implementation() != "CPython" or version < (3, 11):
        yield Finding("Python", "missing", found, "use CPython 3.11 or later")
    elif version > NEWEST_TESTED_PYTHON:
        yield Finding(
            "Python", "warn", found, "newer than any tested; try 3.11 to 3.14 if it fails"
        )
    else:
        yield Finding("Python", "ok", found)


def _system() -> Iterator[Finding]:
    found = f"{platform.system()} {platform.release()}, {platform.machine()}"
    if platform.system() == "Linux":
        yield Finding("system", "ok", found)
    else:
        yield Finding("system", "warn", found, "tested on Linux only; please report what happens")


def _cpu() -> Iterator[Finding]:
    model, flags = _cpu_facts()
    vectors = ", ".join(name for name in ("avx2", "avx512f") if name in flags)
    cores = topology.usable_cores()
    found = f"{model}, {cores} of {os.cpu_count()} cores, {vectors or 'vector units unknown'}"
    if cores < 2:
        yield Finding("CPU", "warn", found, "two cores or more keep every stage on time")
    elif flags and "avx2" not in flags and platform.machine() in ("x86_64", "AMD64"):
        yield Finding("CPU", "warn", found, "without AVX2, expect half the frames or fewer")
    else:
        yield Finding("CPU", "ok", found)


def _cpu_facts() -> tuple[str, frozenset[str]]:
    """Return the model's name and its flags; no flags where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    facts = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    flags = facts.get("flags") or facts.get("Features", "")
    return facts.get("model name", platform.machine()), frozenset(flags.split())


def _memory() -> Iterator[Finding]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return
    found = f"{available * 1024 / _GIB:.1f} GiB available"
    if available * 1024 < _GIB:
        yield Finding("memory", "warn", found, "close programs, or lower ram_gb of the cacher")
    else:
        yield Finding("memory", "ok", found)


def _shared_memory() -> Iterator[Finding]:
    if not _SHM.is_dir():
        return
    needed = _default_ring_bytes()
    space = shutil.disk_usage(_SHM)
    found = f"{space.free / 2**20:.0f} of {space.total / 2**20:.0f} MiB free in {_SHM}; "
    found += f"the default config needs {needed / 2**20:.0f}"
    if space.free < needed:
        mend = "docker run --shm-size=1g, or mount -o remount,size=1g /dev/shm, or fewer slots"
        yield Finding("shared memory", "missing", found, mend)
    else:
        yield Finding("shared memory", "ok", found)


def _default_ring_bytes() -> int:
    _, default = topology.compose("default")
    return sum(ring.segment_bytes for ring in default.rings)


def _wake() -> Iterator[Finding]:
    kind = _doorbell()
    if kind == "PollingBell":
        mend = "frames are up to 1 ms later; nothing to do"
        yield Finding("waking readers", "warn", "looking every millisecond", mend)
    else:
        yield Finding("waking readers", "ok", kind)


def _helpers() -> Iterator[Finding]:
    for helper in HELPERS:
        module, state, mend = helper.find()
        name = f"helper {helper.module}"
        if module is not None:
            yield Finding(name, "ok", f"{state}: {helper.gain}")
        else:
            yield Finding(name, "warn", state, f"not needed; with it {helper.gain}: {mend}")


def _doorbell() -> str:
    """Ring a bell of the kind that rings would use here, and return the kind."""
    from shm.doorbell import open_doorbell

    head = ctypes.c_uint64(0)
    bell = open_doorbell(f"aya-doctor-{os.getpid()}", ctypes.addressof(head), lambda: head.value)
    try:
        bell.ring(1)
        bell.wait(0, 1)
    finally:
        bell.close()
    return type(bell).__name__


def _packages() -> Iterator[Finding]:
    for module, package in (
        ("numpy", "numpy"),
        ("cv2", "opencv-python-headless"),
        ("zmq", "pyzmq"),
        ("zstandard", "zstandard"),
    ):
        version = _import_version(module)
        if version is None:
            yield Finding(module, "missing", "cannot be imported", f"pip install {package}")
        else:
            yield Finding(module, "ok", version)


def _import_version(module: str) -> str | None:
    """Import a module, for being installed does not mean that it can be loaded."""
    try:
        found = importlib.import_module(module)
    except (ImportError, OSError):
        return None
    return str(getattr(found, "__version__", "of unknown version"))


def _jpeg() -> Iterator[Finding]:
    try:
        from stages.jpeg import NoJpegBinding, open_jpeg

        binding = open_jpeg().name
    except (ImportError, NoJpegBinding) as error:
        yield Finding("JPEG", "missing", str(error), "pip install simplejpeg")
        return
    library = ctypes.util.find_library("turbojpeg")
    if binding.startswith("PyTurboJPEG"):
        yield Finding("JPEG", "ok", f"{binding}, {library or 'libjpeg-turbo'}")
        return
    why = f"the system has {library}" if library else "the system has no libturbojpeg"
    version = _distribution_version("PyTurboJPEG")
    mend = "nothing to do: it brings its own libjpeg-turbo"
    yield Finding("JPEG", "ok", f"{binding} (PyTurboJPEG {version}: {why})", mend)


def _distribution_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _gpus() -> Iterator[Finding]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        yield Finding("GPU", "warn", "no NVIDIA driver", "not needed: the default uses the CPU")
        return
    query = "--query-gpu=name,memory.total,driver_version"
    try:
        answer = subprocess.run(
            [tool, query, "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        yield Finding("GPU", "warn", f"nvidia-smi fails: {error}", "install the driver again")
        return
    for line in answer.strip().splitlines():
        yield Finding("GPU", "ok", line.strip())


def _onnx_runtime() -> Iterator[Finding]:
    try:
        providers = importlib.import_module("onnxruntime").get_available_providers()
    except (ImportError, OSError):
        mend = "only for networks: pip install ayatsuri[cpu]"
        if sys.platform == "win32":
            mend += ", or ayatsuri[directml] for a GPU"
        yield Finding("onnxruntime", "warn", "not installed", mend)
        return
    version = _import_version("onnxruntime")
    names = ", ".join(name.removesuffix("ExecutionProvider") for name in providers)
    yield Finding("onnxruntime", "ok", f"{version}: {names}")


def _open_vino() -> Iterator[Finding]:
    try:
        found = importlib.metadata.version("openvino")
    except importlib.metadata.PackageNotFoundError:
        mend = "the fastest for networks on a CPU: pip install ayatsuri[openvino]"
        yield Finding("openvino", "warn", "not installed", mend)
    else:
        yield Finding("openvino", "ok", found)


def _models() -> Iterator[Finding]:
    folder = library.models_folder()
    packs = [str(pack.relative_to(folder)) for pack in library.packs_in(folder)]
    if packs:
        yield Finding("models", "ok", f"{', '.join(packs)} in {folder}")
    else:
        mend = "only networks need any; docs/weights.md says where to get them"
        yield Finding("models", "warn", f"none in {folder}", mend)


def _tensor_rt() -> Iterator[Finding]:
    mend = "only for NVIDIA GPUs: pip install ayatsuri[cuda12] or ayatsuri[cuda13]"
    if shutil.which("nvidia-smi") is None:
        return
    for module, package in (("tensorrt", "tensorrt"), ("cuda", "cuda-python")):
        if importlib.util.find_spec(module) is None:
            yield Finding(module, "warn", "not installed", mend)
        else:
            yield Finding(module, "ok", _distribution_version(package))


def _endpoint() -> Iterator[Finding]:
    """Whether the ports of the default config are free."""
    _, default = topology.compose("default")
    for stage in default.stages:
        endpoint = str(getattr(stage.options, "endpoint", ""))
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        if not port.isdigit():
            continue
        if _is_free(host, int(port)):
            yield Finding(f"port {port}", "ok", "free")
        else:
            mend = f"stop what uses it, or --set stages.{stage.name}.options.endpoint=..."
            yield Finding(f"port {port}", "warn", "in use, perhaps by a running session", mend)


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        # As ZeroMQ binds: a port that was closed a moment ago counts as free.
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _browser() -> Iterator[Finding]:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found:
        yield Finding("browser", "ok", found)
    else:
        yield Finding("browser", "warn", "no Chromium", "only some tests use it; they are skipped")
