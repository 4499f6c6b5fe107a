"""A real headless Chromium, driven through its DevTools protocol: to open, use and see pages.

Everything waits for a condition with a deadline. The browser has an empty profile of its own.
"""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
from numpy.typing import NDArray

DEADLINE_S = 20.0
PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-dev-shm-usage --remote-debugging-port=0 --enable-unsafe-swiftshader"
).split()


class Page:
    """One tab. Every call returns when the browser has answered."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: aiohttp.ClientWebSocketResponse):
        self._loop = loop
        self._socket = socket
        self._number = 0
        self.console: list[str] = []

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a DevTools command; return its result."""
        return self._loop.run_until_complete(
            asyncio.wait_for(self._command(method, parameters), DEADLINE_S)
        )

    async def _command(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return dict(answer["result"])
            if answer.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.console.append(json.dumps(answer["params"]))

    def run(self, script: str) -> Any:
        """Return the value of a script, which may be a promise."""
        result = self.command(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, script: str, timeout_s: float = DEADLINE_S) -> Any:
        """Return the value of a script once it is true."""
        end = time.monotonic() + timeout_s
        while True:
            value = self.run(script)
            if value:
                return value
            assert time.monotonic() < end, f"not within {timeout_s:g} s: {script}\n{self.console}"
            self._loop.run_until_complete(asyncio.sleep(0.05))

    def open(self, address: str) -> None:
        """Go to an address and wait until it is loaded."""
        self.command("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def size(self, width: int, height: int, *, scheme: str = "light", mobile: bool = False) -> None:
        """Give the tab a size and a colour scheme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.command("Emulation.setDeviceMetricsOverride", **metrics)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.command("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self, path: Path | None = None, **how: Any) -> NDArray[np.uint8]:
        """Return what is seen, BGRA; transparent where the page is."""
        transparent = {"r": 0, "g": 0, "b": 0, "a": 0}
        self.command("Emulation.setDefaultBackgroundColorOverride", color=transparent)
        data = base64.b64decode(self.command("Page.captureScreenshot", **how)["data"])
        if path is not None:
            path.write_bytes(data)
        seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        # Without a transparent pixel the picture has no alpha channel.
        return np.asarray(seen if seen.shape[2] == 4 else cv2.cvtColor(seen, cv2.COLOR_BGR2BGRA))

    def mouse(self, kind: str, x: float, y: float, **how: Any) -> None:
        """Move, press, release or turn the wheel."""
        self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, **how)

    def key(self, key: str, code: str = "", text: str = "") -> None:
        """Press a key and let it go."""
        for kind in ("keyDown", "keyUp"):
            given = {"text": text} if text and kind == "keyDown" else {}
            self.command("Input.dispatchKeyEvent", type=kind, key=key, code=code or key, **given)


@contextlib.contextmanager
def chromium() -> Iterator[Page]:
    """A browser with one empty tab; ended afterwards."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(prefix="aya-chromium-", ignore_cleanup_errors=True) as profile:
        command = [PROGRAM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        loop = asyncio.new_event_loop()
        client = aiohttp.ClientSession(loop=loop)
        try:
            yield loop.run_until_complete(_first_page(loop, client, Path(profile)))
        finally:
            loop.run_until_complete(client.close())
            loop.close()
            process.terminate()
            try:
                process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def _first_page(
    loop: asyncio.AbstractEventLoop, client: aiohttp.ClientSession, profile: Path
) -> Page:
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            port = int((profile / "DevToolsActivePort").read_text().split()[0])
            async with client.get(f"http://127.0.0.1:{port}/json/list") as answer:
                tab = next(target for target in await answer.json() if target["type"] == "page")
            break
        except (OSError, ValueError, IndexError, StopIteration, aiohttp.ClientError):
            assert time.monotonic() < end, "chromium did not start"
            await asyncio.sleep(0.05)
    page = Page(loop, await client.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0))
    for domain in ("Page", "Runtime", "Log", "DOM"):
        await page._command(f"{domain}.enable", {})
    return page
