"""kernel/link/frame.c against the host's own frames."""

import random
import struct
from pathlib import Path

import pytest

from harness.link.frame import MAX_ENCODED, Frame, cobs_encode, decode_segment, encode_frame
from tests.kernel.build import run_program

SIZES = [0, 1, 2, 243, 244, 245, 246, 247, 248, 253, 254, 255, 500, 501, 502, 1023, 1024]


def frames(seed: int) -> list[Frame]:
    source = random.Random(seed)
    payloads = [source.randbytes(n) for n in SIZES]
    payloads += [bytes(n) for n in SIZES]
    payloads += [b"\x01" * n for n in SIZES]  # runs without a zero: COBS codes of 255
    return [
        Frame(source.randrange(1, 256), source.randrange(256), source.randrange(256), payload)
        for payload in payloads
    ]


def decode_all(driver: Path, segments: list[bytes]) -> list[Frame | None]:
    stdin = b"".join(b"d" + struct.pack("<H", len(segment)) + segment for segment in segments)
    out = run_program(driver, stdin=stdin)
    decoded: list[Frame | None] = []
    at = 0
    while at < len(out):
        if out[at] == 0:
            decoded.append(None)
            at += 1
            continue
        (n,) = struct.unpack_from("<H", out, at + 1)
        body = out[at + 3 : at + 3 + n]
        decoded.append(Frame(body[0], body[1], body[2], body[4:]))
        at += 3 + n
    return decoded


def test_the_host_decodes_what_the_kernel_sends(frame_driver: Path) -> None:
    wanted = frames(1)
    bodies = [bytes([f.type, f.seq, f.ack, 0]) + f.payload for f in wanted]
    stdin = b"".join(b"e" + struct.pack("<H", len(body)) + body for body in bodies)
    segments = [part for part in run_program(frame_driver, stdin=stdin).split(b"\0") if part]
    assert [decode_segment(segment) for segment in segments] == wanted


def test_the_kernel_decodes_what_the_host_sends(frame_driver: Path) -> None:
    wanted = frames(2)
    assert decode_all(frame_driver, [encode_frame(f)[1:-1] for f in wanted]) == wanted


@pytest.mark.parametrize("seed", range(4))
def test_damaged_and_random_segments_are_judged_as_the_host_judges_them(
    frame_driver: Path, seed: int
) -> None:
    source = random.Random(seed)
    segments = [b"", b"\x01", b"\xff", b"\x05\x01", cobs_encode(b""), b"\x01" * MAX_ENCODED]
    for frame in frames(seed):
        whole = encode_frame(frame)[1:-1]
        segments += [whole[:-1], whole[1:], whole + b"\x01", whole + b"\x02x"]
        damaged = bytearray(whole)
        damaged[source.randrange(len(whole))] = source.randrange(1, 256)
        segments.append(bytes(damaged))
    for _ in range(500):
        n = source.randrange(1, 40)
        segments.append(bytes(source.randrange(1, 256) for _ in range(n)))
    assert decode_all(frame_driver, segments) == [decode_segment(segment) for segment in segments]
