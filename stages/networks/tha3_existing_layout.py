"""The same networks cut and named as in the packs of ezvtuber-rt, so that its code loads ours.

Its cuts differ from those of `tha3`: pictures and grids between graphs are in the pack's precision,
the rotator ends in its enlarged results, the editor gives its picture twice, and two merged graphs
hold the others. Inside, grids and colour curves are float32 all the same. Its TensorRT path knows
inputs and outputs by position: their order is part of the layout. Results are rounded down, as its
packs do; pixels without alpha are cleared inside, which its packs leave to the caller.
"""

from collections.abc import Callable
from typing import NamedTuple

from stages.networks import tha3_combiner, tha3_decomposer, tha3_editor, tha3_face, tha3_rotator
from stages.networks.graph import Graph
from stages.networks.layers import box, paste
from stages.networks.pack import CUT, Precision, Target
from stages.networks.parameters import Structure
from stages.networks.pictures import doubled, from_bgra, halved, to_bgra, to_display
from stages.networks.tha3 import (
    EYEBROWS,
    EYEBROWS_IN_FACE,
    FACE,
    FACE_LEFT,
    FACE_SIZE,
    FACE_TOP,
    States,
)


class Part(NamedTuple):
    """What the parts need of their surroundings."""

    graph: Graph
    states: States
    structure: Structure

    def picture(self, name: str, *shape: int) -> str:
        """Declare an input in the pack's precision; return it as float32."""
        return self.graph.from_number(self.graph.input(name, self.graph.number, *shape))

    def output(self, value: str, name: str, *shape: int) -> None:
        """Declare a float32 value as an output in the pack's precision."""
        self.graph.output(self.graph.to_number(value), name, self.graph.number, *shape)


def _combine(
    part: Part, image: str, background: str, eyebrow_layer: str, pose: str
) -> tuple[str, str]:
    """Return the face with moved eyebrows, float32, and what the face encoder sees in it."""
    graph, states, structure = part
    with graph.scope("combiner"):
        feature = tha3_combiner.encode(
            graph, background, eyebrow_layer, states["combiner"], structure
        )
        combined = tha3_combiner.combine(
            graph, feature, background, eyebrow_layer, pose, states["combiner"], structure
        )
    eyebrows, at = combined.eyebrow_image_no_combine_alpha, EYEBROWS_IN_FACE
    face = paste(graph, box(graph, image, *FACE), eyebrows, FACE_SIZE, at, at, 128)
    with graph.scope("face"):
        return face, tha3_face.encode(graph, face, states["face"], structure)


def _morph(part: Part, image: str, face: str, pose: str, feature: str) -> tuple[str, str]:
    """Return the picture with its new face, and the same at half size."""
    graph, states, structure = part
    with graph.scope("face"):
        morphed = tha3_face.morph(graph, feature, face, pose, states["face"], structure)
    full = paste(graph, image, morphed.output_image, 512, FACE_TOP, FACE_LEFT, FACE_SIZE)
    return full, halved(graph, full)


def _rotate(part: Part, half: str, pose: str) -> tuple[str, str]:
    """Return the turned picture and its grid change, both enlarged."""
    graph, states, structure = part
    with graph.scope("rotator"):
        rotated = tha3_rotator.rotate(graph, half, pose, states["rotator"], structure)
        return doubled(graph, rotated.warped_image), doubled(graph, rotated.grid_change)


def _edit(part: Part, full: str, warped: str, change: str, pose: str) -> tuple[str, str]:
    """Return the finished picture as display values and as bytes."""
    graph, states, structure = part
    with graph.scope("editor"):
        edited = tha3_editor.edit(graph, full, warped, change, pose, states["editor"], structure)
    with graph.scope("picture"):
        display = to_display(graph, edited.color_changed_image)
        return display, to_bgra(graph, display, "down")


def decomposer(part: Part) -> None:
    """Picture in, eyebrows off."""
    graph = part.graph
    image = from_bgra(graph, graph.input("input_image", "uint8", 512, 512, 4))
    with graph.scope("decomposer"):
        parts = tha3_decomposer.decompose(
            graph, box(graph, image, *EYEBROWS), part.states["decomposer"], part.structure
        )
    part.output(parts.background_layer, "background_layer", 1, 4, 128, 128)
    part.output(parts.eyebrow_layer, "eyebrow_layer", 1, 4, 128, 128)
    part.output(image, "image_prepared", 1, 4, 512, 512)


