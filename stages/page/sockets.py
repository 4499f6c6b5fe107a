"""The two WebSockets: `/ws` gives frames for credit, `/session` is the line to the session."""

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from aiohttp import WSCloseCode, WSMsgType, web
from msgspec import Meta, Struct

from shm.clock import now_ns
from stages.control import Message, Pause, Restart, Resume
from stages.page.feed import Feed
from stages.page.link import SessionLink
from stages.page.wire import Codec
from stages.pose import HIGH, LOW, PARAMETERS, SIZE

_MOST_BYTES: Final = 16 << 10  # of a message from a browser
_HEARTBEAT_S: Final = 20.0
_UNREAD: Final = 64  # messages that may wait for a slow page; it loses those that come after

Malformed = Callable[[str], None]


class FromPage(Struct, tag_field="type", forbid_unknown_fields=True, frozen=True):
    """What every message of a page has."""


class Next(FromPage, tag="next", frozen=True):
    """The last frame was drawn: send the newest, once there is one."""


class Clock(FromPage, tag="clock", frozen=True):
    """What time is it?"""


class Pose(FromPage, tag="pose", frozen=True):
    """Publish a pose; `hold` keeps it until the next message or the end of the connection."""

    pose: Annotated[list[float], Meta(min_length=SIZE, max_length=SIZE)]
    hold: bool = False


class Release(FromPage, tag="release", frozen=True):
    """Hold no pose any more."""


class Ask(FromPage, tag="ask", frozen=True):
    """Ask the supervisor; the reply has the same number."""

    number: int
    request: Literal["pause", "resume", "restart"]
    stage: str | None = None


_FRAME_MESSAGES = msgspec.json.Decoder(Next | Clock)
_SESSION_MESSAGES = msgspec.json.Decoder(Pose | Release | Ask)


async def _messages(socket: web.WebSocketResponse, decoder: Any, malformed: Malformed) -> Any:
    """Yield what a browser sends; anything else closes the connection with the reason."""
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            why = "only text is understood here"
        else:
            try:
                yield decoder.decode(message.data)
                continue
            except (msgspec.DecodeError, msgspec.ValidationError) as error:
                why = str(error)
        malformed(why)
        await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=why.encode()[:120])
        return


class FrameSocket:
    """Gives one browser the newest frame each time it asks: credit of one, nothing queues."""

    def __init__(self, socket: web.WebSocketResponse, feed: Feed, codec: Codec) -> None:
        self._socket = socket
        self._feed = feed
        self._codec = codec
        self._credit = asyncio.Event()

    async def run(self, malformed: Malformed) -> None:
        """Serve until the browser goes."""
        sender = asyncio.create_task(self._send_frames())
        try:
            async for message in _messages(self._socket, _FRAME_MESSAGES, malformed):
                match message:
                    case Next():
                        self._credit.set()
                    case Clock():
                        await self._socket.send_json({"type": "clock", "now_ns": str(now_ns())})
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def _send_frames(self) -> None:
        shown = 0
        while True:
            await self._credit.wait()
            picture = await self._feed.after(shown, self._codec)
            self._credit.clear()
            shown = picture.number
            await self._socket.send_bytes(picture.messages[self._codec])


class SessionSocket:
    """Tells one page what happens, and does what it asks."""

    def __init__(self, socket: web.WebSocketResponse, link: SessionLink) -> None:
        self._socket = socket
        self._link = link
        self._unsent: asyncio.Queue[str] = asyncio.Queue(_UNREAD)
        self._asking: set[asyncio.Task[None]] = set()

    def tell(self, text: str) -> None:
        """Send a text soon; a page that does not read loses it."""
        if not self._unsent.full():
            self._unsent.put_nowait(text)

    async def run(self, malformed: Malformed) -> None:
        """Serve until the page goes."""
        sender = asyncio.create_task(self._send())
        try:
            async for message in _messages(self._socket, _SESSION_MESSAGES, malformed):
                self._take(message)
        finally:
            self._link.hold(self, None)
            for task in (sender, *self._asking):
                task.cancel()
            await asyncio.gather(sender, *self._asking, return_exceptions=True)

    def _take(self, message: FromPage) -> None:
        match message:
            case Pose(pose=pose, hold=hold):
                bounded = np.clip(pose, LOW, HIGH).tolist()
                self._link.publish(bounded)
                self._link.hold(self, bounded if hold else None)
            case Release():
                self._link.hold(self, None)
            case Ask():
                task = asyncio.create_task(self._ask(message))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)

    async def _ask(self, message: Ask) -> None:
        reply = await self._link.ask(_request(message))
        answer = {"type": "reply", "number": message.number, "error": reply.error}
        self.tell(json.dumps(answer))

    async def _send(self) -> None:
        while True:
            await self._socket.send_str(await self._unsent.get())


def _request(message: Ask) -> Message:
    if message.request == "restart":
        return Restart(stage=message.stage or "")
    return Pause() if message.request == "pause" else Resume()


def new_socket() -> web.WebSocketResponse:
    """Return a WebSocket with our limits."""
    # No compression: JPEG does not get smaller, and status messages are small.
    return web.WebSocketResponse(
        max_msg_size=_MOST_BYTES, heartbeat=_HEARTBEAT_S, compress=False, timeout=1.0
    )


def greeting(session: str, record_s: float, status: dict[str, Any] | None) -> str:
    """Return the first message of `/session`."""
    parameters = [parameter._asdict() for parameter in PARAMETERS]
    content = {
        "type": "hello",
        "session": session,
        "record_s": record_s,
        "parameters": parameters,
        "status": status,
    }
    return json.dumps(content)
