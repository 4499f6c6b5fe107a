"""The rotator: head and body turned at half size, as a warp."""

from typing import NamedTuple

from stages.networks.body import decoder_with_resizes, encoder
from stages.networks.graph import Graph
from stages.networks.layers import heads, pose_planes
from stages.networks.parameters import NETWORKS, Parameters, State, Structure
from stages.networks.pictures import warp

NETWORK = NETWORKS["rotator"]


class Rotated(NamedTuple):
    """Both (1, ., 256, 256) float32, named as in the official code."""

    warped_image: str
    grid_change: str


def rotate(
    graph: Graph,
    image: str,
    pose: str,
    state: State,
    structure: Structure,
) -> Rotated:
    """Turn `image`, (1, 4, 256, 256) float32, by `pose`, (1, 6).

    The head that paints the turned picture directly is left out: nothing uses it.
    """
    planes = pose_planes(graph, pose, NETWORK.size)
    x = graph.add("Concat", graph.to_number(image), planes, axis=1)
    levels = encoder(graph, x, state, NETWORK, structure)
    feature = decoder_with_resizes(graph, levels, state, NETWORK, structure)
    grid_change = heads(graph, feature, Parameters(state), list(NETWORK.heads[1:]))
    change = grid_change["grid_change_creator"]
    return Rotated(warp(graph, change, image, NETWORK.size), change)
