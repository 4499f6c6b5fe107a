"""The ways to hand a frame to another process that are compared: our ring, iceoryx2, ZeroMQ.

Each way has a sender and a receiver that do the same work around the hand-over: the frame is filled
by one memcpy, in place where the way allows it; then the time is stored in its first 8 bytes; then
it is sent. A receiver returns a NumPy view of the frame and the time at which it had it.
"""

import ctypes
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shm import RingReader, RingWriter, Stamp, image_format, now_ns
from shm.compiled import LIVE, PURE

FORMAT: Final = image_format(512, 512)
NBYTES: Final = FORMAT.nbytes
WAIT_S: Final = 1.0
_STAMP: Final = Stamp()


class Sender(ABC):
    """Sends frames; `name` is common to sender and receiver."""

    @abstractmethod
    def __init__(self, name: str) -> None: ...

    @abstractmethod
    def send(self, picture: NDArray[np.uint8], mark: int = 0) -> None:
        """Fill a frame with `picture` (flat), mark it with the time or with `mark`, send it."""

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Let go."""


class Receiver(ABC):
    """Receives frames."""

    @abstractmethod
    def __init__(self, name: str) -> None: ...

    @abstractmethod
    def receive(self) -> tuple[NDArray[Any], int] | None:
        """Block for the next frame, a second at most; return it as 8-byte words, and when."""

    def done(self) -> bool:
        """Let the frame go; return whether what was read from it was good."""
        return True

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Let go."""


class RingSender(Sender):
    """Our ring."""

    def __init__(self, name: str) -> None:
        self._writer = RingWriter(name)
        # A sender knows its arrays: their flat and first-word views are made once, as a stage does.
        self._views: dict[int, tuple[NDArray[np.uint8], memoryview]] = {}

    def send(self, picture: NDArray[np.uint8], mark: int = 0) -> None:
        """See `Sender`."""
        slot = self._writer.loan(_STAMP)
        views = self._views.get(slot.index)
        if views is None:
            flat = slot.array.reshape(-1)
            views = self._views[slot.index] = (flat, flat[:8].data.cast("Q"))
        views[0][:] = picture
        views[1][0] = mark or now_ns()
        self._writer.publish(slot)

    def close(self) -> None:
        """See `Sender`."""
        self._writer.close()


class RingReceiver(Receiver):
    """Our ring, sleeping until the writer wakes us."""

    predict = False
    in_order = False

    def __init__(self, name: str) -> None:
        self._reader = RingReader(name, predict=self.predict)
        self._following = self._reader.next if self.in_order else self._reader.newest

    def receive(self) -> tuple[NDArray[Any], int] | None:
        """See `Receiver`."""
        frame = self._following(WAIT_S)
        if frame is None:
            return None
        array, at = frame.array, now_ns()
        self._frame = frame
        return array.reshape(-1).view(np.uint64), at

    def done(self) -> bool:
        """See `Receiver`."""
        return self._frame.valid

    def close(self) -> None:
        """See `Receiver`."""
        self._reader.close()


@contextmanager
def _without_helpers() -> Iterator[None]:
    before = os.environ.get(PURE, "")
    os.environ[PURE] = "1"
    yield
    os.environ[PURE] = before


class PythonSender(RingSender):
    """Our ring as it is where the helper could not be compiled."""

    def __init__(self, name: str) -> None:
        with _without_helpers():
            super().__init__(name)


class PythonReceiver(RingReceiver):
    """Our ring as it is where the helper could not be compiled."""

    def __init__(self, name: str) -> None:
        with _without_helpers():
            super().__init__(name)


class PredictingReceiver(RingReceiver):
    """Our ring, awake shortly before the next frame is due."""

    predict = True


class InOrderReceiver(RingReceiver):
    """Our ring, every frame in order."""

    in_order = True


class _IceoryxFrame(ctypes.Structure):
    _fields_ = (("data", ctypes.c_uint8 * NBYTES),)

    @staticmethod
    def type_name() -> str:
        """What iceoryx2 calls the payload; the same in both processes."""
        return "ayatsuri-frame"


def _memory_at(address: int) -> NDArray[np.uint8]:
    return np.frombuffer(memoryview((ctypes.c_uint8 * NBYTES).from_address(address)), np.uint8)


class _Iceoryx:
    """A node with the publish-subscribe service of the frames and the event service beside it."""

    def __init__(self, name: str) -> None:
        import iceoryx2 as iox2

        iox2.set_log_level(iox2.LogLevel.Error)
        self.iox2 = iox2
        self.node = iox2.NodeBuilder.new().create(iox2.ServiceType.Ipc)
        service = iox2.ServiceName.new(f"ayatsuri/{name}")
        builder = self.node.service_builder(service).publish_subscribe(_IceoryxFrame)
        self.frames = (
            builder.payload_alignment(iox2.Alignment.new(64))
            .subscriber_max_buffer_size(4)
            .open_or_create()
        )
        self.events = self.node.service_builder(service).event().open_or_create()


