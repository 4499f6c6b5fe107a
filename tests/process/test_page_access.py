"""Who may use the live page, and what it does where it cannot be."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.pages import (
    DEADLINE_S,
    FREE_PORT,
    Work,
    aiohttp,
    running_session,
    started_session,
    status_of,
    visit,
)
from tests.sessions import QUICK_RESTARTS, Session, wait_until


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """One session for all tests that leave it as it was."""
    with running_session(FREE_PORT, *QUICK_RESTARTS) as running:
        yield running


# --- who may


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "ws"), ("GET", "session"), ("POST", "picture")]
)
@pytest.mark.parametrize("origin", ["null", "http://evil.example", "https://127.0.0.1:1"])
def test_other_origins_are_refused(session, method, path, origin):
    headers = {"Origin": origin}
    if method == "GET":
        headers |= {"Upgrade": "websocket", "Connection": "Upgrade"}
    assert visit(session, status_of(method, path, headers)) == 403


def test_own_origin_is_answered(session):
    async def work(client, base):
        async with client.ws_connect(f"{base}ws", origin=base.rstrip("/")) as line:
            return line.closed

    assert visit(session, work) is False


@pytest.mark.parametrize("origin", ["null", "http://evil.example"])
def test_other_origins_are_not_given_a_frame_either(session, origin):
    assert visit(session, status_of("GET", "frame.png", {"Origin": origin})) == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8571", "10.0.0.1", "127.0.0.1.x"])
def test_names_that_are_not_loopback_are_refused(session, host):
    assert visit(session, status_of("GET", "", {"Host": host})) == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8571", "127.0.0.1", "[::1]:8571"])
def test_names_of_loopback_are_answered(session, host):
    assert visit(session, status_of("GET", "", {"Host": host})) == 200


def test_open_page_wants_a_token():
    with running_session(FREE_PORT, "stages.page.options.host=0.0.0.0") as session:
        address = session.content()["endpoints"]["page"]
        assert address in session.log
        query = address.partition("?")[2]
        base = f"http://127.0.0.1:{address.partition('?')[0].rstrip('/').rpartition(':')[2]}/"

        async def work(client, base):
            found = []
            for path in ("", "ws", "frame.png", "frame.png?token=wrong", f"frame.png?{query}"):
                async with client.get(base + path) as response:
                    found.append(response.status)
            # The page turns the token into a cookie, which its sockets and pictures then show.
            async with client.get(f"{base}?{query}") as response:
                found += [response.status, str(response.url)]
            async with client.get(f"{base}frame.png") as response:
                found.append(response.status)
            return found

        jar = aiohttp.CookieJar
        found = asyncio.run(_with_jar(jar, work, base))
    assert found == [403, 403, 403, 403, 200, 200, base, 200]


async def _with_jar(jar: Any, work: Work, base: str) -> Any:
    async with aiohttp.ClientSession(cookie_jar=jar(unsafe=True)) as client:
        return await work(client, base)


# --- state


def test_health_and_metrics(session):
    session.wait_running()

    async def work(client, base):
        async with client.get(f"{base}healthz") as response:
            health = response.status, await response.json()
        async with client.get(f"{base}metrics") as response:
            return health, await response.text()

    health, metrics = visit(session, work)
    assert health[0] == 200 and health[1]["session"] == session.name
    assert 'ayatsuri_stage_up{stage="avatar",kind="avatar"} 1' in metrics


def test_page_comes_back_at_the_same_address(session):
    address = session.content()["endpoints"]["page"]
    before = session.kill("page")
    wait_until(lambda: session.pid("page") not in (None, before))
    session.wait_running()
    assert session.content()["endpoints"]["page"] == address
    assert visit(session, status_of("GET", "frame.png", {})) == 200


def test_session_goes_on_without_aiohttp(tmp_path, monkeypatch):
    (tmp_path / "aiohttp.py").write_text('raise ImportError("No module named aiohttp")')
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with running_session() as session:
        page = session.stage("page")
        assert page["state"] == "failed"
        assert "pip install aiohttp" in page["last_error"]
        assert "the session goes on without page" in session.log
        session.wait_frames()


def test_session_goes_on_when_the_port_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = f"stages.page.options.port={taken.getsockname()[1]}"
        with running_session(port) as session:
            assert "another program has it" in session.stage("page")["last_error"]


def test_page_that_is_not_optional_ends_the_session():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = f"stages.page.options.port={taken.getsockname()[1]}"
        with started_session(port, "stages.page.optional=false") as session:
            assert session.process.wait(DEADLINE_S) == 3
            assert "another program has it" in session.log


def test_second_session_gets_a_port_of_its_own():
    port = "stages.page.options.port=auto"
    with running_session(port) as first, running_session(port) as second:
        addresses = {s.content()["endpoints"]["page"] for s in (first, second)}
    assert len(addresses) == 2
