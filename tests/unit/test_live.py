"""The compiled helper: what it is given wrongly it refuses, and it crashes nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rings import HEADER

from shm import layout
from shm.compiled import LIVE

WORDS = layout.HEADER_BYTES // 8 + 64  # a header and one slot
LOCK = layout.HEADER_BYTES // 8
HOP = LOCK + layout.offsets(layout.SLOT)["hops"] // 8
FUNCTIONS = ("load", "load_last", "store", "fence", "wait", "publish")


@pytest.fixture(scope="module")
def live() -> Any:
    """The helper."""
    found = LIVE.find()
    if found.module is None:
        pytest.skip(f"the helper {found.state}; {found.mend} runs this")
    return found.module


def ring(words: int = WORDS) -> memoryview:
    """Return zeros in which the helper may think a ring to be."""
    return memoryview(bytearray(8 * words)).cast("Q")


def released() -> memoryview:
    """Return a view that was let go."""
    view = ring()
    view.release()
    return view


Wrong = Callable[[Any], Any]
WRONG: dict[str, tuple[type[Exception], Wrong]] = {
    "no arguments": (TypeError, lambda live: live.load()),
    "an argument too many": (TypeError, lambda live: live.wait(ring(), 0, 0, 0)),
    "an argument too few": (TypeError, lambda live: live.publish(ring(), 0, LOCK, HOP)),
    "no memory": (TypeError, lambda live: live.load(7, 0)),
    "bytes": (TypeError, lambda live: live.load(memoryview(bytearray(64)), 0)),
    "signed words": (TypeError, lambda live: live.load(ring().cast("B").cast("q"), 0)),
    "words out of line": (
        TypeError,
        lambda live: live.load(memoryview(bytearray(65))[1:].cast("Q"), 0),
    ),
    "every other word": (BufferError, lambda live: live.load(ring()[::2], 0)),
    "a released view": (ValueError, lambda live: live.load(released(), 0)),
    "a released ring": (ValueError, lambda live: live.wait(released(), 0, 1)),
    "an index below": (IndexError, lambda live: live.load(ring(), -1)),
    "an index above": (IndexError, lambda live: live.store(ring(), WORDS, 1)),
    "an index far above": (IndexError, lambda live: live.load(ring(), 2**62)),
    "an index of no size": (OverflowError, lambda live: live.load_last(ring(), 2**70)),
    "an index that is none": (TypeError, lambda live: live.load(ring(), 1.0)),
    "a negative value": (OverflowError, lambda live: live.store(ring(), 0, -1)),
    "a value of 65 bits": (OverflowError, lambda live: live.store(ring(), 0, 2**64)),
    "a store into what is read": (
        BufferError,
        lambda live: live.store(ring().toreadonly(), 0, 1),
    ),
    "no whole ring to wait for": (IndexError, lambda live: live.wait(ring(16), 0, 1)),
    "a cursor that is none": (TypeError, lambda live: live.wait(ring(), None, 1)),
    "a time that is none": (TypeError, lambda live: live.wait(ring(), 0, None)),
    "a slot that is cut off": (
        IndexError,
        lambda live: live.publish(ring(), 0, LOCK + 1, HOP, 256),
    ),
    "a hop outside": (IndexError, lambda live: live.publish(ring(), 0, LOCK, WORDS, 256)),
    "a publication of a reader": (
        BufferError,
        lambda live: live.publish(ring().toreadonly(), 0, LOCK, HOP, 256),
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_raises(live: Any, case: str) -> None:
    error, use = WRONG[case]
    with pytest.raises(error):
        use(live)


def test_refused_publication_changes_nothing(live: Any) -> None:
    words = ring()
    for arguments in ((0, LOCK + 1, HOP, 256), (0, LOCK, WORDS, 256), (-1, LOCK, HOP, 256)):
        with pytest.raises((IndexError, OverflowError)):
            live.publish(words, *arguments)
    assert not any(words)


NUMBERS = st.integers(-(2**66), 2**66) | st.integers(-2, WORDS + 2)
THINGS = st.none() | st.floats() | st.binary(max_size=8) | NUMBERS | st.builds(ring)


@given(
    name=st.sampled_from(FUNCTIONS),
    words=st.builds(ring, st.integers(0, WORDS)) | THINGS,
    rest=st.lists(THINGS, max_size=5),
)
def test_any_arguments_give_a_result_or_an_error(
    live: Any, name: str, words: Any, rest: list[Any]
) -> None:
    if name == "wait" and len(rest) == 2:
        rest[1] = min(rest[1], 1000) if isinstance(rest[1], int) else rest[1]
    try:
        result = getattr(live, name)(*([] if name == "fence" else [words, *rest]))
    except (TypeError, ValueError, IndexError, OverflowError, BufferError):
        return
    assert result is None or 0 <= result < 2**64


def test_wait_of_any_length_gives_the_head_that_is_there(live: Any) -> None:
    words = ring()
    words[HEADER["head"] // 8] = 5 << 8 | 2
    for timeout_ns in (-(10**30), -1, 0, 1, 2**63 - 1, 10**30):
        assert live.wait(words, 4, timeout_ns) == 5 << 8 | 2


def test_wait_in_the_past_gives_nothing(live: Any) -> None:
    for timeout_ns in (-(10**30), -1, 0):
        assert live.wait(ring(), 0, timeout_ns) == 0


def test_published_words_are_where_the_layout_has_them(live: Any) -> None:
    words, slot = ring(), {k: LOCK + v // 8 for k, v in layout.offsets(layout.SLOT).items()}
    sequence = 3 * layout.HISTORY_COUNT + 5
    head = sequence << 8
    words[slot["captured_ns"]] = 1000
    live.publish(words, 7 << 56, LOCK, HOP, head)
    published = words[slot["published_ns"]]
    expected = {
        HEADER["head"] // 8: head,
        HEADER["history"] // 8 + 5: head,
        LOCK: sequence << 1,
        slot["sequence"]: sequence,
        slot["published_ns"]: published,
        slot["captured_ns"]: 1000,
        HOP: 7 << 56 | published - 1000,
    }
    assert {index: word for index, word in enumerate(words) if word} == expected
