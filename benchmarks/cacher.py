"""What keeping and showing a picture costs: `python -m benchmarks.cacher`.

* codec: ours against two other caches' layouts (`cacher_peers.py`) on real frames, all interleaved
  in random order in one process, on one thread, CPU time; at the same quality and at the lowest one
  whose pictures are at least as good as the other's;
* hit path: from a pose in its ring to the picture in the cacher's ring, the stage and the rings as
  in a session but stepped in this process, interleaved with the bare decoding of the same pictures;
* store: 20,000 entries, each put and get alone.

Needs the extra `bench` and the shared real frames. Writes `benchmarks/results/cacher.json`.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import report
from benchmarks.cacher_peers import Brotli, Layout, Stacked
from benchmarks.frames import idle_poses
from benchmarks.perception import builtin
from shm import POSE_FORMAT, RingReader, RingWriter, Stamp, create_ring, image_format
from shm.clock import now_ns
from shm.fallback import FallbackReader
from stages.cacher.codec import Codec
from stages.cacher.database import DatabaseStore
from stages.cacher.key import KEY_BYTES, key_of
from stages.cacher.layers import LayeredStore
from stages.cacher.options import CacherOptions
from stages.cacher.stage import Cacher
from stages.cacher.store import RamStore, Store
from stages.meter import Meter
from stages.stage import Rings

Image = NDArray[np.uint8]

FRAMES = Path(__file__).parents[2] / "shared" / "data" / "avatar_frames"
PACKAGES = ("numpy", "opencv-python-headless", "simplejpeg", "PyTurboJPEG", "zstandard", "brotli")
QUALITIES = (70, 85, 90)
GROUNDS = {"grey": (128, 128, 128), "green": (0, 255, 0)}
ENTRIES, ENTRY_BYTES = 20_000, 52_000  # a gigabyte


# --- codec


class Ours:
    """Our codec at one quality."""

    def __init__(self, quality: int) -> None:
        self.name = "ours lossless" if quality == 100 else f"ours {quality}"
        self._codec = Codec(quality)
        self._out = np.empty((512, 512, 4), np.uint8)

    def encode(self, frame: Image) -> bytes:
        return self._codec.encode(frame)

    def decode(self, blob: bytes) -> Image:
        self._codec.decode(blob, self._out)
        return self._out


def real_frames() -> list[Image]:
    """The frames of a trained poser, as it gave them."""
    paths = sorted(FRAMES.glob("lambda_0?_?????.png"))
    return [np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), np.uint8) for path in paths]


def picture_quality(layout: Layout, frames: list[Image]) -> dict[str, float]:
    """PSNR over two grounds, and where alpha > 0; greatest error of alpha."""
    found: dict[str, list[float]] = {"grey": [], "green": [], "visible": [], "alpha_error": []}
    for frame in frames:
        out = layout.decode(layout.encode(frame)).copy()
        for name, ground in GROUNDS.items():
            error = np.square(_over(out, ground) - _over(frame, ground))
            found[name].append(float(error.mean()))
            if name == "grey":
                found["visible"].append(float(error[frame[..., 3] > 0].mean()))
        found["alpha_error"].append(float(np.abs(out[..., 3].astype(int) - frame[..., 3]).max()))
    rows = {
        name: round(10 * float(np.log10(255**2 / max(np.mean(values), 1e-6))), 2)
        for name, values in found.items()
        if name != "alpha_error"
    }
    return rows | {"alpha_error": max(found["alpha_error"])}


def _over(frame: Image, ground: tuple[int, int, int]) -> NDArray[np.float64]:
    alpha = frame[..., 3:] / 255
    return np.asarray(frame[..., :3] * alpha + np.array(ground) * (1 - alpha))


def as_good_as(peer: Layout, quality: int, frames: list[Image]) -> int:
    """Our lowest quality whose pictures are as good as the peer's in every measure."""
    theirs = picture_quality(peer, frames)
    best = 99
    for ours in range(99, quality - 12, -1):
        found = picture_quality(Ours(ours), frames)
        if any(found[name] < theirs[name] for name in ("grey", "green", "visible")):
            break
        best = ours
    return best


