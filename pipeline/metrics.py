"""What is said of a running session: to tools, to subscribers, to the terminal."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pipeline.process import StageProcess
from pipeline.topology import Topology

_TIMES_OF_ALL = ("hop", "age", "work", "lateness")


def _quantiles(times: tuple[float, float] | None) -> dict[str, float] | None:
    return {"p50": round(times[0], 3), "p99": round(times[1], 3)} if times else None


def stage_status(stage: StageProcess) -> dict[str, Any]:
    """Return what is known of one stage."""
    beat = stage.beat
    times = beat.times_ms if beat else {}
    return {
        "name": stage.plan.name,
        "kind": stage.plan.kind,
        "pid": stage.pid,
        "state": stage.phase.value,
        "optional": stage.plan.optional,
        "rate_hz": beat.rate_hz if beat else 0.0,
        "restarts": stage.restarts,
        "dropped": beat.counters.get("dropped", 0) if beat else 0,
        "hop_ms": _quantiles(times.get("hop")),
        "age_ms": _quantiles(times.get("age")),
        "work_ms": _quantiles(times.get("work")),
        "lateness_ms": _quantiles(times.get("lateness")),
        "times_ms": {n: _quantiles(t) for n, t in times.items() if n not in _TIMES_OF_ALL},
        "memory_mb": round(beat.memory_bytes / 1e6, 1) if beat else 0.0,
        "counters": dict(beat.counters) if beat else {},
        "parts": _hit_shares(beat.counters) if beat else {},
        "last_error": stage.last_error if stage.restarts or stage.phase.value == "failed" else "",
    }


def _hit_shares(counters: Mapping[str, int]) -> dict[str, float]:
    """Return how much of what was wanted of each part of a network was at hand."""
    shares = {}
    for name, hits in counters.items():
        part, _, event = name.rpartition("_")
        wanted = hits + counters.get(f"{part}_misses", 0)
        if part and event == "hits" and wanted:
            shares[part] = round(hits / wanted, 4)
    return shares


_CACHE_COUNTERS: Final = (
    *("hits", "misses", "snapped", "stale", "on_the_way", "kept_between"),
    *("entries", "bytes", "evictions"),
)


def session_status(
    topology: Topology,
    stages: Iterable[StageProcess],
    uptime_s: float,
    memory_bytes: int,
    malformed: int,
) -> dict[str, Any]:
    """Return the status of a session: what `launcher.py status --json` prints.

    `malformed` counts messages to the launcher's own endpoints that were refused.
    """
    rows = [stage_status(stage) for stage in stages]
    output = next(row for row in rows if row["name"] == topology.output_stage)
    counts = {
        name: sum(row["counters"].get(name, 0) for row in rows if row["kind"] == "cacher")
        for name in _CACHE_COUNTERS
    }
    looked_up = counts["hits"] + counts["misses"]
    states = {row["state"] for row in rows if not (row["optional"] and row["state"] == "failed")}
    return {
        "session": topology.session,
        "state": "paused"
        if "paused" in states
        else "running"
        if states == {"running"}
        else "uneven",
        "uptime_s": round(uptime_s, 1),
        "output": topology.output,
        "rate_hz": output["rate_hz"],
        "age_ms": output["age_ms"] or {"p50": None, "p99": None},
        "cache": {
            **counts,
            "hit_share": round(counts["hits"] / looked_up, 4) if looked_up else None,
        },
        "malformed": malformed,
        "launcher_memory_mb": round(memory_bytes / 1e6, 1),
        "stages": rows,
    }
