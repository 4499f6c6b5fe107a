from pathlib import Path

import pytest

from stages.networks import pack
from stages.networks.pack import CUT, GraphEntry, Manifest, PackRejected

EXISTING = ("decomposer", "combiner", "morpher", "rotator", "editor")


def written(folder: Path, *names: str) -> list[GraphEntry]:
    """Files that stand for graphs, and their entries."""
    entries = []
    for name in names:
        path = folder / f"{name}.onnx"
        path.write_bytes(name.encode())
        entries.append(GraphEntry(name, path.name, pack.digest(path), "face", ["a"], ["b"]))
    return entries


def manifest(graphs: list[GraphEntry]) -> Manifest:
    return Manifest(
        format=pack.FORMAT,
        model="tha3",
        structure="standard",
        precision="fp16",
        rounding="nearest",
        target="cpu",
        builder="test",
        licence="none",
        sources={},
        graphs=graphs,
    )


def test_our_pack_is_read_back(tmp_path: Path) -> None:
    pack.write_manifest(tmp_path, manifest(written(tmp_path, "one", "two")))
    found = pack.open_pack(tmp_path)
    assert (found.layout, found.structure, found.precision) == ("ayatsuri", "standard", "fp16")
    assert [part.name for part in found.parts] == ["one", "two"]
    assert found.parts[0].inputs == {"a": "a"}
    assert found.clears_transparent
    pack.verify(tmp_path, pack.read_manifest(tmp_path).graphs)


def test_a_changed_graph_is_noticed(tmp_path: Path) -> None:
    pack.write_manifest(tmp_path, manifest(written(tmp_path, "one", "two")))
    (tmp_path / "two.onnx").write_bytes(b"three")
    with pytest.raises(PackRejected, match=r"two\.onnx is damaged"):
        pack.verify(tmp_path, pack.read_manifest(tmp_path).graphs)


def test_a_missing_graph_is_named(tmp_path: Path) -> None:
    pack.write_manifest(tmp_path, manifest(written(tmp_path, "one", "two")))
    (tmp_path / "two.onnx").unlink()
    with pytest.raises(PackRejected, match=r"lacks two\.onnx"):
        pack.open_pack(tmp_path)
    with pytest.raises(PackRejected, match=r"two\.onnx is damaged"):
        pack.verify(tmp_path, pack.read_manifest(tmp_path).graphs)


def test_a_manifest_cannot_point_out_of_its_folder(tmp_path: Path) -> None:
    (entry,) = written(tmp_path, "one")
    outside = GraphEntry("one", "../one.onnx", entry.sha256, "face", [], [])
    pack.write_manifest(tmp_path, manifest([outside]))
    with pytest.raises(PackRejected, match="plain file name"):
        pack.open_pack(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"format": 1, "extra": 2}', "[1, 2]"])
def test_a_broken_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / pack.MANIFEST).write_text(text, encoding="utf-8")
    with pytest.raises(PackRejected, match=r"manifest\.json"):
        pack.open_pack(tmp_path)


@pytest.mark.parametrize(("precision", "structure"), [("fp16", "separable"), ("fp32", "standard")])
def test_a_pack_of_ezvtuber_rt_is_read_as_it_is(
    tmp_path: Path, precision: str, structure: str
) -> None:
    folder = tmp_path / "anything" / precision
    folder.mkdir(parents=True)
    written(folder, *EXISTING)
    (folder / "morpher.onnx").write_bytes(b"..." + CUT[structure].encode() + b"...")
    found = pack.open_pack(folder)
    assert (found.layout, found.structure, found.precision) == ("ezvtuber-rt", structure, precision)
    assert [part.name for part in found.parts] == list(EXISTING)
    assert not found.clears_transparent
    assert found.parts[2].inputs["face_feature"] == CUT[structure]


def test_values_of_a_pack_of_ezvtuber_rt_are_all_made_before_they_are_used(tmp_path: Path) -> None:
    written(tmp_path, *EXISTING)
    (tmp_path / "morpher.onnx").write_bytes(CUT["separable"].encode())
    known = {"picture", *pack.POSE_INPUTS}
    for part in pack.open_pack(tmp_path).parts:
        assert set(part.inputs) <= known, part.name
        known |= set(part.outputs)
    assert "frame" in known


def test_a_folder_that_is_no_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackRejected, match="no such folder"):
        pack.open_pack(tmp_path / "missing")
    with pytest.raises(PackRejected, match="no model pack"):
        pack.open_pack(tmp_path)
    written(tmp_path, *EXISTING)
    with pytest.raises(PackRejected, match="has no input"):
        pack.open_pack(tmp_path)
