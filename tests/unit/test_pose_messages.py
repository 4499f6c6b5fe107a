"""Whatever bytes arrive, a pose message is a pose within its ranges, or refused in one sentence."""

import contextlib
import struct

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.ingest.messages import MAX_BYTES, PoseRejected, parse, source_number
from stages.pose import HIGH, LOW, SIZE

ZEROS = bytes(4 * SIZE)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=80)
    | st.binary(max_size=200)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=20)),
    lambda inner: (
        st.lists(inner, max_size=50) | st.dictionaries(st.text(max_size=10), inner, max_size=5)
    ),
    max_leaves=60,
)
near_poses = (
    st.lists(st.floats() | st.integers(-(2**63), 2**64 - 1), min_size=44, max_size=46)
    | st.lists(st.floats(width=32), min_size=SIZE, max_size=SIZE).map(
        lambda values: struct.pack(f"<{SIZE}f", *values)
    )
    | st.binary(min_size=179, max_size=181)
)


def check(data):
    """Parse; a refusal is a sentence, and what is accepted is a pose."""
    try:
        message = parse(data)
    except PoseRejected as error:
        assert str(error)
        assert len(str(error)) < 300
        return
    assert message.pose.shape == (SIZE,)
    assert message.pose.dtype == np.float32
    assert np.isfinite(message.pose).all()
    assert ((message.pose >= LOW) & (message.pose <= HIGH)).all()
    assert message.time_ns is None or 0 <= message.time_ns < 2**64
    assert 0 <= source_number(message.source) < 2**32


@given(st.binary(max_size=600))
def test_any_bytes_are_a_pose_or_refused(data):
    check(data)


@given(anything)
def test_any_msgpack_value_is_a_pose_or_refused(value):
    check(msgpack.packb(value))


@given(near_poses)
def test_nearly_right_poses_are_a_pose_or_refused(value):
    check(msgpack.packb(value))


@given(
    st.fixed_dictionaries(
        {"pose": near_poses | anything},
        optional={
            "time_ns": anything,
            "source": st.text(max_size=100) | anything,
            "other": anything,
        },
    )
)
def test_any_map_is_a_pose_or_refused(content):
    check(msgpack.packb(content))


@given(st.integers(0, 230), st.integers(0, 255))
def test_damaged_byte_of_a_right_message_does_no_harm(at, value):
    data = bytearray(msgpack.packb({"pose": ZEROS, "time_ns": 5, "source": "me"}))
    data[at % len(data)] = value
    check(bytes(data))


@given(st.integers(0, 230))
def test_message_cut_short_is_refused(length):
    data = msgpack.packb({"pose": ZEROS, "time_ns": 5, "source": "me"})
    with pytest.raises(PoseRejected):
        parse(data[: length % len(data)])


@given(st.integers(0, SIZE - 1), st.sampled_from([np.nan, np.inf, -np.inf, 17.0, -1e30]))
def test_pose_with_one_impossible_number_is_refused(at, value):
    pose = np.zeros(SIZE, "<f4")
    pose[at] = value
    for form in (pose.tobytes(), pose.tolist()):
        with pytest.raises(PoseRejected, match=f"parameter {at} "):
            parse(msgpack.packb(form))


@pytest.mark.parametrize("length", [0, 1, 44, 46, 90])
def test_pose_of_another_length_is_refused_with_the_length(length):
    with pytest.raises(PoseRejected):
        parse(msgpack.packb([0.0] * length))
    with pytest.raises(PoseRejected):
        parse(msgpack.packb(bytes(4 * length)))


def test_huge_message_is_refused_before_it_is_read():
    with pytest.raises(PoseRejected, match=f"at most {MAX_BYTES} bytes, not 100000"):
        parse(bytes(100_000))


def test_deeply_nested_message_is_refused():
    with pytest.raises(PoseRejected):
        parse(b"\x91" * 4000 + b"\xc0")


def test_text_that_is_not_utf8_is_refused():
    with pytest.raises(PoseRejected):
        parse(b"\x82\xa4pose\xc4\xb4" + ZEROS + b"\xa6source\xa2\xff\xfe")


def test_numbers_beyond_float32_in_a_list_are_refused():
    with pytest.raises(PoseRejected):
        parse(msgpack.packb([1e300] * SIZE))


def test_value_slightly_out_of_range_counts_as_the_nearer_bound():
    pose = np.full(SIZE, 1.5, "<f4")
    assert (parse(msgpack.packb(pose.tobytes())).pose == HIGH).all()


@given(st.lists(st.floats(0, 1, width=32), min_size=SIZE, max_size=SIZE))
def test_bytes_and_list_of_the_same_numbers_are_the_same_pose(values):
    as_list = parse(msgpack.packb(values)).pose
    as_bytes = parse(msgpack.packb(struct.pack(f"<{SIZE}f", *values))).pose
    assert as_list.tobytes() == as_bytes.tobytes()


def test_unknown_keys_are_left_alone():
    with contextlib.suppress(PoseRejected):
        assert parse(msgpack.packb({"pose": ZEROS, "confidence": 0.5})).source is None
        return
    raise AssertionError("a newer sender may say more than we know")
