"""Rings whose header cannot be believed: refused or harmless, never a crash."""

import contextlib
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rings import HEADER, SMALL, foreign_segment, linux_only, some

from shm import FormatError, RingReader, RingWriter, SegmentMissing, create_ring, layout, segment
from shm.attached import LayoutMismatch

FIXED = [field for field in layout.HEADER if not field.meaning.startswith("live")]
U32, U64 = struct.Struct("<I"), struct.Struct("<Q")


@contextlib.contextmanager
def damaged(name: str, changes: dict[int, bytes], length: int | None = None) -> Iterator[None]:
    """A ring whose bytes were changed at some offsets, cut to a length if given."""
    with create_ring(f"{name}-good", SMALL, 3) as owner:
        path = segment.SHM_FOLDER / owner.name
        content = bytearray(path.read_bytes())
    for offset, change in changes.items():
        content[offset : offset + len(change)] = change
    with foreign_segment(name, bytes(content[:length])):
        yield


def _try(name: str) -> None:
    """Open as a reader and as a writer and read; only the errors of the contract may come."""
    for kind in (RingReader, RingWriter):
        with contextlib.suppress(FormatError, SegmentMissing), kind(name) as ring:
            assert all(np.asarray(array).sum() >= 0 for array in ring._ring.arrays)


@linux_only
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(field=st.sampled_from(FIXED), data=st.data())
def test_damaged_field_is_refused_or_harmless(name: str, field: Any, data: Any) -> None:
    size = layout.SIZES[field.type] * field.length
    change = data.draw(st.binary(min_size=size, max_size=size))
    with damaged(name, {field.offset: change}):
        _try(name)


@linux_only
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.dictionaries(st.integers(8, 0x400), st.binary(min_size=1, max_size=16)))
def test_damage_anywhere_in_the_header_is_refused_or_harmless(
    name: str, changes: dict[int, bytes]
) -> None:
    with damaged(name, changes):
        _try(name)


@linux_only
@pytest.mark.parametrize("length", [4096, 4097, 8191, 8192])
def test_ring_cut_short_is_refused(name: str, length: int) -> None:
    with damaged(name, {}, length), pytest.raises(LayoutMismatch):
        RingReader(name)


@linux_only
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("major", struct.pack("<H", 2)),
        ("slot_count", U32.pack(0)),
        ("slot_count", U32.pack(2)),
        ("slot_count", U32.pack(64)),
        ("slot_count", U32.pack(2**32 - 1)),
        ("slot_header_bytes", U32.pack(0)),
        ("slot_table", U64.pack(0)),
        ("slot_table", U64.pack(2**63)),
        ("payload_offset", U64.pack(0)),
        ("payload_offset", U64.pack(2**63)),
        ("payload_stride", U64.pack(0)),
        ("payload_stride", U64.pack(2**40)),
        ("kind", U32.pack(0)),
        ("dtype", U32.pack(9)),
        ("rank", U32.pack(0)),
        ("rank", U32.pack(5)),
        ("shape", U32.pack(0)),
        ("shape", U32.pack(65)),
    ],
)
@pytest.mark.parametrize("kind", [RingReader, RingWriter])
def test_header_that_contradicts_its_segment_is_refused(
    name: str, kind: type, field: str, value: bytes
) -> None:
    with damaged(name, {HEADER[field]: value}), pytest.raises(FormatError):
        kind(name)


@linux_only
def test_slot_number_out_of_range_is_damage(name: str) -> None:
    head = b"\xff" * 8
    changes = {HEADER["head"]: head, HEADER["history"]: head * layout.HISTORY_COUNT}
    with damaged(name, changes), RingReader(name) as reader:
        for read in (reader.latest, reader.newest, reader.next, lambda: reader.history(3)):
            with pytest.raises(LayoutMismatch, match="damaged"):
                read()


@linux_only
def test_newest_frame_that_is_not_in_its_slot_is_damage_and_no_endless_look(name: str) -> None:
    with damaged(name, {HEADER["head"]: U64.pack(9 << 8 | 1)}), RingReader(name) as reader:
        with pytest.raises(LayoutMismatch, match="damaged"):
            reader.latest()
        assert not some(reader.newest()).valid
        assert reader.newest() is None
