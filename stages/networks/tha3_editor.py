"""The editor: the rotator's warp made fine at full size, and what it uncovers painted."""

from typing import NamedTuple

from stages.networks.body import decoder_with_resizes, encoder
from stages.networks.graph import Graph
from stages.networks.layers import heads, pose_planes
from stages.networks.parameters import NETWORKS, Parameters, State, Structure
from stages.networks.pictures import mix, warp

NETWORK = NETWORKS["editor"]


class Edited(NamedTuple):
    """All (1, ., 512, 512) float32, named as in the official code."""

    color_changed_image: str
    color_change_alpha: str
    color_change: str
    warped_image: str
    grid_change: str


def edit(
    graph: Graph,
    image: str,
    rotated: str,
    rotated_grid_change: str,
    pose: str,
    state: State,
    structure: Structure,
) -> Edited:
    """Return the finished picture in the network's range.

    `image` is the picture with its new face; what is warped is this one. `rotated`, its turned
    version at half the detail, only informs the network.
    """
    seen = [graph.to_number(value) for value in (image, rotated, rotated_grid_change)]
    x = graph.add("Concat", *seen, pose_planes(graph, pose, NETWORK.size), axis=1)
    levels = encoder(graph, x, state, NETWORK, structure)
    feature = decoder_with_resizes(graph, levels, state, NETWORK, structure)
    made = heads(graph, feature, Parameters(state), list(NETWORK.heads))
    grid_change = graph.add("Add", rotated_grid_change, made["grid_change_creator"])
    warped = warp(graph, grid_change, image, NETWORK.size)
    alpha, colour = made["alpha_creator"], made["color_change_creator"]
    return Edited(mix(graph, alpha, colour, warped), alpha, colour, warped, grid_change)