def combiner(part: Part) -> None:
    """Eyebrows moved, face looked at."""
    image = part.picture("image_prepared", 1, 4, 512, 512)
    background = part.picture("eyebrow_background_layer", 1, 4, 128, 128)
    eyebrow_layer = part.picture("eyebrow_layer", 1, 4, 128, 128)
    pose = part.graph.input("eyebrow_pose", "float32", 1, 12)
    face, feature = _combine(part, image, background, eyebrow_layer, pose)
    part.output(face, "eyebrow_image", 1, 4, 192, 192)
    part.graph.output(feature, CUT[part.structure], part.graph.number, 1, 512, 24, 24)


def morpher(part: Part) -> None:
    """Eyes and mouth moved."""
    image = part.picture("image_prepared", 1, 4, 512, 512)
    face = part.picture("im_morpher_crop", 1, 4, 192, 192)
    pose = part.graph.input("face_pose", "float32", 1, 27)
    feature = part.graph.input(CUT[part.structure], part.graph.number, 1, 512, 24, 24)
    full, half = _morph(part, image, face, pose, feature)
    part.output(full, "face_morphed_full", 1, 4, 512, 512)
    part.output(half, "face_morphed_half", 1, 4, 256, 256)


def rotator(part: Part) -> None:
    """Head and body turned."""
    half = part.picture("face_morphed_half", 1, 4, 256, 256)
    pose = part.graph.input("rotation_pose", "float32", 1, 6)
    warped, change = _rotate(part, half, pose)
    part.output(warped, "full_warped_image", 1, 4, 512, 512)
    part.output(change, "full_grid_change", 1, 2, 512, 512)


def editor(part: Part) -> None:
    """Picture out."""
    full = part.picture("morphed_image", 1, 4, 512, 512)
    warped = part.picture("rotated_warped_image", 1, 4, 512, 512)
    change = part.picture("rotated_grid_change", 1, 2, 512, 512)
    pose = part.graph.input("rotation_pose", "float32", 1, 6)
    display, bgra = _edit(part, full, warped, change, pose)
    part.graph.output(display, "result", "float32", 1, 4, 512, 512)
    part.graph.output(bgra, "cv_result", "uint8", 512, 512, 4)


def merge(part: Part) -> None:
    """All but the decomposer."""
    image = part.picture("combiner_image_prepared", 1, 4, 512, 512)
    background = part.picture("combiner_eyebrow_background_layer", 1, 4, 128, 128)
    eyebrow_layer = part.picture("combiner_eyebrow_layer", 1, 4, 128, 128)
    eyebrow_pose = part.graph.input("combiner_eyebrow_pose", "float32", 1, 12)
    whole = part.picture("morpher_image_prepared", 1, 4, 512, 512)
    face_pose = part.graph.input("morpher_face_pose", "float32", 1, 27)
    face, feature = _combine(part, image, background, eyebrow_layer, eyebrow_pose)
    _finish(part, whole, face, face_pose, feature)


def merge_no_eyebrow(part: Part) -> None:
    """Morpher, rotator and editor."""
    whole = part.picture("morpher_image_prepared", 1, 4, 512, 512)
    face = part.picture("morpher_im_morpher_crop", 1, 4, 192, 192)
    cut = f"morpher_{CUT[part.structure]}"
    feature = part.graph.input(cut, part.graph.number, 1, 512, 24, 24)
    face_pose = part.graph.input("morpher_face_pose", "float32", 1, 27)
    _finish(part, whole, face, face_pose, feature)


def _finish(part: Part, image: str, face: str, face_pose: str, feature: str) -> None:
    rotator_pose = part.graph.input("rotator_rotation_pose", "float32", 1, 6)
    editor_pose = part.graph.input("editor_rotation_pose", "float32", 1, 6)
    full, half = _morph(part, image, face, face_pose, feature)
    warped, change = _rotate(part, half, rotator_pose)
    _, bgra = _edit(part, full, warped, change, editor_pose)
    part.graph.output(bgra, "editor_cv_result", "uint8", 512, 512, 4)


PARTS: dict[str, Callable[[Part], None]] = {
    "decomposer": decomposer,
    "combiner": combiner,
    "morpher": morpher,
    "rotator": rotator,
    "editor": editor,
    "merge": merge,
    "merge_no_eyebrow": merge_no_eyebrow,
}


def build(
    name: str,
    states: States,
    structure: Structure,
    precision: Precision,
    target: Target = "gpu",
) -> Graph:
    """Return one graph of the layout."""
    graph = Graph(name, precision, target)
    PARTS[name](Part(graph, states, structure))
    return graph
