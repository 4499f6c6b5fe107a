"""The figures as tables."""

from typing import Any

from benchmarks.report import table
from benchmarks.rings.targets import Target


def print_tables(results: dict[str, Any], targets: list[Target]) -> None:
    """Print everything that was measured, the targets last."""
    print(f"the compiled helper of the rings: {results['helper']}")
    table(
        "Hand-over of a 512x512x4 frame at 60 frames a second, filled -> view in the reader",
        ("way", "p50 us", "p99 us", "frames", "reader's core"),
        [
            (way, row["p50_us"], row["p99_us"], row["count"], f"{row['reader_cpu']:.2%}")
            for way, row in results["hand_over"].items()
        ],
    )
    table(
        "Throughput, filled by one process, every byte read by another",
        ("way", "frames/s"),
        [(way, row["frames_per_s"]) for way, row in results["throughput"].items()],
    )
    table(
        "The writer's cost with readers asleep",
        ("", "publish p50 us", "p99 us", "count", "loan p50 us", "p99 us", "count"),
        [
            (label, *row["publish"].values(), *row["loan"].values())
            for label, row in results["publish"].items()
        ],
    )
    traps = results["traps"]
    table(
        "Trap: one word stored by another process",
        ("stored by", "zeros seen %", "looks"),
        [(how, r["zeros_percent"], r["looks"]) for how, r in traps["word_tearing"].items()],
    )
    for title, label, key in (
        ("Trap: a busy thread beside the receiver", "GIL switch interval", "busy_receiver"),
        ("Trap: a fill of 1 MiB", "pages", "first_touch"),
    ):
        rows = [(how, r["p50_us"], r["p99_us"]) for how, r in traps[key].items()]
        table(title, (label, "p50 us", "p99 us"), rows)
    table(
        "Targets",
        ("", "measured", "limit", ""),
        [
            (t.name, t.value, f"{'>=' if t.more else '<='} {t.limit}", "met" if t.met else "MISSED")
            for t in targets
        ],
    )
