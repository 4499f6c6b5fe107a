"""The page's line to its session: what it asks, what it hears, the poses it publishes."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import msgpack
import zmq
import zmq.asyncio

from shm.clock import now_ns
from shm.session import SessionMissing, read_session
from stages.control import Message, MessageRejected, Reply, decode, encode
from stages.pose import SIZE

SOURCE: Final = "page"
_PATIENCE_S: Final = 12.0  # the session itself waits ten seconds for a stage
_HOLD_S: Final = 0.25  # a held pose is published again this often

Listener = Callable[[str, dict[str, Any]], None]


class SessionLink:
    """Asks, listens and publishes as any other program does. For one event loop."""

    def __init__(self, session: str, listener: Listener) -> None:
        """`listener` is called with topic and content of everything the session publishes."""
        self._session = session
        self._listener = listener
        self._context = zmq.asyncio.Context()
        self._pose_context = zmq.Context()
        self._poses = self._pose_context.socket(zmq.PUB)
        self._poses.linger = 0
        self._poses.sndhwm = 4
        self._poses_at = ""  # where poses are accepted, once somebody does
        self._held: dict[object, list[float]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to listen, and to publish held poses."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._hold())]

    async def close(self) -> None:
        """Let everything go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._context.destroy(linger=0)
        self._pose_context.destroy(linger=0)

    # --- asking

    async def ask(self, request: Message) -> Reply:
        """Ask the supervisor; a session that is gone or silent is an answer too."""
        try:
            address = read_session(self._session)["endpoints"]["control"]
        except SessionMissing as missing:
            return Reply(error=str(missing.args[0]))
        with self._context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            socket.connect(address)
            await socket.send(encode(request))
            try:
                data = await asyncio.wait_for(socket.recv(), _PATIENCE_S)
                reply = decode(data, Reply)
                assert isinstance(reply, Reply)
                return reply
            except TimeoutError:
                return Reply(error=f"the session did not answer in {_PATIENCE_S:g} s")
            except MessageRejected as error:
                return Reply(error=f"the session answered nonsense: {error}")

    # --- listening

    async def _listen(self) -> None:
        with self._context.socket(zmq.SUB) as socket:
            socket.linger = 0
            socket.subscribe(b"")
            socket.connect(read_session(self._session)["endpoints"]["events"])
            while True:
                topic, data = await socket.recv_multipart()
                content = msgpack.unpackb(data)
                if content.get("event") == "ready":
                    self._find_poses()  # an ingest may have come, or come back elsewhere
                self._listener(topic.decode(), content)

    # --- poses

    def publish(self, pose: list[float]) -> None:
        """Publish a pose measured now; nothing happens while nobody accepts poses."""
        if not self._poses_at:
            self._find_poses()
        message = {"pose": pose, "time_ns": now_ns(), "source": SOURCE}
        with contextlib.suppress(zmq.Again):
            self._poses.send(msgpack.packb(message), zmq.NOBLOCK)

    def hold(self, holder: object, pose: list[float] | None) -> None:
        """Publish a pose again and again until its holder gives another or None."""
        self._held.pop(holder, None)
        if pose is not None:
            assert len(pose) == SIZE
            self._held[holder] = pose

    async def _hold(self) -> None:
        while True:
            await asyncio.sleep(_HOLD_S)
            if self._held:
                self.publish(next(reversed(self._held.values())))

    def _find_poses(self) -> None:
        try:
            address = read_session(self._session)["endpoints"].get("poses", "")
        except SessionMissing:
            return
        if address != self._poses_at:
            if self._poses_at:
                self._poses.disconnect(self._poses_at)
            self._poses.connect(address)
            self._poses_at = address
