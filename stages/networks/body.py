"""The two kinds of THA3 body: encoder, bottleneck, decoder.

The small kind (decomposer, combiner, face) takes the pose in at the bottleneck and grows by
transposed convolutions; the large kind (rotator, editor) takes it in with the picture and grows by
resizing. All end in a feature map of the input's size.
"""

from stages.networks.graph import Graph
from stages.networks.layers import Activation, block, pose_planes, residual
from stages.networks.parameters import Network, Parameters, State, Structure
from stages.networks.upsampling import resized_block, transposed_block

BOTTLENECK_BLOCKS = 6


def encoder(
    graph: Graph, x: str, state: State, network: Network, structure: Structure
) -> list[str]:
    """Return the outputs of the four blocks down, largest first.

    In the standard structure of the large kind, blocks 1 to 3 have ReLU where all others of their
    body have leaky ReLU: the official builder drops its arguments there, so weights expect it.
    """
    p = Parameters(state, network.prefix[structure]).within("downsample_blocks")
    activation: Activation = "relu" if network.growth == "transposed" else "leaky"
    inner: Activation = "relu" if structure == "standard" else activation
    levels: list[str] = []
    for index in range(len(network.widths)):
        with graph.scope(f"down_{index}"):
            x = block(
                graph,
                x,
                p.within(str(index)),
                structure,
                inner if index else activation,
                network.size >> index,
                stride=2 if index else 1,
            )
        levels.append(x)
    return levels


def decoder_with_pose(
    graph: Graph,
    feature: str,
    pose: str | None,
    state: State,
    network: Network,
    structure: Structure,
) -> str:
    """Return the small kind's feature map; `pose` is (1, n) float32, None where there is none."""
    p, size = Parameters(state, network.prefix[structure]), network.size >> 3
    with graph.scope("join"):
        if pose is not None:
            planes = pose_planes(graph, pose, size)
            feature = graph.add("Concat", feature, planes, axis=1)
        feature = block(graph, feature, p.within("bottleneck_blocks.0"), structure, "relu", size)
    for index in range(1, BOTTLENECK_BLOCKS):
        with graph.scope(f"bottleneck_{index}"):
            path = p.within(f"bottleneck_blocks.{index}.resnet_path")
            feature = residual(graph, feature, path, structure, "relu", size)
    for index in range(len(network.ups)):
        with graph.scope(f"up_{index}"):
            own = p.within(f"upsample_blocks.{index}")
            feature = transposed_block(graph, feature, own, structure, size << (index + 1))
    return feature


def decoder_with_resizes(
    graph: Graph,
    levels: list[str],
    state: State,
    network: Network,
    structure: Structure,
) -> str:
    """Return the large kind's feature map.

    In the editor each block up also sees the encoder's output of its size.
    """
    p = Parameters(state, network.prefix[structure])
    feature = _residuals(graph, levels[-1], p, structure, network.size >> 3)
    for index in range(len(network.ups)):
        skip = levels[-2 - index] if network.growth == "joined" else None
        name = f"upsample_blocks.{index}" + ("" if skip else ".1")
        with graph.scope(f"up_{index}"):
            own = p.within(name)
            feature = resized_block(
                graph, feature, skip, own, structure, network.size >> (2 - index)
            )
    return feature


def _residuals(graph: Graph, feature: str, p: Parameters, structure: Structure, size: int) -> str:
    for index in range(BOTTLENECK_BLOCKS):
        with graph.scope(f"bottleneck_{index}"):
            path = p.within(f"bottleneck_blocks.{index}.resnet_path")
            feature = residual(graph, feature, path, structure, "leaky", size)
    return feature
