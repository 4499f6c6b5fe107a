"""The eyebrow morphing combiner: the eyebrows moved by their pose, back on the face."""

from typing import NamedTuple

import numpy as np

from stages.networks.body import decoder_with_pose, encoder
from stages.networks.graph import Graph
from stages.networks.layers import channels, heads
from stages.networks.parameters import NETWORKS, Parameters, State, Structure
from stages.networks.pictures import mix, warp

NETWORK = NETWORKS["combiner"]


class Combined(NamedTuple):
    """All (1, ., 128, 128) float32, named as in the official code."""

    eyebrow_image_no_combine_alpha: str
    morphed_eyebrow_layer: str
    morphed_eyebrow_layer_alpha: str
    morphed_eyebrow_layer_color_change: str
    warped_eyebrow_layer: str
    morphed_eyebrow_layer_grid_change: str


def encode(
    graph: Graph, background: str, eyebrow_layer: str, state: State, structure: Structure
) -> str:
    """Return the feature that depends on the picture alone, (1, 512, 16, 16)."""
    both = graph.add("Concat", background, eyebrow_layer, axis=1)
    return encoder(graph, graph.to_number(both), state, NETWORK, structure)[-1]


def combine(
    graph: Graph,
    feature: str,
    background: str,
    eyebrow_layer: str,
    pose: str,
    state: State,
    structure: Structure,
) -> Combined:
    """Move the eyebrows by `pose`, (1, 12), and lay them over the background.

    Of the official code's two results this is the one that its poser uses; the other and the head
    that only it needs, `combine_alpha`, are left out.
    """
    feature = decoder_with_pose(graph, feature, pose, state, NETWORK, structure)
    made = heads(graph, feature, Parameters(state), list(NETWORK.heads[:3]))
    grid_change = made["morphed_eyebrow_layer_grid_change"]
    alpha = made["morphed_eyebrow_layer_alpha"]
    colour = made["morphed_eyebrow_layer_color_change"]
    warped = warp(graph, grid_change, eyebrow_layer, NETWORK.size)
    morphed = mix(graph, alpha, colour, warped)
    half = graph.constant(np.array(0.5, np.float32))
    opacity = graph.add("Mul", channels(graph, morphed, 3, 4), half)
    opacity = graph.add("Add", opacity, half)
    colours = channels(graph, morphed, 0, 3), channels(graph, background, 0, 3)
    laid_over = mix(graph, opacity, *colours)
    image = graph.add("Concat", laid_over, channels(graph, background, 3, 4), axis=1)
    return Combined(image, morphed, alpha, colour, warped, grid_change)
