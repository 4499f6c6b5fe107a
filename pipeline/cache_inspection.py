"""What is in a database of pictures: in numbers, over a trace, and to look at."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.snapshot import write_pictures
from stages.cacher.archive import Archive, Entry
from stages.cacher.build import make_quantiser
from stages.cacher.codec import BlobRejected, Codec, frame_size_in
from stages.cacher.key import Maker, key_of
from stages.cacher.neighbours import SMALL, Neighbours
from stages.cacher.options import CacherOptions
from stages.ingest.trace import load_trace
from stages.pose import PARAMETERS
from stages.stage import StartFailed


class Shelf(NamedTuple):
    """The pictures of one look, quality and maker."""

    look: int
    quality: int
    maker: Maker
    pictures: int
    bytes: int


class Hits(NamedTuple):
    """How a trace would be answered from what is stored, nothing drawn meanwhile."""

    poses: int
    exact: int
    near: int  # by a neighbour, within the cacher's `snap_within`


def shelves(archive: Archive) -> list[Shelf]:
    """Return what there is, the most pictures first."""
    pictures: Counter[tuple[int, int, Maker]] = Counter()
    sizes: Counter[tuple[int, int, Maker]] = Counter()
    for entry in archive.entries():
        kind = (entry.key.look, entry.key.quality, entry.key.maker)
        pictures[kind] += 1
        sizes[kind] += entry.bytes
    return [Shelf(*kind, count, sizes[kind]) for kind, count in pictures.most_common()]


def hits(archive: Archive, shelf: Shelf, trace: Path, options: CacherOptions) -> Hits:
    """Return how a trace would be answered from a shelf of drawn pictures.

    Raises `TraceRejected`.
    """
    keys = [entry.key.packed() for entry in _of(archive, shelf)]
    stored, near = set(keys), Neighbours()
    near.fill(keys[::-1])
    quantiser = make_quantiser(options)
    exact = neighbours = 0
    poses = load_trace(trace)
    before = b""
    for pose in poses:
        key = key_of(quantiser.quantise(pose).tobytes(), shelf.look, shelf.quality)
        found = key if key in stored else near.nearest(pose, options.snap_within, SMALL)
        exact += key in stored
        is_near = key not in stored and found is not None and found != before
        neighbours += is_near
        before = found if is_near and found is not None else key
    return Hits(len(poses), exact, neighbours)


def write_sheet(archive: Archive, shelf: Shelf, out: Path, count: int) -> None:
    """Write `count` pictures of a shelf, evenly spread over their age. Raises `StartFailed`."""
    entries = _of(archive, shelf)
    chosen = sorted({round(place) for place in np.linspace(0, len(entries) - 1, count)})
    codec, pictures = Codec(), []
    for entry in (entries[place] for place in chosen):
        blob = archive.blob(entry.key)
        if blob is None:  # evicted meanwhile
            continue
        try:
            picture = np.empty((*frame_size_in(blob), 4), np.uint8)
            codec.decode(blob, picture)
        except BlobRejected:
            continue
        pictures.append((picture, _most_moved(entry.key.parameters)))
    if not pictures:
        raise StartFailed(f"{archive.path} holds no picture that is whole")
    write_pictures(out, pictures)


def _of(archive: Archive, shelf: Shelf) -> list[Entry]:
    kind = (shelf.look, shelf.quality, shelf.maker)
    return [
        entry
        for entry in archive.entries()
        if (entry.key.look, entry.key.quality, entry.key.maker) == kind
    ]


def _most_moved(pose: NDArray[np.float32]) -> str:
    """The parameter that is furthest from rest, for a line of text."""
    index = int(np.abs(pose).argmax())
    return f"{PARAMETERS[index].name} {pose[index]:.2f}"
