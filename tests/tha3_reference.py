"""The stored outputs of the official THA3 code, and the weights and pictures they were made of."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from stages.networks import pack, tha3
from stages.networks.pack import GraphEntry, Manifest, Rounding, Target
from stages.networks.parameters import NETWORKS
from tests.seeded import seeded_image, seeded_state_dict

ROOT = Path(__file__).parents[1]
DATA = ROOT / "tests" / "data" / "tha3"
ELSEWHERE = [ROOT.parent / "shared" / "fixtures" / "tha3"]
if "AYATSURI_THA3_REFERENCES" in os.environ:
    ELSEWHERE.append(Path(os.environ["AYATSURI_THA3_REFERENCES"]))


def reference_files() -> list[Path]:
    """Ours, and those beside the repository that are not the same files."""
    ours = sorted(DATA.glob("*.npz"))
    names = {path.name for path in ours}
    more = [path for place in ELSEWHERE for path in sorted(place.glob("*_seed*.npz"))]
    return ours + [path for path in more if path.name not in names]


class Reference:
    """One file of reference outputs, and the weights and picture they were made of."""

    def __init__(self, path: Path) -> None:
        self.arrays = np.load(path)
        meta = json.loads(str(self.arrays["meta_json"]))
        self.structure: Any = meta["structure"]
        self.cases: list[str] = meta["cases"]
        # The standard structure is the same code at eight times the work: one pose, unless all are
        # asked for.
        whole = self.structure == "separable" or "AYATSURI_ALL_POSES" in os.environ
        self.checked = self.cases if whole else ["random"]
        self.picture = seeded_image(512, 512, 4, meta["image_seed"])
        self.states: dict[str, Any] = {
            name: seeded_state_dict(
                DATA / "manifests" / f"{self.structure}_{network.file}.json", meta["weights_seed"]
            )
            for name, network in NETWORKS.items()
        }

    def pose(self, case: str) -> np.ndarray:
        """The pose of a case, (45,)."""
        return self.arrays["poses"][self.cases.index(case)].astype(np.float32)

    def sampled(self, values: np.ndarray) -> np.ndarray:
        """The places of a picture, (1, ., size, size), that were stored."""
        size = values.shape[-1]
        rows, columns = self.arrays[f"index/rows_{size}"], self.arrays[f"index/cols_{size}"]
        return values[0][:, rows[:, None], columns[None, :]]

    def frame(self, frame: np.ndarray) -> np.ndarray:
        """The pixels of a frame, (512, 512, 4), that were stored."""
        places = self.arrays["index/u8_512"]
        return frame[places[:, None], places[None, :]]


def write_pack(
    reference: Reference, folder: Path, target: Target = "cpu", rounding: Rounding = "nearest"
) -> Path:
    """Write the four graphs of the seeded weights as a pack of single precision."""
    folder.mkdir(parents=True)
    entries: list[GraphEntry] = []
    for name, reach in tha3.REACHES.items():
        graph = tha3.build(name, reference.states, reference.structure, "fp32", target, rounding)
        model = graph.model()
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
        entries.append(pack.entry_of(folder / f"{name}.onnx", name, reach, model))
    manifest = Manifest(
        format=pack.FORMAT,
        model="tha3",
        structure=reference.structure,
        precision="fp32",
        rounding=rounding,
        target=target,
        builder="tests",
        licence="",
        sources={},
        graphs=entries,
    )
    pack.write_manifest(folder, manifest)
    return folder
