"""harness/link/frame.py: COBS, CRC and the separation of frames from console text."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.link.frame import (
    MAX_ENCODED,
    Frame,
    Splitter,
    cobs_decode,
    cobs_encode,
    decode_segment,
    encode_frame,
)
from harness.link.messages import MAX_PAYLOAD, Msg

RELAXED = settings(deadline=None)  # a busy host is no failure
BYTE = st.integers(0, 255)
FRAMES = st.builds(
    Frame,
    st.sampled_from([int(m) for m in Msg]),
    BYTE,
    BYTE,
    st.binary(max_size=MAX_PAYLOAD) | st.binary(max_size=20),
)
# What a console prints: no control characters but white space.
CONSOLE_TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f")
    | st.sampled_from("\t\n\r"),
    max_size=60,
).map(lambda text: text.encode())


def split(data: bytes, cuts: list[int] | None = None) -> tuple[list[Frame], bytes]:
    splitter = Splitter()
    frames, text = [], b""
    ends = sorted({c % (len(data) + 1) for c in cuts or []} | {len(data)})
    for start, end in zip([0, *ends], ends, strict=False):
        for item in splitter.feed(data[start:end]):
            if isinstance(item, Frame):
                frames.append(item)
            else:
                text += item
    return frames, text + splitter.flush()


@RELAXED
@given(
    st.binary(max_size=1200) | st.binary(min_size=250, max_size=260).map(lambda b: b + b"\1" * 9)
)
def test_cobs_round_trip_without_zero_bytes(data: bytes) -> None:
    encoded = cobs_encode(data)
    assert 0 not in encoded
    assert len(encoded) <= len(data) + len(data) // 254 + 1
    assert cobs_decode(encoded) == data


@pytest.mark.parametrize(
    ("plain", "encoded"),
    [
        (b"", b"\x01"),
        (b"\0", b"\x01\x01"),
        (b"\x11\0", b"\x02\x11\x01"),
        (b"\x11\x22\0\x33", b"\x03\x11\x22\x02\x33"),
        (bytes(range(1, 255)) + b"\xff", b"\xff" + bytes(range(1, 255)) + b"\x02\xff"),
    ],
)
def test_cobs_known_pairs(plain: bytes, encoded: bytes) -> None:
    assert cobs_encode(plain) == encoded
    assert cobs_decode(encoded) == plain


def test_cobs_full_run_at_the_end_decodes_with_and_without_the_optional_code() -> None:
    run = bytes(range(1, 255))
    assert cobs_decode(b"\xff" + run) == run
    assert cobs_decode(b"\xff" + run + b"\x01") == run


@RELAXED
@given(st.binary(max_size=100))
def test_cobs_decode_takes_any_bytes(data: bytes) -> None:
    cobs_decode(data)


@RELAXED
@given(FRAMES)
def test_frame_round_trip_within_the_size_limit(frame: Frame) -> None:
    data = encode_frame(frame)
    assert data[0] == data[-1] == 0
    assert 0 not in data[1:-1]
    assert len(data) <= MAX_ENCODED + 2
    assert decode_segment(data[1:-1]) == frame


@RELAXED
@given(FRAMES, st.data())
def test_a_flipped_bit_is_noticed(frame: Frame, data: st.DataObject) -> None:
    segment = bytearray(encode_frame(frame)[1:-1])
    segment[data.draw(st.integers(0, len(segment) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert decode_segment(bytes(segment)) is None


def test_a_body_that_is_too_short_or_has_flags_is_no_frame() -> None:
    for body in (b"", b"\1\2\3", b"\1\2\3\1payload"):
        crc = zlib.crc32(body).to_bytes(4, "little")
        assert decode_segment(cobs_encode(body + crc)) is None


@RELAXED
@given(st.lists(st.tuples(CONSOLE_TEXT, FRAMES)), CONSOLE_TEXT, st.lists(st.integers(0, 9999)))
def test_frames_and_text_come_apart_however_the_line_is_cut(
    pairs: list[tuple[bytes, Frame]], tail: bytes, cuts: list[int]
) -> None:
    line = b"".join(text + encode_frame(frame) for text, frame in pairs) + tail
    frames, text = split(line, cuts)
    assert frames == [frame for _, frame in pairs]
    assert text == b"".join(text for text, _ in pairs) + tail


@RELAXED
@given(st.binary(max_size=300), FRAMES, FRAMES, st.lists(st.integers(0, 9999)))
def test_after_any_garbage_the_next_frame_is_received(
    garbage: bytes, first: Frame, second: Frame, cuts: list[int]
) -> None:
    frames, _ = split(garbage + encode_frame(first) + encode_frame(second), cuts)
    assert frames[-2:] == [first, second]


@RELAXED
@given(FRAMES, FRAMES)
def test_a_lost_delimiter_between_two_frames_costs_nothing(first: Frame, second: Frame) -> None:
    frames, text = split(encode_frame(first)[:-1] + encode_frame(second))
    assert (frames, text) == ([first, second], b"")


def test_text_after_a_frame_is_not_held_back() -> None:
    splitter = Splitter()
    list(splitter.feed(encode_frame(Frame(Msg.ACK, 0, 0))))
    assert list(splitter.feed(b"PANIC")) == [b"PANIC"]


def test_a_segment_that_is_too_long_is_given_up() -> None:
    splitter = Splitter()
    data = b"\x03" + b"x" * MAX_ENCODED
    assert list(splitter.feed(b"\0" + data)) == [data[1:]]
    assert not splitter.pending
    assert list(splitter.feed(b"more")) == [b"more"]


def test_flush_gives_up_half_a_frame() -> None:
    splitter = Splitter()
    assert list(splitter.feed(b"\0\x02\x21abc")) == []
    assert splitter.pending
    assert splitter.flush() == b""
    assert list(splitter.feed(b"text")) == [b"text"]


def test_of_a_damaged_frame_only_readable_text_is_shown() -> None:
    frame = encode_frame(Frame(Msg.MEM_DATA, 1, 1, bytes(range(128, 256)) * 8))
    broken = frame[:300] + b"\nPANIC cpu=0 nn/rope.c:7: bad\n" + frame[301:]
    assert split(broken) == ([], b"\nPANIC cpu=0 nn/rope.c:7: bad\n")


def test_a_frame_without_its_first_delimiter_is_still_received() -> None:
    frame = Frame(Msg.MEM_DATA, 1, 1, bytes(range(256)))
    assert split(b"text\n" + encode_frame(frame)[1:]) == ([frame], b"text\n")


def test_a_frame_with_a_damaged_start_is_not_shown() -> None:
    frame = encode_frame(Frame(Msg.MEM_DATA, 1, 1, bytes(range(1, 32)) * 30))
    ack = Frame(Msg.ACK, 0, 0)
    line = encode_frame(ack) + b"x" + frame[3:] + encode_frame(ack)
    assert split(line) == ([ack, ack], b"x")
