"""The layout: one table, and a C header, a document and a C compiler that agree with it."""

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shm import layout, published
from shm.frame import (
    FormatError,
    FrameFormat,
    Kind,
    Stamp,
    pack_format,
    read_stamp,
    unpack_format,
    write_meta,
)

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = {
    "aya_header": (layout.HEADER, layout.READER_TABLE),
    "aya_slot": (layout.SLOT, layout.SLOT_HEADER_BYTES),
    "aya_reader": (layout.READER, layout.READER_BYTES),
}
U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)


def _compiler(language: str = "c") -> str:
    for command in ("cc", "gcc", "clang") if language == "c" else ("c++", "g++", "clang++"):
        if found := shutil.which(command):
            return found
    pytest.skip(f"no {language} compiler; a machine with gcc runs this")


def test_c_header_is_what_the_table_makes() -> None:
    text = (ROOT / "shm" / "ring.h").read_text(encoding="utf-8")
    assert text == published.c_header(), "run python -m shm.published"


def test_document_holds_the_tables_that_the_layout_makes() -> None:
    text = (ROOT / "docs" / "ring-layout.md").read_text(encoding="utf-8")
    between = text.partition("<!-- tables -->\n")[2].partition("<!-- end of tables -->")[0]
    assert between == published.markdown_tables(), "run python -m shm.published"


def test_every_row_of_the_document_has_four_cells() -> None:
    rows = [row for row in published.markdown_tables().splitlines() if row.startswith("|")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {5}


@pytest.mark.parametrize("block", BLOCKS)
def test_fields_are_aligned_apart_and_inside_their_block(block: str) -> None:
    fields, total = BLOCKS[block]
    end = 0
    for field in fields:
        assert field.offset % layout.SIZES[field.type] == 0, field.name
        assert field.offset >= end, f"{field.name} overlaps the field before"
        end = field.offset + layout.SIZES[field.type] * field.length
    assert end <= total


@pytest.mark.parametrize("block", BLOCKS)
def test_live_words_are_whole_words_on_word_boundaries(block: str) -> None:
    for field in BLOCKS[block][0]:
        if field.meaning.startswith("live"):
            assert field.type == "u64"
            assert field.offset % 8 == 0


def test_reader_table_ends_where_the_slot_headers_begin() -> None:
    end = layout.READER_TABLE + layout.READER_COUNT * layout.READER_BYTES
    assert end <= layout.HEADER_BYTES


def test_history_is_long_enough_for_every_slot() -> None:
    assert layout.HISTORY_COUNT >= layout.MAX_SLOTS


def test_slot_number_fits_the_low_byte_of_the_head() -> None:
    assert layout.MAX_SLOTS <= 256


def test_c_compiler_places_every_field_where_the_table_says(tmp_path: Path) -> None:
    lines = ["#include <stddef.h>", "#include <stdio.h>", '#include "ring.h"', "int main(void) {"]
    for block, (fields, _) in BLOCKS.items():
        for field in fields:
            member = f"sizeof(((struct {block} *)0)->{field.name})"
            place = f"offsetof(struct {block}, {field.name})"
            lines.append(f'printf("{block}.{field.name} %zu %zu\\n", {place}, {member});')
    source = tmp_path / "offsets.c"
    source.write_text("\n".join([*lines, "return 0;", "}"]), encoding="utf-8")
    program = tmp_path / "offsets"
    include = f"-I{ROOT / 'shm'}"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([_compiler(), *flags, include, str(source), "-o", str(program)], check=True)
    printed = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    expected = [
        f"{block}.{field.name} {field.offset} {layout.SIZES[field.type] * field.length}"
        for block, (fields, _) in BLOCKS.items()
        for field in fields
    ]
    assert printed.splitlines() == expected


def test_header_compiles_as_cpp(tmp_path: Path) -> None:
    source = tmp_path / "header.cpp"
    source.write_text('#include "ring.h"\nint main() { return 0; }\n', encoding="utf-8")
    command = [_compiler("c++"), "-fsyntax-only", f"-I{ROOT / 'shm'}", str(source)]
    subprocess.run(command, check=True)


def test_offsets_in_the_csharp_example_are_those_of_the_table() -> None:
    text = (ROOT / "examples" / "Reader.cs").read_text(encoding="utf-8")
    found = re.findall(r"= 0x([0-9A-F]+); // (header|slot)\.(\w+)", text)
    assert len(found) > 10
    tables = {"header": layout.offsets(layout.HEADER), "slot": layout.offsets(layout.SLOT)}
    for offset, block, field in found:
        assert int(offset, 16) == tables[block][field], field
    assert f"Magic = {layout.MAGIC:#X}".replace("0X", "0x") in text


STAMPS = st.builds(
    Stamp,
    pose_sequence=U64,
    captured_ns=U64,
    received_ns=U64,
    look=U64,
    source=U32,
    flags=U32,
    phase_numerator=U32,
    phase_denominator=U32,
    hops=st.tuples(*[U64] * layout.HOP_COUNT),
    pose=st.binary(min_size=4 * layout.POSE_SIZE, max_size=4 * layout.POSE_SIZE),
)


@given(STAMPS, U64, U64, U64)
def test_stamp_comes_back_from_a_slot_header(
    stamp: Stamp, epoch: int, nbytes: int, loaned_ns: int
) -> None:
    header = memoryview(bytearray(layout.SLOT_HEADER_BYTES))
    write_meta(header, epoch, nbytes, loaned_ns, stamp)
    assert read_stamp(header) == (stamp, loaned_ns, 0)


@given(STAMPS)
def test_stamp_is_written_where_the_table_says(stamp: Stamp) -> None:
    header = memoryview(bytearray(layout.SLOT_HEADER_BYTES))
    write_meta(header, 7, 8, 9, stamp)
    place = layout.offsets(layout.SLOT)
    codes = {"u32": "<I", "u64": "<Q"}
    expected = {**stamp._asdict(), "epoch": 7, "payload_bytes": 8, "loaned_ns": 9}
    for field in layout.SLOT:
        if field.name in expected and field.type in codes and field.length == 1:
            found = struct.unpack_from(codes[field.type], header, place[field.name])[0]
            assert found == expected[field.name], field.name
    assert struct.unpack_from("<8Q", header, place["hops"]) == stamp.hops
    assert bytes(header[place["pose"] : place["pose"] + 180]) == stamp.pose


@given(STAMPS)
def test_stamp_touches_neither_lock_nor_sequence_nor_application_bytes(stamp: Stamp) -> None:
    header = memoryview(bytearray(b"\xa5" * layout.SLOT_HEADER_BYTES))
    write_meta(header, 1, 2, 3, stamp)
    place = layout.offsets(layout.SLOT)
    assert set(header[: place["epoch"]]) == {0xA5}
    assert set(header[place["application"] : place["application"] + 64]) == {0xA5}


FORMATS = st.builds(
    FrameFormat,
    kind=st.sampled_from(Kind),
    dtype=st.sampled_from(["uint8", "float32"]),
    shape=st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=4).map(tuple),
)


