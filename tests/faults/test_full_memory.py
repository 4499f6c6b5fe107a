"""Shared memory that is full: said in a sentence, and nothing is left."""

import contextlib
import mmap
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from rings import ROOT, MakeRing, linux_only
from sessions import started_session

from shm import MemoryFull, create_ring, image_format, segment


@linux_only
def test_full_memory_is_an_error_with_a_mend_and_leaves_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(MemoryFull, match="--shm-size"):
        create_ring(name, image_format(), 8)
    assert segment.names(name) == []


@linux_only
def test_ring_larger_than_any_memory_is_refused(name: str) -> None:
    with pytest.raises(MemoryFull):
        create_ring(name, image_format(200_000, 200_000), 64)
    assert segment.names(name) == []


IN_SMALL_MEMORY = """
import os, sys
sys.path.insert(0, {root!r})
from shm import MemoryFull, RingReader, RingWriter, Stamp, create_ring, image_format
from shm.segment import names
with create_ring("aya-fits", image_format(256, 256), 8) as owner:
    try:
        create_ring("aya-does-not", image_format(512, 512), 8)
    except MemoryFull as reason:
        print(reason)
    else:
        sys.exit("it was made")
    assert names("aya-") == ["aya-fits"], names("aya-")
    # The one that was made has all its pages: filling every slot is no SIGBUS.
    with RingWriter(owner.name) as writer, RingReader(owner.name) as reader:
        for number in range(1, 20):
            with writer.slot(Stamp()) as array:
                array[:] = number
            assert (reader.newest().copy() == number).all()
assert names("aya-") == []
"""


@linux_only
def test_small_dev_shm_holds_what_fits_and_refuses_the_rest(tmp_path: Path) -> None:
    script = tmp_path / "small.py"
    script.write_text(textwrap.dedent(IN_SMALL_MEMORY).format(root=str(ROOT)), encoding="utf-8")
    mount = "mount -t tmpfs -o size=4m tmpfs /dev/shm"
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare; Linux with util-linux runs this")
    as_root = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    inside = [unshare, *as_root, "--mount", "sh", "-c"]
    allowed = subprocess.run([*inside, mount], capture_output=True, text=True, check=False)
    if allowed.returncode:
        pytest.skip(f"no mount namespace here ({allowed.stderr.strip()}); root runs this")
    command = [*inside, f"{mount} && exec '{sys.executable}' '{script}'"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "--shm-size" in result.stdout


@linux_only
def test_reserved_pages_are_there_before_the_first_frame(make_ring: MakeRing) -> None:
    owner = make_ring(image_format(), 3)
    blocks = (segment.SHM_FOLDER / owner.name).stat().st_blocks
    assert blocks * 512 >= owner.nbytes
    assert owner.nbytes % mmap.PAGESIZE == 0


def test_full_shared_memory_is_said_in_a_sentence():
    small = "mount -t tmpfs -o size=6m tmpfs /dev/shm"
    unshare = ["unshare", "--mount", "sh", "-c"]
    with contextlib.suppress(FileNotFoundError):
        probe = subprocess.run([*unshare, small], capture_output=True, check=False)
        if probe.returncode == 0:
            before = [*unshare, f'{small} && exec "$@"', "sh"]
            with started_session(before=before) as session:
                assert session.process.wait(15) == 3
                assert "/dev/shm has" in session.log
                assert "Traceback" not in session.log
            return
    pytest.skip("needs the right to mount: root in a container with CAP_SYS_ADMIN, or in a VM")
