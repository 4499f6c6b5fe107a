"""The rings against their peers and their targets: `python -m benchmarks.rings [--quick]`.

Everything that is compared runs interleaved in one run, and only ratios are judged: microseconds
belong to one machine at one moment. Writes `benchmarks/results/rings.json`, with --quick nothing.
"""

import argparse
import sys

from benchmarks.peers import available
from benchmarks.report import machine, save
from benchmarks.rings.costs import idle, publish_cost
from benchmarks.rings.handover import hand_over
from benchmarks.rings.harness import FULL, QUICK
from benchmarks.rings.tables import print_tables
from benchmarks.rings.targets import judge
from benchmarks.rings.throughput import throughput
from benchmarks.rings.traps import busy_receiver, first_touch, word_tearing
from shm.compiled import LIVE


def main() -> int:
    """Run everything; return 0 also when a target is missed: the table says so."""
    parser = argparse.ArgumentParser("python -m benchmarks.rings", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few frames of each; saves nothing")
    length = QUICK if (quick := parser.parse_args().quick) else FULL
    place = machine(["numpy", "iceoryx2", "pyzmq"])
    ways = available()
    others = [way for way in ways if not way.startswith("ring")]
    results = {
        "helper": LIVE.find().state,
        "hand_over": hand_over(length, ways),
        "throughput": throughput(length, ["ring, in order", *others]),
        "publish": publish_cost(length),
        "idle": idle(length),
        "traps": {
            "word_tearing": word_tearing(length),
            "busy_receiver": busy_receiver(length),
            "first_touch": first_touch(),
        },
    }
    targets = judge(results)
    print_tables(results, targets)
    if not quick:
        judged = [{**t._asdict(), "met": t.met} for t in targets]
        path = save("rings", {"machine": place, "targets": judged, **results})
        print(f"\nsaved {path.relative_to(path.parents[2])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
