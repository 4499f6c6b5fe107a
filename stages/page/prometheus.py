"""A session's status in the text format of Prometheus."""

from collections.abc import Iterator
from typing import Any

_TIMES = ("hop_ms", "age_ms", "work_ms", "lateness_ms")


def metrics_text(status: dict[str, Any], page: dict[str, int]) -> str:
    """Return the text; `page` are counters of the page itself."""
    return "\n".join((*_lines(status, page), ""))


def _lines(status: dict[str, Any], page: dict[str, int]) -> Iterator[str]:
    yield "# TYPE ayatsuri_up gauge"
    yield f"ayatsuri_up {int(status['state'] in ('running', 'paused'))}"
    yield "# TYPE ayatsuri_output_rate_hertz gauge"
    yield f"ayatsuri_output_rate_hertz {status['rate_hz']}"
    yield "# TYPE ayatsuri_cache_lookups_total counter"
    for result in ("hits", "misses"):
        yield f'ayatsuri_cache_lookups_total{{result="{result}"}} {status["cache"][result]}'
    yield "# TYPE ayatsuri_stage_up gauge"
    for row in status["stages"]:
        up = int(row["state"] in ("running", "paused"))
        yield f'ayatsuri_stage_up{{stage="{row["name"]}",kind="{row["kind"]}"}} {up}'
    for key, name, kind in (
        ("rate_hz", "rate_hertz", "gauge"),
        ("restarts", "restarts_total", "counter"),
        ("dropped", "dropped_frames_total", "counter"),
    ):
        yield f"# TYPE ayatsuri_stage_{name} {kind}"
        for row in status["stages"]:
            yield f'ayatsuri_stage_{name}{{stage="{row["name"]}"}} {row[key]}'
    yield "# TYPE ayatsuri_stage_events_total counter"
    for row in status["stages"]:
        for event, count in row["counters"].items():
            yield f'ayatsuri_stage_events_total{{stage="{row["name"]}",event="{event}"}} {count}'
    yield "# TYPE ayatsuri_stage_memory_bytes gauge"
    for row in status["stages"]:
        memory = round(row["memory_mb"] * 1e6)
        yield f'ayatsuri_stage_memory_bytes{{stage="{row["name"]}"}} {memory}'
    for key in _TIMES:
        name = f"ayatsuri_stage_{key.removesuffix('_ms')}_seconds"
        yield f"# TYPE {name} gauge"
        for row in status["stages"]:
            for quantile, milliseconds in (row[key] or {}).items():
                label = f'stage="{row["name"]}",quantile="0.{quantile[1:]}"'
                yield f"{name}{{{label}}} {milliseconds / 1000:.6f}"
    for counter, count in page.items():
        yield f"# TYPE ayatsuri_page_{counter}_total counter"
        yield f"ayatsuri_page_{counter}_total {count}"
