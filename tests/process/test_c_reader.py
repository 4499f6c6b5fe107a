"""The example reader in C, compiled as its first line says, against a live writer."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from shm import POSE_FORMAT, RingOwner, RingWriter, Stamp, image_format

MakeRing = Callable[..., RingOwner]
ROOT = Path(__file__).resolve().parents[2]
SHAPE = (48, 64)
pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="POSIX shared memory; Linux and macOS run this"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled example."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler; a machine with gcc runs this")
    made = tmp_path_factory.mktemp("c") / "reader"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'shm'}"]
    source = str(ROOT / "examples" / "reader.c")
    subprocess.run([compiler, *flags, source, "-o", str(made)], check=True)
    return made


def picture(number: int) -> np.ndarray:
    """Return a picture that no other number has."""
    return np.random.default_rng(number).integers(0, 256, (*SHAPE, 4), np.uint8)


@pytest.fixture
def live(make_ring: MakeRing) -> Iterator[tuple[RingOwner, RingWriter]]:
    """A ring of pictures and a thread that writes it; frame n is picture n % 50."""
    owner = make_ring(image_format(*SHAPE), 6)
    stop = threading.Event()

    def write(writer: RingWriter) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with writer.slot(Stamp()) as array:
                array[:] = picture(number % 50)
            stop.wait(0.002)  # the pace of the writer, not a wait of the test

    with RingWriter(owner.name) as writer:
        thread = threading.Thread(target=write, args=(writer,))
        thread.start()
        yield owner, writer
        stop.set()
        thread.join()


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the example."""
    command = [str(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_frames_are_whole_and_in_order(program: Path, live: tuple[RingOwner, RingWriter]) -> None:
    result = run(program, live[0].name, "--frames", "100")
    assert (result.returncode, result.stderr) == (0, "")
    rows = [line.split() for line in result.stdout.splitlines()]
    sequences = [int(row[0]) for row in rows]
    assert len(rows) == 100
    assert sequences == sorted(set(sequences))
    for sequence, age, total in rows:
        assert int(total) == int(picture(int(sequence) % 50).sum())
        assert 0 <= float(age) < 10_000


def test_picture_is_the_last_frame(
    program: Path, live: tuple[RingOwner, RingWriter], tmp_path: Path
) -> None:
    result = run(program, live[0].name, "--frames", "5", "--ppm", str(tmp_path / "last.ppm"))
    assert result.returncode == 0
    last = int(result.stdout.splitlines()[-1].split()[0])
    head, _, pixels = (tmp_path / "last.ppm").read_bytes().partition(b"\n")
    assert head == b"P6 64 48 255"
    assert pixels == picture(last % 50)[:, :, 2::-1].tobytes()


def test_reader_stops_when_the_ring_has_ended(program: Path, make_ring: MakeRing) -> None:
    owner = make_ring(image_format(*SHAPE), 3)
    with RingWriter(owner.name) as writer:
        writer.publish(writer.loan(Stamp()))
        owner.end()
        result = run(program, owner.name, "--frames", "1000")
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 1


def test_missing_ring_is_an_error(program: Path, name: str) -> None:
    result = run(program, name)
    assert (result.returncode, result.stderr) == (1, "reader: there is no ring of this name\n")


def test_ring_of_poses_makes_no_picture(program: Path, make_ring: MakeRing, tmp_path: Path) -> None:
    result = run(program, make_ring(POSE_FORMAT, 3).name, "--ppm", str(tmp_path / "no.ppm"))
    assert result.returncode == 1
    assert not (tmp_path / "no.ppm").exists()
