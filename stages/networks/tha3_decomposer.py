"""The eyebrow decomposer: from the picture alone, the eyebrows and the face without them."""

from typing import NamedTuple

from stages.networks.body import decoder_with_pose, encoder
from stages.networks.graph import Graph
from stages.networks.layers import heads
from stages.networks.parameters import NETWORKS, Parameters, State, Structure
from stages.networks.pictures import mix

NETWORK = NETWORKS["decomposer"]


class Decomposed(NamedTuple):
    """All (1, ., 128, 128) float32, named as in the official code."""

    eyebrow_layer: str
    eyebrow_layer_alpha: str
    eyebrow_layer_color_change: str
    background_layer: str
    background_layer_alpha: str
    background_layer_color_change: str


def decompose(graph: Graph, image: str, state: State, structure: Structure) -> Decomposed:
    """Take the eyebrows off `image`, (1, 4, 128, 128) float32 around them."""
    levels = encoder(graph, graph.to_number(image), state, NETWORK, structure)
    feature = decoder_with_pose(graph, levels[-1], None, state, NETWORK, structure)
    made = heads(graph, feature, Parameters(state), list(NETWORK.heads))
    eyebrow_alpha, eyebrow_colour = made["eyebrow_layer_alpha"], made["eyebrow_layer_color_change"]
    ground_alpha = made["background_layer_alpha"]
    ground_colour = made["background_layer_color_change"]
    return Decomposed(
        # Where alpha is 1 the eyebrow layer is the image: the other way round than everywhere else.
        mix(graph, eyebrow_alpha, image, eyebrow_colour),
        eyebrow_alpha,
        eyebrow_colour,
        mix(graph, ground_alpha, ground_colour, image),
        ground_alpha,
        ground_colour,
    )
