"""Leases: what a reader holds is not overwritten, and the writer never fails for it."""

import os

import pytest
from rings import HEADER, publish, some

from shm import FrameLost, LeaseRefused, RingOwner, RingReader, RingWriter, leases
from shm.reader import read_word

pytestmark = pytest.mark.usefixtures("helper_or_python")


def test_leased_frame_is_not_overwritten(owner: RingOwner, writer: RingWriter) -> None:
    publish(writer)
    with RingReader(owner.name, leases=1) as reader:
        frame = some(reader.latest())
        with reader.lease(frame) as held:
            publish(writer, 50)
            assert set(held.copy()) == {1}
        publish(writer, 50)
        assert not frame.valid


def test_lease_of_one_reader_does_not_change_what_others_see(
    owner: RingOwner, writer: RingWriter, reader: RingReader
) -> None:
    publish(writer)
    with RingReader(owner.name, leases=1) as holder, holder.lease(some(holder.latest())):
        for sequence in range(2, 40):
            publish(writer)
            assert some(reader.newest()).sequence == sequence


def test_oldest_lease_is_revoked_when_every_slot_is_leased(
    owner: RingOwner, writer: RingWriter
) -> None:
    publish(writer, 4)
    with RingReader(owner.name, leases=4) as reader:
        frames = reader.history(4)
        leases = [reader.lease(frame) for frame in frames]
        for lease in leases:
            lease.__enter__()
        publish(writer)
        assert [frame.valid for frame in frames] == [False, True, True, True]
        assert read_word(reader, HEADER["revoked"] // 8) == 1
        for lease in leases:
            lease.__exit__(None, None, None)


def test_writer_never_fails_for_leases(owner: RingOwner, writer: RingWriter) -> None:
    publish(writer, 4)
    with RingReader(owner.name, leases=16) as reader:
        for _ in range(4):
            for frame in reader.history(4):
                reader.lease(frame).__enter__()
        assert publish(writer, 100) == 104
        assert some(reader.latest()).sequence == 104


def test_lease_of_an_overwritten_frame_is_refused_and_kept_by_nobody(
    owner: RingOwner, writer: RingWriter
) -> None:
    publish(writer)
    with RingReader(owner.name, leases=1) as reader:
        frame = some(reader.latest())
        publish(writer, 4)
        with pytest.raises(FrameLost), reader.lease(frame):
            pass
        with reader.lease(some(reader.latest())) as held:
            assert held.valid


def test_reader_holds_as_many_leases_as_it_asked_for(owner: RingOwner, writer: RingWriter) -> None:
    publish(writer)
    with RingReader(owner.name, leases=1) as reader:
        frame = some(reader.latest())
        with reader.lease(frame), pytest.raises(LeaseRefused), reader.lease(frame):
            pass


def test_reader_that_asked_for_no_lease_gets_none(writer: RingWriter, reader: RingReader) -> None:
    publish(writer)
    with pytest.raises(LeaseRefused), reader.lease(some(reader.latest())):
        pass


def test_ring_has_sixteen_leases_and_gives_them_back(owner: RingOwner) -> None:
    with RingReader(owner.name, leases=10):
        with pytest.raises(LeaseRefused, match="6 of 16"):
            RingReader(owner.name, leases=7)
        with RingReader(owner.name, leases=6):
            pass
    with RingReader(owner.name, leases=16):
        pass


def test_entry_claimed_while_dead_readers_are_looked_for_stays(
    owner: RingOwner, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def seems_dead_at_first(pid: int, start: int) -> bool:
        nonlocal looks
        looks += 1
        return looks > 1

    with RingReader(owner.name, leases=1) as reader:
        monkeypatch.setattr("shm.leases.alive", seems_dead_at_first)
        assert owner.reap_readers() == 0
        assert read_word(reader, leases.ENTRIES[0] + leases.PID) == os.getpid()
