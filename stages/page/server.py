"""The page's web server: its files, its sockets, pictures in and out."""

import asyncio
import json
import logging
import socket as sockets
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import cv2
import msgspec
import numpy as np
from aiohttp import WSCloseCode, web
from msgspec import Meta, Struct

from stages.complaints import Complaints
from stages.control import SetCharacter, SetImage
from stages.meter import Meter
from stages.page.feed import Feed, Picture
from stages.page.guard import Guard, is_loopback, new_token
from stages.page.link import SessionLink
from stages.page.options import PageOptions
from stages.page.prometheus import metrics_text
from stages.page.recorder import NothingRecorded, Recorder, Recording, animate
from stages.page.sockets import FrameSocket, SessionSocket, greeting, new_socket
from stages.page.wire import Codec
from stages.stage import StartFailed

STATIC: Final = Path(__file__).parent / "static"
USUAL_PORT: Final = 8571
_MOST_UPLOAD_BYTES: Final = 32 << 20
_MOST_SOCKETS: Final = 32
_KEPT_RECORDINGS: Final = 3
_POSE_S: Final = 0.1  # how often pages are told the pose of the frame on show
_CODECS: Final = {"jpeg": Codec.JPEG, "raw": Codec.RAW}
_TYPES: Final = {"webp": "image/webp", "png": "image/apng"}

log = logging.getLogger("stage")


class RecordingWish(Struct, forbid_unknown_fields=True, frozen=True):
    """What a page wants recorded."""

    seconds: Annotated[float, Meta(gt=0, le=60)] = 3.0
    fps: Annotated[float, Meta(ge=1, le=60)] = 25.0
    size: Annotated[int, Meta(ge=64, le=2048)] = 512
    format: Literal["webp", "png"] = "webp"