def codec(rounds: int) -> list[dict[str, Any]]:
    """Bytes, times and picture quality of all layouts."""
    frames = real_frames()
    layouts: list[Layout] = [Brotli(), Ours(100)]
    pairs = [("brotli 0", "ours lossless")]
    for quality in QUALITIES:
        stacked = Stacked(quality)
        matched = Ours(as_good_as(stacked, quality, frames))
        same = Ours(quality)
        layouts += [stacked, matched] + ([same] if same.name != matched.name else [])
        pairs += [(stacked.name, name) for name in dict.fromkeys((matched.name, same.name))]
    rows = {layout.name: _sizes(layout, frames) for layout in layouts}
    for name, times in _times(layouts, frames, rounds).items():
        rows[name] |= times
    for theirs, ours in pairs:
        rows[ours].setdefault("against", {})[theirs] = {
            measure: report.ratio(rows[ours][measure], rows[theirs][measure])
            for measure in ("bytes", "encode_ms", "decode_ms")
        }
    return list(rows.values())


def _sizes(layout: Layout, frames: list[Image]) -> dict[str, Any]:
    size = sum(len(layout.encode(frame)) for frame in frames) / len(frames)
    return {"layout": layout.name, "bytes": round(size), **picture_quality(layout, frames)}


def _times(layouts: list[Layout], frames: list[Image], rounds: int) -> dict[str, dict[str, float]]:
    blobs = {layout.name: [layout.encode(frame) for frame in frames] for layout in layouts}
    taken: dict[tuple[str, str], list[int]] = {}
    jobs = [(layout, index) for layout in layouts for index in range(len(frames))]
    for _ in range(rounds):
        random.shuffle(jobs)
        for layout, index in jobs:
            start = time.thread_time_ns()
            layout.encode(frames[index])
            middle = time.thread_time_ns()
            layout.decode(blobs[layout.name][index])
            end = time.thread_time_ns()
            taken.setdefault((layout.name, "encode_ms"), []).append(middle - start)
            taken.setdefault((layout.name, "decode_ms"), []).append(end - middle)
    return {
        layout.name: {
            what: round(float(np.median(taken[layout.name, what])) / 1e6, 3)
            for what in ("encode_ms", "decode_ms")
        }
        for layout in layouts
    }


# --- hit path


