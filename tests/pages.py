"""Clients of the live page, for the tests of it."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from tests.sessions import (
    Session,
    running_session,
    started_session,
)

# The page is a stage of this one; the config of the other tests has none.
running_session = functools.partial(running_session, config="default")
started_session = functools.partial(started_session, config="default")

aiohttp = pytest.importorskip("aiohttp", reason="the page needs aiohttp")


FREE_PORT = "stages.page.options.port=0"
DEADLINE_S = 20.0

Client = Any  # aiohttp.ClientSession, which is not there to name while it is not installed
Work = Callable[[Client, str], Coroutine[Any, Any, Any]]


def visit(session: Session, work: Work, address: str = "", **how: Any) -> Any:
    """Run `work(client, address)` in an event loop, with a deadline."""
    base = address or session.content()["endpoints"]["page"]

    async def run() -> Any:
        async with aiohttp.ClientSession(**how) as client, asyncio.timeout(2 * DEADLINE_S):
            return await work(client, base)

    return asyncio.run(run())


@contextlib.asynccontextmanager
async def frames(client: Client, base: str, **query: str) -> AsyncIterator[Any]:
    """Open `/ws`; yields a coroutine function that asks for a frame and returns its message."""
    async with client.ws_connect(f"{base}ws", params=query, max_msg_size=0) as line:

        async def ask() -> bytes:
            await line.send_json({"type": "next"})
            return await line.receive_bytes(timeout=DEADLINE_S)

        ask.line = line
        yield ask


async def answer(line: Any, kind: str) -> dict[str, Any]:
    """Return the next message of a type on `/session`."""
    while True:
        message = await line.receive_json(timeout=DEADLINE_S)
        if message["type"] == kind:
            return dict(message)


def status_of(method: str, path: str, headers: dict[str, str]) -> Work:
    async def work(client: Client, base: str) -> int:
        async with client.request(method, base + path, headers=headers) as response:
            return int(response.status)

    return work


def in_ring(session: Session, sequence: int) -> np.ndarray:
    """Return the frame of the output ring with this sequence."""
    with session.reader() as ring:
        return next(f.copy() for f in ring.history(ring.slots) if f.sequence == sequence)
