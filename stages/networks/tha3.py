"""The five THA3 networks as the graphs of a model pack, cut where results can be kept.

| graph      | computes                                | anew when                     |
|------------|-----------------------------------------|-------------------------------|
| decomposer | picture in, eyebrows off                | the picture changes           |
| combiner   | eyebrows moved, face looked at          | pose[0:12] changes as well    |
| face       | eyes, irises, mouth                     | pose[12:39] changes as well   |
| body       | rotator, editor, picture out            | pose[39:45] changes as well   |

Pictures between graphs are RGBA, (1, 4, size, size) float32 in the network's range -1..1; features
are in the graphs' precision.
"""

from collections.abc import Callable, Mapping

from stages.networks import tha3_combiner, tha3_decomposer, tha3_editor, tha3_face, tha3_rotator
from stages.networks.graph import Graph
from stages.networks.layers import box, paste
from stages.networks.pack import Precision, Reach, Rounding, Target
from stages.networks.parameters import State, Structure
from stages.networks.pictures import doubled, from_bgra, halved, to_bgra, to_display

States = Mapping[str, State]  # by network: decomposer, combiner, face, rotator, editor

PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16")

# Where the crops lie: rows, then columns, of the picture.
EYEBROWS = (64, 192), (192, 320)
FACE = (32, 224), (160, 352)
EYEBROWS_IN_FACE = 32
FACE_TOP, FACE_LEFT, FACE_SIZE = 32, 160, 192


def decomposer(states: States, structure: Structure, precision: Precision, target: Target) -> Graph:
    """Picture in; all that depends on nothing else out."""
    graph = Graph("decomposer", precision, target)
    image = from_bgra(graph, graph.input("picture", "uint8", 512, 512, 4))
    with graph.scope("decomposer"):
        eyebrows = box(graph, image, *EYEBROWS)
        parts = tha3_decomposer.decompose(graph, eyebrows, states["decomposer"], structure)
    with graph.scope("combiner"):
        feature = tha3_combiner.encode(
            graph, parts.background_layer, parts.eyebrow_layer, states["combiner"], structure
        )
    graph.output(image, "image", "float32", 1, 4, 512, 512)
    graph.output(box(graph, image, *FACE), "face_crop", "float32", 1, 4, 192, 192)
    graph.output(parts.background_layer, "background", "float32", 1, 4, 128, 128)
    graph.output(parts.eyebrow_layer, "eyebrow_layer", "float32", 1, 4, 128, 128)
    graph.output(feature, "eyebrow_feature", graph.number, 1, 512, 16, 16)
    return graph


def combiner(states: States, structure: Structure, precision: Precision, target: Target) -> Graph:
    """The face with its eyebrows moved, and what the face morpher's encoder sees in it."""
    graph = Graph("combiner", precision, target)
    crop = graph.input("face_crop", "float32", 1, 4, 192, 192)
    background = graph.input("background", "float32", 1, 4, 128, 128)
    eyebrow_layer = graph.input("eyebrow_layer", "float32", 1, 4, 128, 128)
    feature = graph.input("eyebrow_feature", graph.number, 1, 512, 16, 16)
    pose = graph.input("eyebrow_pose", "float32", 1, 12)
    with graph.scope("combiner"):
        combined = tha3_combiner.combine(
            graph, feature, background, eyebrow_layer, pose, states["combiner"], structure
        )
    eyebrows = combined.eyebrow_image_no_combine_alpha
    face = paste(graph, crop, eyebrows, FACE_SIZE, EYEBROWS_IN_FACE, EYEBROWS_IN_FACE, 128)
    with graph.scope("face"):
        face_feature = tha3_face.encode(graph, face, states["face"], structure)
    graph.output(face, "face_with_eyebrows", "float32", 1, 4, 192, 192)
    graph.output(face_feature, "face_feature", graph.number, 1, 512, 24, 24)
    return graph


def face(states: States, structure: Structure, precision: Precision, target: Target) -> Graph:
    """The face with eyes and mouth moved."""
    graph = Graph("face", precision, target)
    crop = graph.input("face_with_eyebrows", "float32", 1, 4, 192, 192)
    feature = graph.input("face_feature", graph.number, 1, 512, 24, 24)
    pose = graph.input("face_pose", "float32", 1, 27)
    with graph.scope("face"):
        morphed = tha3_face.morph(graph, feature, crop, pose, states["face"], structure)
    graph.output(morphed.output_image, "face", "float32", 1, 4, 192, 192)
    return graph


def body(
    states: States,
    structure: Structure,
    precision: Precision,
    target: Target,
    rounding: Rounding = "nearest",
) -> Graph:
    """Head and body turned, and the picture out."""
    graph = Graph("body", precision, target)
    image = graph.input("image", "float32", 1, 4, 512, 512)
    face = graph.input("face", "float32", 1, 4, 192, 192)
    pose = graph.input("rotation_pose", "float32", 1, 6)
    full = paste(graph, image, face, 512, FACE_TOP, FACE_LEFT, FACE_SIZE)
    with graph.scope("rotator"):
        rotated = tha3_rotator.rotate(
            graph, halved(graph, full), pose, states["rotator"], structure
        )
        warped, change = doubled(graph, rotated.warped_image), doubled(graph, rotated.grid_change)
    with graph.scope("editor"):
        edited = tha3_editor.edit(graph, full, warped, change, pose, states["editor"], structure)
    with graph.scope("picture"):
        bgra = to_bgra(graph, to_display(graph, edited.color_changed_image), rounding)
    graph.output(bgra, "frame", "uint8", 512, 512, 4)
    return graph


REACHES: dict[str, Reach] = {
    "decomposer": "picture",
    "combiner": "eyebrows",
    "face": "face",
    "body": "rotation",
}


def build(
    name: str,
    states: States,
    structure: Structure,
    precision: Precision,
    target: Target = "cpu",
    rounding: Rounding = "nearest",
) -> Graph:
    """Return one of the four graphs."""
    if name == "body":
        return body(states, structure, precision, target, rounding)
    simple: dict[str, Callable[[States, Structure, Precision, Target], Graph]] = {
        "decomposer": decomposer,
        "combiner": combiner,
        "face": face,
    }
    return simple[name](states, structure, precision, target)
