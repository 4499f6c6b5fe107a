"""What the stages gain by being processes: `python -m benchmarks.overlap`.

The same poses through two cores that draw and interpolate alike: all in one process, one thing
after the other; and as a session, where the next pose is drawn while the last one is stored and
interpolated. They take turns. Writes `benchmarks/results/overlap.json`.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import machine, ratio, save, table
from ezvtb_interface import get_core
from tests.rife_packs import write_pack as write_rife
from tests.tha3_reference import DATA, Reference, write_pack

PACKAGES = ["numpy", "onnxruntime", "openvino", "opencv-python-headless"]
ROUNDS = 5


def poses(count: int, seed: int) -> list[NDArray[np.float32]]:
    """Return a walk through poses in which face and head move all the time."""
    random = np.random.default_rng(seed)
    walk = np.cumsum(random.normal(0, 0.05, (count, 45)), axis=0)
    return list(np.sin(walk).astype(np.float32)[:, None])


def frames_per_s(core: Any, given: list[NDArray[np.float32]]) -> float:
    """Give the poses as fast as they are taken; return pictures drawn a second."""
    start = time.perf_counter()
    if hasattr(core, "stream"):
        shown = sum(1 for _ in core.stream(given))
    else:
        shown = sum(1 for pose in given if core.inference(pose))
    return shown / (time.perf_counter() - start)


def compare(options: dict[str, Any], count: int, picture: NDArray[np.uint8]) -> dict[str, Any]:
    """Return the rates of both and the median of their ratios, round by round."""
    rates: dict[str, list[float]] = {"one process": [], "processes": []}
    with get_core(processes=False, **options) as one, get_core(**options) as many:
        cores = {"one process": one, "processes": many}
        for core in cores.values():
            core.setImage(picture)
            frames_per_s(core, poses(max(5, count // 2), 0))  # until it draws several at once
        for seed in range(1, ROUNDS + 1):
            for name, core in cores.items():
                rates[name].append(frames_per_s(core, poses(count, seed)))
    gains = np.divide(rates["processes"], rates["one process"])
    return {
        **{name: round(float(np.median(found)), 2) for name, found in rates.items()},
        "ratio": round(float(np.median(gains)), 3),
        "worst": ratio(float(gains.min()), 1.0),
    }


def main() -> int:
    """Measure, print, write; 0 also when processes lose: the table says so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows whose name contains this; saves nothing")
    parser.add_argument("--quick", action="store_true", help="few poses; saves nothing")
    arguments = parser.parse_args()
    logging.getLogger("ayatsuri").setLevel(logging.ERROR)
    place, found = machine(PACKAGES), {}
    reference = Reference(DATA / "separable_seed0.npz")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["AYATSURI_RUNTIME_DIR"] = scratch
        alone, with_rife = Path(scratch) / "alone", Path(scratch) / "with_rife"
        for models in (alone, with_rife):
            write_pack(reference, models / "tha3_separable_fp32")
        write_rife(with_rife / "rife_v4.25.lite_fp32", (512, 512), scales=(2,))
        tha3 = {"model_dir": str(alone), "model_half": False}
        cases: list[tuple[str, dict[str, Any], int]] = [
            ("THA3, x2, cacher", {**tha3}, 60),
            ("THA3, x4, cacher", {**tha3, "interpolation_scale": 4}, 60),
            ("THA3, x2 by RIFE, cacher", {**tha3, "model_dir": str(with_rife)}, 40),
            ("built-in poser, x2, cacher", {"model_version": "builtin"}, 300),
        ]
        for name, options, count in cases:
            if arguments.only not in name:
                continue
            count = count // 5 if arguments.quick else count
            found[name] = compare(options, count, reference.picture)
    table(
        "Pictures drawn a second, interpolated ones not counted",
        ("", "one process", "processes", "ratio, median", "worst"),
        [(name, *row.values()) for name, row in found.items()],
    )
    if not arguments.quick and not arguments.only:
        print(f"\nsaved {save('overlap', {'machine': place, 'rates': found}).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
