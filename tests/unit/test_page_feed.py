"""Frames for browsers: the newest, encoded once however many ask, and not at all when none does."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from shm.frame import Stamp, image_format
from shm.writer import RingWriter
from stages.meter import Meter
from stages.page.feed import Feed
from stages.page.wire import Codec, Encoder, Header, decode, unpack

DEADLINE_S = 10.0


class CountingEncoder:
    """Says what it was given instead of encoding it."""

    def __init__(self) -> None:
        self.headers: list[Header] = []

    def message(self, header: Header, frame: np.ndarray) -> bytes:
        self.headers.append(header)
        return bytes((header.codec, int(frame[0, 0, 0])))


class Show:
    """A ring with a writer, and a feed of it."""

    def __init__(self, owner) -> None:
        self.writer = RingWriter(owner.name)
        self.loop = asyncio.new_event_loop()
        self.encoder = CountingEncoder()
        self.feed = Feed([owner.name], self.loop, self.encoder, Meter())

    def publish(self, value: int) -> None:
        with self.writer.slot(Stamp(pose_sequence=value)) as array:
            array[:] = value

    def ask(self, *wishes: tuple[int, Codec]):
        """Ask for several pictures at once; return what each asker gets."""

        async def all_of_them():
            asking = (self.feed.after(number, codec) for number, codec in wishes)
            return await asyncio.wait_for(asyncio.gather(*asking), DEADLINE_S)

        return self.loop.run_until_complete(all_of_them())

    def close(self) -> None:
        self.feed.close()
        self.writer.close()
        self.loop.close()


@pytest.fixture
def show(make_ring) -> Iterator[Show]:
    found = Show(make_ring(image_format(8, 8)))
    yield found
    found.close()


def test_frame_is_encoded_once_for_all_who_ask(show):
    show.publish(1)
    pictures = show.ask(*[(0, Codec.JPEG)] * 5)
    assert len({id(picture) for picture in pictures}) == 1
    assert len(show.encoder.headers) == 1


def test_each_codec_is_encoded_once(show):
    show.publish(1)
    first, second, _ = show.ask((0, Codec.JPEG), (0, Codec.RAW), (0, Codec.JPEG))
    assert first.messages[Codec.JPEG][0] == 1 and second.messages[Codec.RAW][0] == 0
    assert sorted(header.codec for header in show.encoder.headers) == [0, 1]


def test_nothing_is_encoded_while_nobody_asks(show):
    for value in range(5):
        show.publish(value)
    assert show.encoder.headers == []


def test_newest_frame_is_given(show):
    for value in range(1, 6):
        show.publish(value)
    assert show.ask((0, Codec.JPEG))[0].messages[Codec.JPEG][1] == 5


def test_frame_comes_that_was_published_after_asking(show):
    show.publish(1)
    number = show.ask((0, Codec.JPEG))[0].number
    show.loop.call_later(0.05, show.publish, 2)
    assert show.ask((number, Codec.JPEG))[0].messages[Codec.JPEG][1] == 2


def test_newcomer_gets_the_frame_that_stands_still_without_encoding_it_again(show):
    show.publish(1)
    show.ask((0, Codec.JPEG))
    assert show.ask((0, Codec.JPEG))[0].messages[Codec.JPEG][1] == 1
    assert len(show.encoder.headers) == 1


def test_closing_sends_those_who_wait_away(show):
    async def wait_then_close():
        waiting = asyncio.create_task(show.feed.after(0, Codec.JPEG))
        await asyncio.sleep(0)
        show.feed.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    show.loop.run_until_complete(wait_then_close())
    show.feed.close = lambda: None


@pytest.mark.parametrize("codec", list(Codec))
def test_message_says_what_it_holds(codec):
    frame = np.zeros((16, 24, 4), np.uint8)
    frame[4:12, 6:18] = (30, 60, 200, 255)
    header = Header(codec, 2, 24, 16, 77, 123456789012345)
    message = Encoder(95).message(header, frame)
    assert unpack(message)[0] == header
    assert np.abs(decode(message).astype(int) - frame).mean() < 4


@pytest.mark.parametrize("message", [b"", b"VTF0" + bytes(40), b"VTF1", b"VTF1" + bytes(60)])
def test_what_is_no_message_is_refused(message):
    with pytest.raises(ValueError):
        unpack(message)
