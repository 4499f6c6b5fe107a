"""The face morpher: eyes, irises and mouth moved by their pose."""

from typing import NamedTuple

from stages.networks.body import decoder_with_pose, encoder
from stages.networks.graph import Graph
from stages.networks.layers import heads
from stages.networks.parameters import NETWORKS, Parameters, State, Structure
from stages.networks.pictures import mix, warp

NETWORK = NETWORKS["face"]


class Morphed(NamedTuple):
    """All (1, ., 192, 192) float32, named as in the official code."""

    output_image: str
    eye_alpha: str
    eye_color_change: str
    iris_mouth_image_1: str
    iris_mouth_alpha: str
    iris_mouth_color_change: str
    iris_mouth_image_0: str


def encode(graph: Graph, crop: str, state: State, structure: Structure) -> str:
    """Return the feature of the face as the eyebrows left it, (1, 512, 24, 24)."""
    return encoder(graph, graph.to_number(crop), state, NETWORK, structure)[-1]


def morph(
    graph: Graph, feature: str, crop: str, pose: str, state: State, structure: Structure
) -> Morphed:
    """Move eyes and mouth of `crop`, (1, 4, 192, 192) float32, by `pose`, (1, 27)."""
    feature = decoder_with_pose(graph, feature, pose, state, NETWORK, structure)
    made = heads(graph, feature, Parameters(state), list(NETWORK.heads))
    warped = warp(graph, made["iris_mouth_grid_change"], crop, NETWORK.size)
    painted = mix(graph, made["iris_mouth_alpha"], made["iris_mouth_color_change"], warped)
    image = mix(graph, made["eye_alpha"], made["eye_color_change"], painted)
    return Morphed(
        image,
        made["eye_alpha"],
        made["eye_color_change"],
        painted,
        made["iris_mouth_alpha"],
        made["iris_mouth_color_change"],
        warped,
    )
