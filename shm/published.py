"""The layout as others read it: a C header and the tables of the document.

Run `python -m shm.published` after a change of `shm.layout`.
"""

from pathlib import Path

from shm.layout import (
    FLAGS,
    HEADER,
    HEADER_BYTES,
    MAGIC,
    MAJOR,
    MINOR,
    READER,
    READER_BYTES,
    READER_TABLE,
    SIZES,
    SLOT,
    SLOT_HEADER_BYTES,
    STATES,
    Field,
)

_C_TYPES = {
    "u16": "uint16_t",
    "u32": "uint32_t",
    "u64": "uint64_t",
    "f32": "float",
    "char": "char",
}


def _c_struct(name: str, fields: tuple[Field, ...], total: int) -> list[str]:
    lines, at, gap = [f"struct {name} {{"], 0, 0
    for field in (*fields, Field("", total, "char", 0, "")):
        if field.offset > at:
            lines.append(f"    uint8_t zero{gap}[{field.offset - at}];")
            gap += 1
        if field.name:
            array = f"[{field.length}]" if field.length > 1 else ""
            lines.append(f"    {_C_TYPES[field.type]} {field.name}{array}; /* {field.meaning} */")
        at = field.offset + SIZES[field.type] * field.length
    return [*lines, "};", f'_Static_assert(sizeof(struct {name}) == {total}, "{name}");']


def c_header() -> str:
    """Return `shm/ring.h`: the structs of the layout for C11 and C++."""
    constants = {
        "AYA_MAGIC": f"UINT64_C({MAGIC:#x})",
        "AYA_MAJOR": str(MAJOR),
        "AYA_HEADER_BYTES": str(HEADER_BYTES),
        **{f"AYA_STATE_{name}": str(value) for name, value in STATES.items()},
        **{f"AYA_FLAG_{name}": str(value) for name, value in FLAGS.items()},
    }
    lines = [
        f"/* Layout of a ring, {MAJOR}.{MINOR}. Made by `python -m shm.published`; do not edit.",
        " * The protocol of a read is in docs/ring-layout.md; examples/reader.c keeps it. */",
        "#ifndef AYATSURI_RING_H",
        "#define AYATSURI_RING_H",
        "#include <stdint.h>",
        "#ifdef __cplusplus",
        "#define _Static_assert static_assert",
        "#endif",
        *(f"#define {name} {value}" for name, value in constants.items()),
        *_c_struct("aya_header", HEADER, READER_TABLE),
        *_c_struct("aya_slot", SLOT, SLOT_HEADER_BYTES),
        *_c_struct("aya_reader", READER, READER_BYTES),
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def markdown_tables() -> str:
    """Return the byte-by-byte tables of `docs/ring-layout.md`."""
    parts = []
    blocks = (
        ("Header (at 0)", HEADER),
        ("Slot header (at `slot_table + slot * 512`)", SLOT),
        ("Reader entry (at `reader_table + entry * 128`)", READER),
    )
    for title, fields in blocks:
        parts += [
            f"### {title}",
            "",
            "| offset | field | type | meaning |",
            "| --- | --- | --- | --- |",
        ]
        for field in fields:
            array = f"[{field.length}]" if field.length > 1 else ""
            meaning = field.meaning.replace("|", "\\|")  # a bare one would begin a cell
            parts.append(
                f"| {field.offset:#05x} | `{field.name}` | {field.type}{array} | {meaning} |"
            )
        parts.append("")
    return "\n".join(parts)


def main() -> None:
    """Write the C header and the tables of the document beside this package."""
    root = Path(__file__).resolve().parent.parent
    (root / "shm" / "ring.h").write_text(c_header(), encoding="utf-8")
    document = root / "docs" / "ring-layout.md"
    before, _, rest = document.read_text(encoding="utf-8").partition("<!-- tables -->\n")
    _, _, after = rest.partition("<!-- end of tables -->")
    document.write_text(
        f"{before}<!-- tables -->\n{markdown_tables()}<!-- end of tables -->{after}",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
