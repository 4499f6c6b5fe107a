"""A session that runs on does not grow."""

import psutil
from sessions import processes_of, running_session, stamps, wait_until

FRAMES = 2000
ALLOWED_BYTES = 4 << 20  # what an allocator may still take; a leak of 2 KiB a frame is more


def test_no_process_grows_while_thousands_of_frames_pass():
    with (
        running_session(
            "stages.ingest.options.rate_hz=120.0",
            "stages.cacher.options.ram_gb=0.003",  # full, and evicting, after a moment
            "stages.interpolation.options.scale=2",
        ) as session,
        session.reader() as ring,
    ):
        wait_until(lambda: session.counter("cacher", "evictions") > 100)
        stamps(ring, 400)
        before = memory(session)
        stamps(ring, FRAMES, timeout_s=60)
        after = memory(session)
    assert before.keys() == after.keys()  # nobody was started again
    grown = {pid: after[pid] - before[pid] for pid in after}
    assert max(grown.values()) < ALLOWED_BYTES, grown


def memory(session):
    """Return the resident memory that is a process's own, by its id."""
    found = {}
    for process in processes_of(session.name):
        info = psutil.Process(process.pid).memory_info()
        found[process.pid] = info.rss - info.shared
    return found
