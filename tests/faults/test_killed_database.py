"""The database of pictures: written by processes that are killed, and on a disk that is full."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rings import ROOT, linux_only

# One light process forks the writers: starting Python a hundred times would take the time.
HARNESS = """
import hashlib, os, random, signal, sqlite3, sys, time
sys.path.insert(0, {root!r})
from pathlib import Path
from stages.cacher.database import LEAST_BUDGET_BYTES, DatabaseStore

PATH = Path(sys.argv[1])

def blob_of(key):
    return hashlib.sha256(key).digest() * (600 + 16 * key[0])

def write(seed, acknowledged):
    chance = random.Random(seed)
    store = DatabaseStore(PATH, LEAST_BUDGET_BYTES)
    while True:
        keys = [chance.randbytes(2) for _ in range(chance.randint(1, 20))]
        for key in keys:
            store.put(key, blob_of(key))
        if not store.flush(): os._exit(3)
        os.write(acknowledged, b"".join((keys * 4)[-4:]))

def start(seed):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            write(seed, writing)
        finally:
            os._exit(4)
    os.close(writing)
    return pid, reading

def wait_written(pids, more):
    # Killed after so many bytes, which may be in the middle of anything, and not at some time.
    def written():
        files = [open(f"/proc/{{pid}}/io") for pid in pids]
        return sum(int(line.split()[1]) for file in files for line in file if "wchar" in line)

    end, target = time.monotonic() + 20, written() + more
    while written() < target:
        assert time.monotonic() < end, "the writers stand still"

def check(last):
    connection = sqlite3.connect(PATH)
    assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
    keys = {{key for (key,) in connection.execute("SELECT key FROM pictures")}}
    connection.close()
    store = DatabaseStore(PATH, 2 * LEAST_BUDGET_BYTES)  # evicts nothing
    for key in keys:
        assert store.get(key) == blob_of(key), key
    assert last <= keys, (last, len(keys))
    store.close()
    return len(keys)
"""

KILLED = (
    HARNESS
    + """
evicted = found = 0
for round in range({rounds}):
    writers = [start(round * 10 + number) for number in range({writers})]
    lasts = [os.read(reading, 8) for _, reading in writers]  # each has opened, and written
    wait_written([pid for pid, _ in writers], random.Random(round).randrange(400_000))
    last = set()
    for (pid, reading), first in zip(writers, lasts):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        said = first + os.read(reading, 65536)
        os.close(reading)
        # With two writers, what one wrote last may be old for the other by now.
        last |= {{said[i : i + 2] for i in range(len(said) - 8, len(said), 2)}}
    entries = check(last if {writers} == 1 else set())
    evicted += entries < found
    found = entries
assert found > 100 and evicted, (found, evicted)
print("whole")
"""
)


@pytest.fixture
def path() -> Iterator[Path]:
    # In memory: a killed process loses nothing that its system has, and no test waits for a disk.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder) / "frames.db"


def run(script: str, path: Path, **values: object) -> str:
    code = script.format(root=str(ROOT), **values)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@linux_only
def test_hundred_killed_writers_leave_every_entry_whole_and_lose_nothing_written(
    path: Path,
) -> None:
    assert "whole" in run(KILLED, path, rounds=100, writers=1)


@linux_only
def test_two_killed_writers_of_one_file_leave_every_entry_whole(path: Path) -> None:
    assert "whole" in run(KILLED, path, rounds=30, writers=2)


FULL = (
    HARNESS
    + """
import resource
store = DatabaseStore(PATH, LEAST_BUDGET_BYTES)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
kept = []
for number in range(400):
    key = b"%03d" % number
    store.put(key, blob_of(key))
    store.flush()
    if store.trouble:
        break
    kept.append(key)
assert store.trouble and str(PATH) in store.trouble, store.trouble
assert len(kept) > 20, len(kept)
assert not store.put(b"more", b"blob")  # dropped, without waiting for the disk
assert store.get(b"more") is None
assert all(store.get(key) == blob_of(key) for key in kept[:-16])
store.close()
print(store.trouble)
"""
)


@linux_only
def test_full_disk_is_said_in_a_word_and_what_was_kept_is_still_found(path: Path) -> None:
    assert "are not kept" in run(FULL, path)
    # And the next session finds a whole file.
    check = HARNESS + "print(check(set()))"
    assert int(run(check, path)) > 20