class IceoryxSender(Sender):
    """iceoryx2: loan, fill in place, send, notify."""

    def __init__(self, name: str) -> None:
        self._services = _Iceoryx(name)
        self._publisher = self._services.frames.publisher_builder().create()
        self._notifier = self._services.events.notifier_builder().create()
        self._views: dict[int, tuple[NDArray[np.uint8], memoryview]] = {}

    def send(self, picture: NDArray[np.uint8], mark: int = 0) -> None:
        """See `Sender`."""
        sample = self._publisher.loan_uninit()
        address = sample.payload_ptr
        views = self._views.get(address)
        if views is None:
            flat = _memory_at(address)
            views = self._views[address] = (flat, flat[:8].data.cast("Q"))
        views[0][:] = picture
        views[1][0] = mark or now_ns()
        sample.assume_init().send()
        self._notifier.notify()


class IceoryxReceiver(Receiver):
    """iceoryx2: block in the listener, then take the newest sample."""

    def __init__(self, name: str) -> None:
        self._services = _Iceoryx(name)
        self._subscriber = self._services.frames.subscriber_builder().create()
        self._listener = self._services.events.listener_builder().create()
        self._timeout = self._services.iox2.Duration.from_millis(int(WAIT_S * 1000))
        self._views: dict[int, NDArray[Any]] = {}
        self._sample: Any = None

    def receive(self) -> tuple[NDArray[Any], int] | None:
        """See `Receiver`."""
        sample = self._subscriber.receive()  # one may have come while we used the last
        if sample is None:
            self._listener.timed_wait(self._timeout)
            sample = self._subscriber.receive()
        if sample is None:
            return None
        address = sample.payload_ptr
        words = self._views.get(address)
        if words is None:
            words = self._views[address] = _memory_at(address).view(np.uint64)
        at = now_ns()
        self._sample = sample
        return words, at

    def done(self) -> bool:
        """See `Receiver`."""
        self._sample.delete()
        return True


class ZmqSender(Sender):
    """ZeroMQ: whole frames through a local socket, not copied on our side."""

    def __init__(self, name: str) -> None:
        import zmq

        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUSH)
        self._socket.setsockopt(zmq.SNDHWM, 2)
        self._socket.bind(f"ipc://@{name}")
        # ZeroMQ reads a buffer after `send` has returned: several, in turn.
        flats = [np.zeros(NBYTES, np.uint8) for _ in range(8)]
        self._buffers = [(flat, flat[:8].data.cast("Q")) for flat in flats]
        self._next = 0

    def send(self, picture: NDArray[np.uint8], mark: int = 0) -> None:
        """See `Sender`."""
        self._next = (self._next + 1) % len(self._buffers)
        flat, first = self._buffers[self._next]
        flat[:] = picture
        first[0] = mark or now_ns()
        self._socket.send(flat.data, copy=False)

    def close(self) -> None:
        """See `Sender`."""
        self._socket.close(linger=0)
        self._context.term()


class ZmqReceiver(Receiver):
    """ZeroMQ: a blocking receive without a copy on our side."""

    def __init__(self, name: str) -> None:
        import zmq

        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PULL)
        self._socket.setsockopt(zmq.RCVHWM, 2)
        self._socket.setsockopt(zmq.RCVTIMEO, int(WAIT_S * 1000))
        self._socket.connect(f"ipc://@{name}")
        self._again = zmq.Again

    def receive(self) -> tuple[NDArray[Any], int] | None:
        """See `Receiver`."""
        try:
            message = self._socket.recv(copy=False)
        except self._again:
            return None
        words = np.frombuffer(message.buffer, np.uint64)
        return words, now_ns()

    def close(self) -> None:
        """See `Receiver`."""
        self._socket.close(linger=0)
        self._context.term()


SENDERS: Final[dict[str, type[Sender]]] = {
    "ring": RingSender,
    "ring, in Python": PythonSender,
    "ring, predicting": RingSender,
    "ring, in order": RingSender,
    "iceoryx2": IceoryxSender,
    "ZeroMQ": ZmqSender,
}
RECEIVERS: Final[dict[str, type[Receiver]]] = {
    "ring": RingReceiver,
    "ring, in Python": PythonReceiver,
    "ring, predicting": PredictingReceiver,
    "ring, in order": InOrderReceiver,
    "iceoryx2": IceoryxReceiver,
    "ZeroMQ": ZmqReceiver,
}


def available() -> list[str]:
    """Return the ways that this machine can go."""
    ways = ["ring", "ring, predicting"]
    if LIVE.load():
        ways.insert(1, "ring, in Python")
    else:
        print(f"the helper {LIVE.find().state}: every ring is in Python ({LIVE.find().mend})")
    for way, package in (("iceoryx2", "iceoryx2"), ("ZeroMQ", "zmq")):
        try:
            __import__(package)
        except ImportError:
            print(f"{package} is not installed: left out (pip install 'ayatsuri[bench]')")
            continue
        ways.append(way)
    return ways