def hit_path(passes: int) -> dict[str, Any]:
    """A period of idle motion, all of it stored: from pose to published picture."""
    poses = idle_poses(360)
    render = builtin("ito")
    options = CacherOptions(ram_gb=1.0, snap_within=0.0)
    with stepped_cacher(options) as (cacher, poses_ring, made):
        made.look = 7
        quantised = [cacher._quantiser.quantise(pose) for pose in poses]
        for pose in quantised:
            key = key_of(pose.tobytes(), made.look, options.quality)
            if key not in cacher._store:
                cacher._store.put(key, cacher._codec.encode(render(pose)))
        blobs = [
            cacher._store.get(key_of(pose.tobytes(), made.look, options.quality))
            for pose in quantised
        ]
        bare, warm, whole = [], [], []
        codec = cacher._codec
        # As many as a ring has slots: into one that stays in the cache of the processor it is
        # quicker than into any ring.
        outs = np.empty((8, 512, 512, 4), np.uint8)
        outs.fill(1)
        for number in range(passes * len(poses)):
            index = number % len(poses)
            stamp = Stamp(number + 1, now_ns(), now_ns(), pose=poses[index].tobytes())
            with poses_ring.slot(stamp) as array:
                array[:] = poses[index]
            start = now_ns()
            cacher.step(0.0)
            middle = now_ns()
            # Of another pose: the picture just shown is still in the cache of the processor.
            blob = blobs[(index + len(poses) // 2) % len(poses)] or b""
            again = now_ns()
            codec.decode(blob, outs[number % 8])
            end = now_ns()
            codec.decode(blob, outs[number % 8])
            bare.append(end - again)
            warm.append(now_ns() - end)
            whole.append(middle - start)
        assert cacher.meter.counters["hits"] == len(whole)
    found: dict[str, Any] = {
        "hit": report.percentiles(whole),
        "bare_decode": report.percentiles(bare),
        "the_same_decode_at_once_again": report.percentiles(warm),
    }
    return found | {"ratio_p50": report.ratio(float(np.median(whole)), float(np.median(bare)))}


@contextmanager
def stepped_cacher(options: CacherOptions) -> Iterator[tuple[Cacher, RingWriter, RingWriter]]:
    """A cacher between rings; yields it, the writer of poses and the avatar's writer."""
    picture = image_format(512, 512)
    forms = {"p": POSE_FORMAT, "m": POSE_FORMAT, "a": picture, "h": picture}
    name = f"aya-bench-{time.time_ns() % 10**9}"
    owners = [create_ring(f"{name}-{end}", form, 8) for end, form in forms.items()]
    poses, made = RingWriter(f"{name}-p"), RingWriter(f"{name}-a")
    rings = Rings(
        poses=FallbackReader([f"{name}-p"]),
        watched=RingReader(f"{name}-a"),
        gives_poses=RingWriter(f"{name}-m"),
        gives_frames=RingWriter(f"{name}-h"),
    )
    cacher = Cacher(options, 1, Meter())
    try:
        cacher.open()
        cacher.begin(rings)
        yield cacher, poses, made
    finally:
        cacher.close()
        rings.close()
        for ring in (poses, made, *owners):
            ring.close()


# --- store


def stores(folder: Path) -> list[dict[str, Any]]:
    """Every put and get of 20,000 entries, in memory, in a file, and in both."""
    base = random.Random(0).randbytes(ENTRY_BYTES)
    keys = [number.to_bytes(8, "little") * (KEY_BYTES // 8 + 1) for number in range(ENTRIES)]
    whole = 2 * ENTRIES * (ENTRY_BYTES + 1000)
    path = folder / "frames.db"
    makers: dict[str, Callable[[], Store]] = {
        "memory": lambda: RamStore(whole),
        "database": lambda: DatabaseStore(path, whole),
        "memory, then database": lambda: LayeredStore(
            RamStore(whole // 20), DatabaseStore(path, whole)
        ),
    }
    rows = []
    for name, make in makers.items():
        store = make()
        row: dict[str, Any] = {"store": name}
        if name != "memory, then database":  # which finds what the database has
            row["put"] = report.percentiles(_puts(store, keys, base))
        row["get"] = report.percentiles(_each(lambda key, s=store: s.get(key), keys))
        missing = [bytes(reversed(key)) for key in keys]
        row["miss"] = report.percentiles(_each(lambda key, s=store: s.get(key), missing))
        row["entries"] = sum(key in store for key in keys)
        store.close()
        if name == "database":
            start = time.perf_counter()
            again = DatabaseStore(path, whole)
            row["opened_ms"] = round((time.perf_counter() - start) * 1e3, 1)
            row["first_get_ms"] = round(_each(again.get, keys[:1])[0] / 1e6, 2)
            row["file_bytes"] = path.stat().st_size
            again.close()
        rows.append(row)
    return rows


def _puts(store: Store, keys: list[bytes], base: bytes) -> list[int]:
    """Put as fast as the writer takes it: a frame at a time, as the stage does."""
    taken = []
    for number, key in enumerate(keys):
        blob = number.to_bytes(8, "little") + base[8:]
        start = now_ns()
        kept = store.put(key, blob)
        taken.append(now_ns() - start)
        if not kept or (number % 64 == 0 and isinstance(store, DatabaseStore)):
            assert isinstance(store, DatabaseStore) and store.flush(60.0)
            store.put(key, blob)
    if isinstance(store, DatabaseStore):
        assert store.flush(60.0)
    return taken


def _each(work: Callable[[bytes], object], keys: list[bytes]) -> list[int]:
    shuffled = random.Random(1).sample(keys, len(keys))
    taken = []
    for key in shuffled:
        start = now_ns()
        work(key)
        taken.append(now_ns() - start)
    return taken


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of the codec (default: 20)")
    parser.add_argument("--passes", type=int, default=5, help="of the hit path (default: 5)")
    arguments = parser.parse_args()
    if not FRAMES.is_dir():
        parser.exit(2, f"no frames at {FRAMES}: this needs the shared real frames\n")
    cv2.setNumThreads(1)
    found: dict[str, Any] = {"machine": report.machine(PACKAGES)}
    found["codec"] = codec(arguments.rounds)
    _print_codec(found["codec"])
    found["hit_path"] = hit_path(arguments.passes)
    print("\nhit path", found["hit_path"])
    with tempfile.TemporaryDirectory(dir=report.RESULTS.parent) as folder:
        found["stores"] = stores(Path(folder))
    for row in found["stores"]:
        print(row)
    report.save("cacher", found)


def _print_codec(rows: list[dict[str, Any]]) -> None:
    measures = "layout bytes encode_ms decode_ms grey green visible alpha_error".split()
    report.table(
        f"{len(real_frames())} real frames; PSNR in dB",
        [*measures, "bytes, encode, decode against"],
        [
            [row[measure] for measure in measures]
            + [
                "; ".join(
                    f"{name}: {ratios['bytes']} {ratios['encode_ms']} {ratios['decode_ms']}"
                    for name, ratios in row.get("against", {}).items()
                )
            ]
            for row in rows
        ],
    )


if __name__ == "__main__":
    main()