@given(FORMATS)
def test_format_comes_back_from_a_header(frame_format: FrameFormat) -> None:
    header = bytearray(layout.HEADER_BYTES)
    start = layout.offsets(layout.HEADER)["kind"]
    block = pack_format(frame_format)
    header[start : start + len(block)] = block
    assert unpack_format(header) == frame_format


@pytest.mark.parametrize(
    "frame_format",
    [
        FrameFormat(Kind.IMAGE, "float64", (4,)),
        FrameFormat(Kind.IMAGE, "uint8", ()),
        FrameFormat(Kind.IMAGE, "uint8", (0, 4)),
        FrameFormat(Kind.IMAGE, "uint8", (1, 1, 1, 1, 1)),
    ],
)
def test_format_that_no_ring_holds_is_refused(frame_format: FrameFormat) -> None:
    with pytest.raises(FormatError):
        pack_format(frame_format)


@given(st.integers(layout.MIN_SLOTS, layout.MAX_SLOTS), st.integers(1, 2**26))
def test_payloads_lie_apart_behind_the_headers_and_inside_the_segment(
    slots: int, capacity: int
) -> None:
    offset, stride, total = layout.geometry(slots, capacity)
    assert offset >= layout.HEADER_BYTES + slots * layout.SLOT_HEADER_BYTES
    assert stride >= capacity
    assert offset + slots * stride <= total
    assert (offset % layout.PAGE, total % layout.PAGE, stride % 64) == (0, 0, 0)
    assert capacity < layout.PAGE or stride % layout.PAGE == 0
