"""The targets of the rings, and what was measured held against them."""

from typing import Any, NamedTuple

from benchmarks.report import ratio


class Target(NamedTuple):
    """A figure that has a limit."""

    name: str
    value: float
    limit: float
    more: bool = False  # whether more is better

    @property
    def met(self) -> bool:
        """Whether it is kept."""
        return self.value >= self.limit if self.more else self.value <= self.limit


def judge(results: dict[str, Any]) -> list[Target]:
    """Hold the figures against the targets."""
    hand, rate = results["hand_over"], results["throughput"]
    ours, predicting = hand["ring"], hand["ring, predicting"]
    targets = []
    if "iceoryx2" in hand:
        peer = hand["iceoryx2"]
        for key, limit in (("p50_us", 0.75), ("p99_us", 1.0)):
            label = f"hand-over, {key[:3]}: ring / iceoryx2"
            targets.append(Target(label, ratio(ours[key], peer[key]), limit))
        label = "hand-over, p50: predicting / iceoryx2"
        targets.append(Target(label, ratio(predicting["p50_us"], peer["p50_us"]), 0.2))
        speed = ratio(rate["ring, in order"]["frames_per_s"], rate["iceoryx2"]["frames_per_s"])
        targets.append(Target("throughput: ring / iceoryx2", speed, 1.0, more=True))
    if "ZeroMQ" in hand:
        label = "hand-over, p50: ring / ZeroMQ"
        targets.append(Target(label, ratio(ours["p50_us"], hand["ZeroMQ"]["p50_us"]), 0.2))
        speed = ratio(rate["ring, in order"]["frames_per_s"], rate["ZeroMQ"]["frames_per_s"])
        targets.append(Target("throughput: ring / ZeroMQ", speed, 2.0, more=True))
    eight, one = (results["publish"][f"{n} readers"]["publish"]["p50_us"] for n in (8, 1))
    return [
        *targets,
        Target("share of a core: predicting reader", predicting["reader_cpu"], 0.05),
        Target("share of a core: idle reader", results["idle"]["share_of_a_core"], 0.001),
        Target("publish, p50: 8 readers / 1 reader", ratio(eight, one), 1.5),
    ]