class Server:
    """Everything behind one port. All of it runs in one event loop."""

    def __init__(self, session: str, options: PageOptions, meter: Meter) -> None:
        self.notes: list[str] = []
        self._session = session
        self._options = options
        self._meter = meter
        self._complaints = Complaints()
        needs_token = options.token is not None or not is_loopback(options.host)
        self.token = (options.token or new_token()) if needs_token else None
        self._guard = Guard(options.host, self.token, self._refused)
        self._link = SessionLink(session, self._heard)
        self._recorder = Recorder(options.record_s)
        self._recordings: dict[str, Recording] = {}
        self._recorded = 0
        self._status: dict[str, Any] | None = None
        self._feed: Feed | None = None
        self._frame_sockets: set[web.WebSocketResponse] = set()
        self._pages: dict[SessionSocket, web.WebSocketResponse] = {}
        self._recording = asyncio.Lock()

    # --- life

    async def start(self) -> None:
        """Listen. Raises `StartFailed` if the port cannot be had."""
        app = web.Application(
            middlewares=[self._guard.middleware], client_max_size=_MOST_UPLOAD_BYTES
        )
        app.on_response_prepare.append(self._guard.add_headers)
        app.add_routes(
            [
                web.get("/", partial(self._file, "index.html")),
                web.get("/frame", partial(self._file, "frame.html")),
                web.static("/static", STATIC),
                web.get("/ws", self._frames),
                web.get("/session", self._page),
                web.get("/frame.png", self._frame_png),
                web.post("/picture", self._set_picture),
                web.post("/character", self._set_character),
                web.post("/recordings", self._record),
                web.get("/recordings/{name}", self._recording_file),
                web.get("/healthz", self._health),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        self.port = await self._bind()
        self._guard.port = self.port
        self._link.start()
        self._pose_task = asyncio.create_task(self._tell_poses())

    async def _bind(self) -> int:
        """Listen on the port wanted, or on a free one if that is our choice; return it."""
        host, wanted = self._options.host, self._options.port
        try:
            return await self._listen(USUAL_PORT if wanted == "auto" else wanted)
        except OSError as error:
            if wanted != "auto":
                raise StartFailed(
                    f"cannot serve the page on {host} port {wanted} ({error.strerror}): another "
                    'program has it; give stages.page.options.port another one, or "auto"'
                ) from error
        try:
            port = await self._listen(0)
        except OSError as error:
            raise StartFailed(
                f"cannot serve the page on {host} ({error.strerror}): give "
                "stages.page.options.host an address of this machine, such as 127.0.0.1"
            ) from error
        self.notes.append(f"port {USUAL_PORT} is taken, a free one was chosen")
        return port

    async def _listen(self, port: int) -> int:
        site = web.TCPSite(self._runner, self._options.host, port, shutdown_timeout=0.5)
        await site.start()
        return int(self._runner.addresses[0][1])

    @property
    def address(self) -> str:
        """Where to open the page, with the token if one is needed."""
        host = self._options.host
        if host in ("0.0.0.0", "::"):
            host = sockets.gethostname()
        elif ":" in host:
            host = f"[{host}]"
        return f"http://{host}:{self.port}/" + (f"?token={self.token}" if self.token else "")

    def show(self, feed: Feed) -> None:
        """Serve the frames of this feed."""
        self._feed = feed
        feed.on_picture = self._keep

    async def close(self) -> None:
        """Say goodbye to everybody and stop listening."""
        self._pose_task.cancel()
        goodbyes = [
            socket.close(code=WSCloseCode.GOING_AWAY, message=b"the session has ended")
            for socket in (*self._frame_sockets, *self._pages.values())
        ]
        await asyncio.gather(*goodbyes, return_exceptions=True)
        await self._link.close()
        await self._runner.cleanup()

    # --- what happens

    def _refused(self, why: str) -> None:
        self._meter.count("refused")
        self._complaints.say("refused", f"a request was refused: {why}")

    def _malformed(self, why: str) -> None:
        self._meter.count("malformed")
        self._complaints.say("malformed", f"a page sent what is no message: {why}")

    def _heard(self, topic: str, content: dict[str, Any]) -> None:
        """Pass on what the session publishes."""
        if topic == "metrics":
            self._status = content
        kind = "status" if topic == "metrics" else "event"
        if self._pages:
            self._tell(json.dumps({"type": kind, kind: content}))

    def _tell(self, text: str) -> None:
        for page in self._pages:
            page.tell(text)

    def _keep(self, picture: Picture) -> None:
        if self._pages:
            self._recorder.keep(picture)

    async def _tell_poses(self) -> None:
        """Tell pages which pose the frame on show has, so that their sliders can show it."""
        told = 0
        while True:
            await asyncio.sleep(_POSE_S)
            picture = self._feed.last if self._feed else None
            if self._pages and picture is not None and picture.number != told:
                told = picture.number
                pose = np.frombuffer(picture.stamp.pose, "<f4").astype(float).round(3)
                self._tell(json.dumps({"type": "pose", "pose": pose.tolist()}))

    # --- sockets

    def _admit(self) -> None:
        if len(self._frame_sockets) + len(self._pages) >= _MOST_SOCKETS:
            raise web.HTTPServiceUnavailable(text="too many pages are open\n")

    async def _frames(self, request: web.Request) -> web.WebSocketResponse:
        self._admit()
        wanted = request.query.get("codec", "jpeg")
        if wanted not in _CODECS:
            raise web.HTTPBadRequest(text=f"codec is one of {', '.join(_CODECS)}\n")
        socket = new_socket()
        await socket.prepare(request)
        assert self._feed is not None
        self._frame_sockets.add(socket)
        try:
            await FrameSocket(socket, self._feed, _CODECS[wanted]).run(self._malformed)
        finally:
            self._frame_sockets.discard(socket)
        return socket

    async def _page(self, request: web.Request) -> web.WebSocketResponse:
        self._admit()
        socket = new_socket()
        await socket.prepare(request)
        page = SessionSocket(socket, self._link)
        page.tell(greeting(self._session, self._options.record_s, self._status))
        self._pages[page] = socket
        try:
            await page.run(self._malformed)
        finally:
            del self._pages[page]
            if not self._pages:
                self._recorder.forget()
        return socket

    # --- files and pictures

    async def _file(self, name: str, _request: web.Request) -> web.FileResponse:
        return web.FileResponse(STATIC / name)

    async def _frame_png(self, _request: web.Request) -> web.Response:
        frame = self._feed.newest() if self._feed else None
        if frame is None:
            raise web.HTTPServiceUnavailable(text="there is no frame yet\n")
        _, data = await asyncio.to_thread(cv2.imencode, ".png", frame)
        return web.Response(body=data.tobytes(), content_type="image/png")

    async def _set_picture(self, request: web.Request) -> web.Response:
        """Show another character; the reason if the picture does not fit."""
        try:
            image = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _refusal(f"the picture is larger than {_MOST_UPLOAD_BYTES >> 20} MiB", 413)
        reply = await self._link.ask(SetImage(image=image, stage=request.query.get("stage")))
        if reply.error is not None:
            return _refusal(reply.error.replace("the given bytes", "this picture"), 422)
        return web.json_response({"error": None})

    async def _set_character(self, request: web.Request) -> web.Response:
        """Show a trained character, whose files come as a form; the reason if it is none."""
        try:
            form = await request.post()
        except web.HTTPRequestEntityTooLarge:
            return _refusal(f"the character is larger than {_MOST_UPLOAD_BYTES >> 20} MiB", 413)
        except ValueError as error:
            return _refusal(f"this is no form with files: {error}", 400)
        files = {
            file.filename: await asyncio.to_thread(file.file.read)
            for file in form.values()
            if isinstance(file, web.FileField)
        }
        reply = await self._link.ask(SetCharacter(files=files, stage=request.query.get("stage")))
        if reply.error is not None:
            return _refusal(reply.error, 422)
        return web.json_response({"error": None})

    async def _record(self, request: web.Request) -> web.Response:
        """Make an animation of the last seconds; its address is the answer."""
        try:
            wish = msgspec.json.decode(await request.read(), type=RecordingWish)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            self._malformed(str(error))
            return _refusal(str(error), 400)
        async with self._recording:  # one at a time: it takes a core
            try:
                chosen = self._recorder.last(wish.seconds, wish.fps)
            except NothingRecorded as error:
                return _refusal(str(error), 409)
            made = await asyncio.to_thread(animate, chosen, wish.size, wish.format)
        self._recorded += 1
        name = f"{self._session}-{self._recorded}.{made.format}"
        self._recordings[name] = made
        while len(self._recordings) > _KEPT_RECORDINGS:
            del self._recordings[next(iter(self._recordings))]
        facts = {"frames": made.frames, "seconds": made.seconds, "bytes": len(made.data)}
        return web.json_response({"error": None, "address": f"/recordings/{name}", **facts})

    async def _recording_file(self, request: web.Request) -> web.Response:
        found = self._recordings.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound(text="this recording is not kept any more\n")
        return web.Response(body=found.data, content_type=_TYPES[found.format])

    # --- state and numbers

    async def _health(self, _request: web.Request) -> web.Response:
        state = self._status["state"] if self._status else "starting"
        code = 200 if state in ("running", "paused") else 503
        return web.json_response({"session": self._session, "state": state}, status=code)

    async def _metrics(self, _request: web.Request) -> web.Response:
        if self._status is None:
            raise web.HTTPServiceUnavailable(text="the session has said nothing yet\n")
        clients = {"frames_out": 0, "malformed": 0, "refused": 0, **self._meter.counters}
        return web.Response(text=metrics_text(self._status, clients))


def _refusal(error: str, code: int) -> web.Response:
    return web.json_response({"error": error}, status=code)
