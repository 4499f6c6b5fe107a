"""A THA4 student as ezvtuber-rt has it: two graphs, single precision, pictures in and out.

`face_morpher.onnx` and `body_morpher.onnx`, their inputs and outputs in the order in which its
TensorRT core counts them. Theirs do not premultiply the picture by its alpha, as the official
programs do; ours do, which shows where it is partly transparent.
"""

from pathlib import Path

from stages.networks import student_graphs as graphs
from stages.networks.graph import Graph
from stages.networks.pack import Target
from stages.networks.pictures import SIZE, to_bgra, to_display
from stages.networks.student import FACE_POSE, POSE, Student

PARTS = ("face_morpher", "body_morpher")


def build(name: str, networks: Student, target: Target) -> Graph:
    """Return one of the two graphs."""
    graph = Graph(name, "fp32", target)
    if name == "face_morpher":
        painted = graphs.face(graph, networks, graph.input("pose", "float32", 1, FACE_POSE))
        graph.output(painted, "face_morphed", "float32", 1, 4, 128, 128)
        return graph
    picture = graph.input("input_image", "uint8", SIZE, SIZE, 4)
    painted = graph.input("face_morphed", "float32", 1, 4, 128, 128)
    pose = graph.input("pose", "float32", 1, POSE)
    image = graphs.prepared(graph, picture)
    display = to_display(graph, graphs.body(graph, networks, image, painted, pose).blended)
    frame = to_bgra(graph, display, "down")
    graph.output(display, "result", "float32", 1, 4, SIZE, SIZE)
    graph.output(frame, "cv_result", "uint8", SIZE, SIZE, 4)
    return graph


def write(folder: Path, networks: Student, target: Target) -> None:
    """Write both graphs into a folder."""
    for name in PARTS:
        model = build(name, networks, target).model()
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
