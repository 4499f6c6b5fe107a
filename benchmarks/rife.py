"""What frames in between take on this machine's processor: `python -m benchmarks.rife`.

For each version of RIFE, on seeded weights, at 512x512: ours is everything for one more frame, from
its BGRA bytes to those of the frame in between (look at the newer frame, make the one between; the
older one is known); the peer is the network as torch exports it (`rife_plain`), float pictures in
and out, in a plain ONNX Runtime session. Optical flow takes its turn as well, and the three scales
of one version, out of one run and out of a run for each frame. All take turns in one process; a run
is counted only if nothing else took part of the processor meanwhile, where the system tells. Writes
`benchmarks/results/rife.json`.
"""

import argparse
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks import rife_plain
from benchmarks.report import machine, ratio, save, table
from benchmarks.tha3 import Work, backends, take_turns
from stages.backends.engine import Backend
from stages.interpolation.flow import FlowInterpolator
from stages.interpolation.rife import RifeInterpolator
from stages.networks.rife_evaluation import sample_pair
from stages.networks.rife_pack import find_rife
from tests.rife_packs import write_pack
from tests.rife_reference import DATA, Reference

PACKAGES = ["numpy", "onnxruntime", "openvino", "onnx", "opencv-python-headless"]
VERSIONS = ("v4.25.lite", "v4.26", "v4.22.lite", "v4.6")
LIMIT = 0.5
SIZE = (512, 512)


def peer(reference: Reference, threads: int) -> Work:
    """Return what runs the direct export."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = rife_plain.build(reference.state, reference.version, *SIZE)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feeds = {
        name: np.ascontiguousarray(picture[..., 2::-1].transpose(2, 0, 1)[None], np.float32) / 255
        for name, picture in zip(("older", "newer"), sample_pair(*SIZE), strict=True)
    }
    return lambda: session.run(None, feeds)


def step(interpolator: Any, scale: int) -> Work:
    """Return what gives the frames of a scale for one more frame."""
    pictures = itertools.cycle(np.roll(sample_pair(*SIZE)[0], 3 * n, axis=1) for n in range(4))
    last = [next(pictures)]
    outs = [np.empty((*SIZE, 4), np.uint8) for _ in range(1, scale)]
    phases = [part / scale for part in range(1, scale)]
    interpolator.prepare(last[0])

    def run() -> None:
        newer = next(pictures)
        interpolator.between(last[0], newer, phases, outs)
        last[0] = newer

    return run


def apart(packs: Path, backend: Backend, count: int) -> Work:
    """Return what makes `count` frames by as many runs that know nothing of each other."""
    rife = RifeInterpolator(find_rife(packs, "", "fp32", SIZE), backend)
    older, newer = sample_pair(*SIZE)
    out = np.empty((*SIZE, 4), np.uint8)

    def run() -> None:
        for _ in range(count):
            # The other way round nothing that is known of the two is in its place.
            rife._older._known = rife._newer._known = False
            rife.between(older, newer, [0.5], [out])

    return run


def measure(name: str, folder: Path, arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the times of one version, its peer and flow."""
    pack = write_pack(folder / name, SIZE, name, (2,))
    works: dict[str, Work] = {"direct export": peer(reference_of(name), arguments.threads)}
    for kind, backend in backends(arguments.threads):
        works[kind] = step(RifeInterpolator(find_rife(pack, "", "fp32", SIZE), backend), 2)
    works["flow"] = step(FlowInterpolator(*SIZE), 2)
    times = take_turns(works, *limits(arguments))
    for row in times.values():
        for unit in ("wall", "cpu"):
            row[f"{unit}_ratio"] = ratio(row[f"{unit}_ms"], times["direct export"][f"{unit}_ms"])
    return times


def scales(folder: Path, arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return what the frames of each scale take, out of one run and of several."""
    pack = write_pack(folder / "scales", SIZE)
    works: dict[str, Work] = {}
    kind, backend = next(backends(arguments.threads))
    for scale in (2, 3, 4):
        rife = RifeInterpolator(find_rife(pack, "", "fp32", SIZE), backend)
        works[f"x{scale}, one run"] = step(rife, scale)
        works[f"x{scale}, {scale - 1} runs"] = apart(pack, backend, scale - 1)
    times = take_turns(works, *limits(arguments))
    print(f"\n(scales on {kind})")
    return times


def reference_of(name: str) -> Reference:
    """Return the seeded weights of a version."""
    return Reference(DATA / f"rife_{name}_expected.npz")


def limits(arguments: argparse.Namespace) -> tuple[int, float]:
    """Return how many undisturbed runs are wanted, and seconds at most."""
    return (2, 15.0) if arguments.quick else (arguments.rounds, arguments.limit)


def main() -> int:
    """Measure, print, write; 0 also when the target is missed: the table says so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=11, help="undisturbed runs of each wanted")
    parser.add_argument("--limit", type=float, default=60, help="seconds a version at most")
    parser.add_argument("--versions", nargs="*", default=list(VERSIONS))
    parser.add_argument("--quick", action="store_true", help="a few runs; saves nothing")
    arguments = parser.parse_args()
    place = machine(PACKAGES)
    cv2.setNumThreads(1)
    heads = ("", "wall ms", "of the export", "CPU ms", "of the export", "undisturbed")
    keys = ("wall_ms", "wall_ratio", "cpu_ms", "cpu_ratio")
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in arguments.versions:
            found[name] = measure(name, Path(scratch), arguments)
            table(
                f"RIFE {name}, one frame between two, {arguments.threads} threads",
                heads,
                [
                    (
                        what,
                        *(row[key] for key in keys),
                        f"{row['undisturbed']} of {row['runs']}",
                    )
                    for what, row in found[name].items()
                ],
            )
        by_scale = scales(Path(scratch), arguments)
    table(
        "RIFE v4.25.lite, all frames of a scale",
        ("", "wall ms", "CPU ms"),
        [(what, row["wall_ms"], row["cpu_ms"]) for what, row in by_scale.items()],
    )
    best = {
        name: min(row["cpu_ratio"] for kind, row in times.items() if kind.startswith("o"))
        for name, times in found.items()
    }
    worst = max(best.values())
    print(f"\n  worst of the versions: {worst} of the direct export, limit {LIMIT}: ", end="")
    print("met" if worst <= LIMIT else "MISSED")
    if not arguments.quick:
        target = {"label": "CPU, ours / direct export", "value": worst, "limit": LIMIT}
        content = {"machine": place, "target": target, "versions": found, "scales": by_scale}
        print(f"saved {save('rife', content).name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
