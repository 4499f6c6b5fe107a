"""Another character while the session runs."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

from sessions import DEADLINE_S, ROOT, next_frame_since, stamp_when, stamps, wait_until

from shm import Flag
from shm.clock import now_ns

PICTURES = ROOT / "stages" / "avatar" / "pictures"


def set_picture(session, name):
    """Show a shipped character; return the look of the frames that follow."""
    with session.reader() as ring:
        done = session.command("set-image", PICTURES / f"{name}.png")
        assert done.returncode == 0, done.stderr
        since = now_ns()
        return stamp_when(ring, lambda stamp: stamp.captured_ns > since).look


def while_changed(session, name, *rings):
    """Show a shipped character; return the stamps of each ring from before until well after."""

    def watch(ring):
        found = stamps(ring, 10)
        watching.release()
        while not done.is_set():
            found += stamps(ring, 1)
        return found + stamps(ring, 60)

    watching, done = threading.Semaphore(0), threading.Event()
    with ThreadPoolExecutor() as pool:
        found = [pool.submit(watch, ring) for ring in rings]
        try:
            for _ in rings:
                assert watching.acquire(timeout=DEADLINE_S)
            answer = session.command("set-image", PICTURES / f"{name}.png")
        finally:
            done.set()
    assert answer.returncode == 0, answer.stderr
    return [future.result() for future in found]


def test_other_character_is_shown_and_the_old_one_never_again(changeable):
    session, _ = changeable
    set_picture(session, "ito")
    with session.reader() as ring:
        (shown,) = while_changed(session, "koma", ring)
    found = [stamp.look for stamp in shown]
    changes = sum(one != other for one, other in itertools.pairwise(found))
    assert (changes, len(set(found))) == (1, 2)


def test_change_of_character_is_a_cut_and_not_a_movement(changeable):
    session, _ = changeable
    old = set_picture(session, "ito")
    with session.reader() as ring, session.ring("avatar") as drawn:
        firsts = [
            next(stamp for stamp in found if stamp.look != old)
            for found in while_changed(session, "koma", ring, drawn)
        ]
    assert not firsts[0].flags & Flag.INTERPOLATED
    assert firsts[1].flags & Flag.DISCONTINUITY


def test_other_character_is_shown_at_once_while_the_session_pauses(changeable):
    session, _ = changeable
    old = set_picture(session, "ito")
    session.command("pause")
    with session.reader() as ring:
        session.command("set-image", PICTURES / "koma.png")
        assert stamp_when(ring, lambda stamp: stamp.look != old)
    session.command("resume")


def test_bad_picture_is_refused_with_a_sentence_and_the_old_one_stays(changeable, tmp_path):
    session, _ = changeable
    old = set_picture(session, "koma")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    done = session.command("set-image", bad)
    assert done.returncode == 1
    assert "PNG" in done.stderr
    assert "Traceback" not in done.stderr
    with session.reader() as ring:
        assert next_frame_since(ring, now_ns()).look == old


def test_other_character_survives_a_killed_avatar(changeable):
    session, _ = changeable
    look = set_picture(session, "koma")
    before = session.kill("avatar")
    wait_until(lambda: session.pid("avatar") not in (None, before))
    session.wait_running()
    with session.reader() as ring:
        assert next_frame_since(ring, now_ns()).look == look


def test_reload_keeps_the_character_that_was_set(changeable):
    session, path = changeable
    look = set_picture(session, "koma")
    path.write_text(path.read_text().replace('pacing = "even"', 'pacing = "lowest_latency"'))
    assert session.command("reload").returncode == 0
    with session.reader() as ring:
        assert next_frame_since(ring, now_ns()).look == look
