"""What every benchmark needs: percentiles, tables, and the machine it ran on. No host names."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def percentiles(values_ns: Sequence[int]) -> dict[str, float]:
    """Return p50, p99 in microseconds, and how many values there were."""
    micros = np.asarray(values_ns, np.float64) / 1e3
    p50, p99 = np.percentile(micros, (50, 99))
    return {"p50_us": round(float(p50), 2), "p99_us": round(float(p99), 2), "count": len(micros)}


def ratio(ours: float, theirs: float) -> float:
    """Return ours / theirs to three places."""
    return round(ours / theirs, 3)


def table(title: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table."""
    text = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[column]) for row in text) for column in range(len(heads))]
    print(f"\n{title}")
    for row in text:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  " + "  ".join(cells).rstrip(), flush=True)


def machine(packages: Sequence[str]) -> dict[str, Any]:
    """Return what a reader of the figures must know of where they were taken."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in packages},
        "commit": _commit(),
        "load_before": [round(value, 2) for value in os.getloadavg()],
    }


def save(name: str, content: dict[str, Any]) -> Path:
    """Write `benchmarks/results/<name>.json`; return where."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    changed = git("status", "--porcelain", "--", "shm", "benchmarks/*.py")
    return git("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")
