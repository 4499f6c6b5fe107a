"""A THA4 student as `torch.onnx.export` writes it: what ours is measured against.

Node by node what the official modules do, nothing folded, merged or left out: position and pose are
laid beside the features of every pixel, a convolution follows, a factor of 30, a sine. Pictures are
in the network's range in and out.
"""

import numpy as np

from stages.networks import student
from stages.networks.graph import Graph
from stages.networks.layers import channels, convolution, paste, pose_planes
from stages.networks.parameters import Parameters, State
from stages.networks.pictures import doubled, warp


def face(state: State) -> bytes:
    """Return the face morpher: pose (1, 39) to (1, 4, 128, 128)."""
    graph = Graph("face_morpher", "fp32", "gpu")
    pose = graph.input("pose", "float32", 1, 39)
    x = graph.add("Concat", _position(graph, 128), pose_planes(graph, pose, 128), axis=1)
    for index in range(8):
        x = _sine(graph, x, state, f"siren.sine_layers.{index}")
    graph.output(_linear(graph, x, state, "siren.last_linear"), "face", "float32", 1, 4, 128, 128)
    return graph.model().SerializeToString()


def body(state: State) -> bytes:
    """Return the body morpher: picture, painted face and pose to (1, 4, 512, 512)."""
    graph = Graph("body_morpher", "fp32", "gpu")
    image = graph.input("image", "float32", 1, 4, 512, 512)
    painted = graph.input("face", "float32", 1, 4, 128, 128)
    pose = graph.input("pose", "float32", 1, 45)
    image = paste(graph, image, painted, 512, 80, 192, 128)
    x = ""
    for level, size in enumerate((128, 256, 512)):
        before = [doubled(graph, x)] if x else []
        planes = pose_planes(graph, pose, size)
        x = graph.add("Concat", *before, _position(graph, size), planes, axis=1)
        for index in range(3):
            x = _sine(graph, x, state, f"siren_layers.{level}.{index}")
    field = _linear(graph, x, state, "last_linear")
    grid, alpha, colour = (
        channels(graph, field, part.start, part.stop)
        for part in (student.GRID, student.SHARE, student.COLOUR)
    )
    one = graph.constant(np.array(1, np.float32))
    kept = graph.add("Mul", graph.add("Sub", one, alpha), warp(graph, grid, image, 512))
    blended = graph.add("Add", kept, graph.add("Mul", alpha, colour))
    graph.output(blended, "blended", "float32", 1, 4, 512, 512)
    return graph.model().SerializeToString()


def _position(graph: Graph, size: int) -> str:
    axis = student.coordinates(size)
    return graph.constant(np.stack(np.meshgrid(axis, axis))[None], "position")


def _sine(graph: Graph, x: str, state: State, name: str) -> str:
    omega = graph.constant(np.array(student.OMEGA, np.float32))
    return graph.add("Sin", graph.add("Mul", omega, _linear(graph, x, state, f"{name}.linear")))


def _linear(graph: Graph, x: str, state: State, name: str) -> str:
    p = Parameters(state)
    return convolution(graph, x, p[f"{name}.weight"], bias=p[f"{name}.bias"])
