"""What the one who starts a session sees: a live table on a terminal, log lines elsewhere."""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

_LINE_EVERY_S = 10.0
_STATE_COLOURS = {"running": "green", "paused": "yellow", "failed": "red", "stopped": "dim"}

log = logging.getLogger("ayatsuri")


def _milliseconds(times: dict[str, float] | None) -> str:
    return f"{times['p50']:.1f} / {times['p99']:.1f}" if times else ""


class Column(NamedTuple):
    """One column of the table: its heading, its text, and the terminal's width it is worth."""

    heading: str
    text: Callable[[dict[str, Any]], str]
    from_width: int = 0


_COLUMNS = (
    Column("frames/s", lambda row: f"{row['rate_hz']:.1f}"),
    Column("hop ms", lambda row: _milliseconds(row["hop_ms"])),
    Column("work ms", lambda row: _milliseconds(row["work_ms"]), 100),
    Column("age ms", lambda row: _milliseconds(row["age_ms"])),
    Column("drops", lambda row: str(row["dropped"])),
    Column("restarts", lambda row: str(row["restarts"] or "")),
    Column("MB", lambda row: f"{row['memory_mb']:.0f}" if row["memory_mb"] else ""),
    Column("pid", lambda row: str(row["pid"] or ""), 100),
)


def status_table(status: dict[str, Any], width: int) -> Group:
    """Return a status as a table, a line per stage, and a line that sums it up.

    Times are p50 / p99 of the last moments.
    """
    columns = [column for column in _COLUMNS if width >= column.from_width]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stage", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for column in columns:
        table.add_column(column.heading, justify="right", no_wrap=True)
    for row in status["stages"]:
        state = Text(row["state"], style=_STATE_COLOURS.get(row["state"], "yellow"))
        table.add_row(row["name"], state, *(column.text(row) for column in columns))
    return Group(table, Text(summary(status), style="bold"))


def summary(status: dict[str, Any]) -> str:
    """Return a status in one line."""
    age, cache = status["age_ms"], status["cache"]
    parts = [f"{status['session']}: {status['rate_hz']:.1f} frames/s"]
    if age["p50"] is not None:
        parts.append(f"age {age['p50']:.1f} / {age['p99']:.1f} ms (p50 / p99)")
    if cache["hit_share"] is not None:
        parts.append(f"cache {cache['hit_share']:.0%} of {cache['hits'] + cache['misses']}")
    for row in status["stages"]:
        parts += [f"{part} kept {share:.0%}" for part, share in row["parts"].items()]
    memory = status["launcher_memory_mb"] + sum(row["memory_mb"] for row in status["stages"])
    parts.append(f"{memory:.0f} MB")
    restarts = sum(row["restarts"] for row in status["stages"])
    if restarts:
        parts.append(f"{restarts} restarts")
    missing = [row["name"] for row in status["stages"] if row["state"] not in _STATE_COLOURS]
    if missing:
        parts.append(f"not there: {', '.join(missing)}")
    return "   ".join(parts)


def print_status(status: dict[str, Any]) -> None:
    """Print a status once."""
    console = Console()
    console.print(status_table(status, console.width))


class LiveTable:
    """The status as a table that stays at the bottom of the terminal; log lines run above it."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, status: dict[str, Any]) -> None:
        """See `supervisor.Display`."""
        with contextlib.suppress(OSError):  # the terminal was closed: SIGHUP ends us in order
            self._live.update(status_table(status, self._live.console.width), refresh=True)


class PlainLines:
    """A log line now and then, at once when the state of a stage changes."""

    def __init__(self) -> None:
        self._next_s = 0.0
        self._states: list[str] = []

    def show(self, status: dict[str, Any]) -> None:
        """See `supervisor.Display`."""
        states = [row["state"] for row in status["stages"]]
        now = time.monotonic()
        if now >= self._next_s or states != self._states:
            self._next_s, self._states = now + _LINE_EVERY_S, states
            log.info("%s", summary(status))


@contextlib.contextmanager
def open_display(
    *, plain: bool, log_level: str, log_file: str | None
) -> Iterator[LiveTable | PlainLines]:
    """Set up logging and the display for a session in this terminal."""
    logging.raiseExceptions = False  # a closed terminal must not turn every log line into an error
    handlers: list[logging.Handler] = []
    if log_file:
        file_handler = logging.FileHandler(log_file, encoding="utf-8")
        file_handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
        handlers.append(file_handler)
    console = Console(stderr=True)
    if plain or not console.is_terminal:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")
        )
        handlers.append(handler)
        logging.basicConfig(level=log_level.upper(), handlers=handlers, force=True)
        yield PlainLines()
        return
    handlers.append(
        RichHandler(console=console, show_path=False, markup=False, log_time_format="%H:%M:%S")
    )
    logging.basicConfig(
        level=log_level.upper(), handlers=handlers, format="%(message)s", force=True
    )
    live = Live(console=console, auto_refresh=False, transient=False)
    live.start()
    try:
        yield LiveTable(live)
    finally:
        with contextlib.suppress(OSError):  # a terminal that was closed needs no restoring
            live.stop()
