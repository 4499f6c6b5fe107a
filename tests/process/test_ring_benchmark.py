"""The benchmark of the rings runs on this machine; what it measures is not judged here."""

import subprocess
import sys
from pathlib import Path

import pytest

from shm import segment

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_quick_run_ends_well_saves_nothing_and_leaves_nothing() -> None:
    results = ROOT / "benchmarks" / "results" / "rings.json"
    before = results.stat().st_mtime_ns if results.exists() else 0
    rings = set(segment.names("aya-b-"))
    command = [sys.executable, "-m", "benchmarks.rings", "--quick"]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "Targets" in result.stdout
    assert set(segment.names("aya-b-")) <= rings
    assert (results.stat().st_mtime_ns if results.exists() else 0) == before
