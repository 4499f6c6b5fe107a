"""Asks a running session: what `launcher.py status`, `stop` and the rest are made of."""

from pathlib import Path
from typing import Any

import zmq

from shm.session import read_session
from stages.control import Message, MessageRejected, Reply, SetImage, decode, encode


class RequestFailed(RuntimeError):
    """The session refused, or did not answer."""


def ask(session: str, request: Message, timeout_s: float = 12.0) -> Any:
    """Send one request and return what the session answers.

    Raises `SessionMissing`, or `RequestFailed` with the session's reason.
    """
    endpoint = read_session(session)["endpoints"]["control"]
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(endpoint)
        socket.send(encode(request))
        if not socket.poll(int(timeout_s * 1000)):
            raise RequestFailed(f'the session "{session}" did not answer in {timeout_s:g} s')
        try:
            reply: Reply = decode(socket.recv(), Reply)
        except MessageRejected as error:
            raise RequestFailed(f'the session "{session}" answered nonsense: {error}') from error
    if reply.error is not None:
        raise RequestFailed(reply.error)
    return reply.result


def set_image(session: str, path: Path, stage: str | None = None) -> None:
    """Show the picture in a file from now on."""
    try:
        image = path.read_bytes()
    except OSError as error:
        raise RequestFailed(f"{path} cannot be read: {error.strerror}") from error
    ask(session, SetImage(image=image, stage=stage))
