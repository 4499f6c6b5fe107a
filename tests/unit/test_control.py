"""The control protocol: what is written is read again, and nothing else is."""

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import control
from stages.control import (
    Beat,
    Command,
    Done,
    GetStatus,
    MessageRejected,
    Pause,
    Ready,
    Reload,
    Reply,
    Restart,
    Resume,
    SetImage,
    SetOptions,
    StageReport,
    Stop,
    ToolRequest,
    decode,
    encode,
)

REQUESTS = [
    GetStatus(),
    Stop(),
    Pause(),
    Resume(),
    SetImage(image=b"\x89PNG\0\xff", stage="avatar"),
    SetImage(image=b""),
    Reload(),
    Restart(stage="avatar"),
]
COMMANDS = [
    Command(number=3, request=Stop()),
    Command(number=4, request=SetImage(image=bytes(range(256)))),
    Command(number=5, request=SetOptions(options={"scale": 3, "nested": {"a": [1, None]}})),
]
REPORTS = [
    Ready(stage="avatar", pid=5, endpoints={"poses": "tcp://127.0.0.1:5571"}, notes=["hm"]),
    Done(number=3, error="no"),
    Beat(
        stage="avatar",
        pid=5,
        rate_hz=29.9,
        counters={"frames_out": 3},
        times_ms={"age": (1.0, 2.0)},
        memory_bytes=5,
    ),
]
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=9)
)
anything = st.recursive(
    scalars | st.binary(max_size=50),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=9) | st.binary(max_size=9), inner, max_size=5)
    ),
    max_leaves=30,
)
TAGS = "status stop pause resume set_image reload restart command set_options done ready beat reply"
KEYS = (
    "v image stage number request options error pid endpoints notes rate_hz counters times_ms "
    "memory_bytes paused result"
)
nearly = st.builds(
    lambda tag, rest: {"type": tag, **rest},
    st.sampled_from(TAGS.split()) | scalars,
    st.dictionaries(st.sampled_from(KEYS.split()), anything, max_size=8),
)
KINDS = [ToolRequest, Command, StageReport, Reply]


def check(data):
    """Decode as each kind; anything but a message or a refusal is a failure."""
    for kind in KINDS:
        try:
            message = decode(data, kind)
        except MessageRejected as error:
            assert str(error)
        else:
            assert isinstance(message, control.Message)


@pytest.mark.parametrize("message", REQUESTS, ids=lambda message: type(message).__name__)
def test_request_is_read_as_it_was_written(message):
    assert decode(encode(message), ToolRequest) == message


@pytest.mark.parametrize("message", COMMANDS, ids=lambda m: type(m.request).__name__)
def test_command_is_read_as_it_was_written(message):
    assert decode(encode(message), Command) == message


@pytest.mark.parametrize("message", REPORTS, ids=lambda message: type(message).__name__)
def test_report_is_read_as_it_was_written(message):
    assert decode(encode(message), StageReport) == message


def test_message_is_a_map_that_other_languages_can_read():
    content = msgpack.unpackb(encode(SetImage(image=b"\xff", stage=None)))
    assert content == {"type": "set_image", "v": 1, "image": b"\xff", "stage": None}


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_refused(data):
    check(data)


@given(anything | nearly)
def test_any_msgpack_value_is_a_message_or_refused(value):
    check(msgpack.packb(value))


@given(st.sampled_from([*REQUESTS, *COMMANDS, *REPORTS]), st.integers(0, 400), st.integers(0, 255))
def test_damaged_byte_of_a_right_message_does_no_harm(message, at, value):
    data = bytearray(encode(message))
    data[at % len(data)] = value
    check(bytes(data))


@given(st.sampled_from([*REQUESTS, *COMMANDS, *REPORTS]), st.integers(0, 400))
def test_message_cut_short_is_refused(message, length):
    data = encode(message)
    for kind in KINDS:
        with pytest.raises(MessageRejected):
            decode(data[: length % len(data)], kind)


def test_deeply_nested_message_is_refused():
    check(b"\x91" * 100_000 + b"\xc0")
    nested: object = None
    for _ in range(400):
        nested = [nested]
    packed = msgpack.packb({"type": "set_options", "options": {"a": nested}})
    check(msgpack.packb({"type": "command", "number": 1, "request": msgpack.unpackb(packed)}))


def test_message_that_is_too_large_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(control, "MAX_MESSAGE_BYTES", 100)
    with pytest.raises(MessageRejected, match="at most 100 bytes, not 101"):
        decode(bytes(101), ToolRequest)


@pytest.mark.parametrize("version", [0, 2, "1", None, 1.5])
def test_other_version_is_refused_with_both(version):
    with pytest.raises(MessageRejected, match=r"version .* is not 1"):
        decode(msgpack.packb({"type": "status", "v": version}), ToolRequest)


def test_refusal_of_a_long_version_is_short():
    data = msgpack.packb({"type": "status", "v": "x" * 1_000_000})
    with pytest.raises(MessageRejected) as caught:
        decode(data, ToolRequest)
    assert len(str(caught.value)) < 300


@given(nearly)
def test_refusal_is_short(value):
    data = msgpack.packb({**value, "y" * 5000: "x" * 5000})
    for kind in KINDS:
        with pytest.raises(MessageRejected) as caught:
            decode(data, kind)
        assert len(str(caught.value)) < 500


def test_unknown_keys_are_refused():
    with pytest.raises(MessageRejected, match="force"):
        decode(msgpack.packb({"type": "stop", "force": True}), ToolRequest)


def test_tool_cannot_send_what_only_a_stage_or_the_launcher_may():
    for message in (*COMMANDS, *REPORTS, Reply(result=1)):
        with pytest.raises(MessageRejected):
            decode(encode(message), ToolRequest)


def test_options_are_refused_where_their_kind_does_not_know_them():
    request = decode(encode(COMMANDS[2]), Command).request
    from stages.interpolation.options import InterpolationOptions

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(request.options, InterpolationOptions)
