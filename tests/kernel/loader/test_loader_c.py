"""kernel/loader against harness/boot/chainload.py, over pipes: bad lines, and other hosts."""

import os
import random
import re
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import pytest

from harness.boot.chainload import Speed, chainload
from harness.boot.process import Process
from harness.boot.target import FdStream
from harness.errors import BootError, LinkError, TargetError
from harness.link.frame import Frame, encode_frame
from harness.link.load_messages import FALL_BACK_MS, LoadMsg
from harness.link.loader import Loader
from harness.link.messages import Msg, pack_hello
from harness.link.session import Session
from harness.link.stream import ByteStream, StreamEnded
from tests.harness.link.faulty import FaultyStream

pytestmark = pytest.mark.slow

LIMIT_S = 60.0
ROOM = 1 << 20


def kernel_of(size: int, needs: int = 1 << 20) -> bytes:
    """Random bytes with the memory that an Image header asks for."""
    data = bytearray(random.Random(size).randbytes(size))
    data[16:24] = struct.pack("<Q", needs)
    return bytes(data)


class Running:
    """The loader's program and its line."""

    def __init__(self, program: Path, folder: Path, baud_max: int, ms_per_byte: int) -> None:
        self.file = folder / "kernel"
        read_fd, its_stdout = os.pipe()
        its_stdin, write_fd = os.pipe()
        self.process = Process(
            (str(program), str(self.file), str(baud_max), str(ms_per_byte)),
            stdin=its_stdin,
            stdout=its_stdout,
        )
        os.close(its_stdin)
        os.close(its_stdout)
        self.stream = FdStream(read_fd, write_fd, lambda: self.process.describe_end("the loader"))

    def received(self) -> bytes:
        """What it would start; it has ended well."""
        assert self.process.wait(LIMIT_S) == 0, self.process.stderr_tail()
        return self.file.read_bytes()


@contextmanager
def loader(
    program: Path, folder: Path, baud_max: int = 0, ms_per_byte: int = 0
) -> Iterator[Running]:
    running = Running(program, folder, baud_max, ms_per_byte)
    try:
        yield running
    finally:
        running.stream.close()
        running.process.stop()


def read_until(stream: ByteStream, words: bytes) -> bytes:
    data = b""
    end = time.monotonic() + LIMIT_S
    while words not in data:
        assert time.monotonic() < end, data
        data += stream.read(0.1)
    return data


@pytest.mark.parametrize("size", [64, 4095, 4096, 100_001])
def test_a_kernel_arrives_whole_and_costs_little_more_than_itself(
    loader_program: Path, tmp_path: Path, size: int
) -> None:
    kernel = kernel_of(size)
    said: list[str] = []
    with loader(loader_program, tmp_path) as running:
        pushed = chainload(running.stream, kernel, say=said.append).pushed
        assert running.received() == kernel
    assert pushed.line_bytes < size * 1.05 + 300
    assert said[0].startswith("Bareword loader: a test")


@pytest.mark.parametrize("seed", range(3))
def test_one_bad_byte_in_a_hundred_changes_nothing(
    loader_program: Path, tmp_path: Path, seed: int
) -> None:
    kernel = kernel_of(20_000)
    with loader(loader_program, tmp_path) as running:
        noisy = FaultyStream(running.stream, 0.01, seed)
        pushed = chainload(noisy, kernel).pushed
        assert running.received() == kernel
        assert noisy.faults > 200
    assert pushed.line_bytes < 5 * len(kernel)


def test_a_host_of_raspbootin_s_kind_is_served(loader_program: Path, tmp_path: Path) -> None:
    kernel = kernel_of(0x1400)  # its size begins with a zero byte, as a frame does
    with loader(loader_program, tmp_path) as running:
        read_until(running.stream, b"\x03\x03\x03")
        running.stream.write(struct.pack("<I", len(kernel)))
        read_until(running.stream, b"OK")
        running.stream.write(kernel)
        assert running.received() == kernel


def test_raspbootin_s_wrong_size_is_answered_with_se(loader_program: Path, tmp_path: Path) -> None:
    with loader(loader_program, tmp_path) as running:
        for size in (0, ROOM + 1):
            read_until(running.stream, b"\x03\x03\x03")
            running.stream.write(struct.pack("<I", size))
            read_until(running.stream, b"SE")
        chainload(running.stream, kernel_of(500))  # and it goes on
        assert running.received() == kernel_of(500)


@pytest.mark.slow
def test_a_raw_kernel_that_ends_early_is_told_and_another_may_come(
    loader_program: Path, tmp_path: Path
) -> None:
    with loader(loader_program, tmp_path) as running:
        read_until(running.stream, b"\x03\x03\x03")
        running.stream.write(struct.pack("<I", 1000))
        read_until(running.stream, b"OK")
        running.stream.write(bytes(999))
        read_until(running.stream, b"the kernel ended early")
        read_until(running.stream, b"\x03\x03\x03")
        chainload(running.stream, kernel_of(500))
        assert running.received() == kernel_of(500)


def test_a_host_that_speaks_frames_ends_what_looked_like_raspbootin(
    loader_program: Path, tmp_path: Path
) -> None:
    with loader(loader_program, tmp_path) as running:
        read_until(running.stream, b"\x03\x03\x03")
        running.stream.write(struct.pack("<I", 100_000))
        read_until(running.stream, b"OK")
        chainload(running.stream, kernel_of(500))
        assert running.received() == kernel_of(500)


class TooFast:
    """A line that carries nothing readable above 921600 baud."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._noise = random.Random(7)
        self.baud = 115200
        self.tried: list[int] = []
        self.close, self.reopen = stream.close, stream.reopen

    def set_baud(self, baud: int) -> None:
        self.baud = baud
        self.tried.append(baud)

    def read(self, timeout_s: float) -> bytes:
        return self._carried(self._stream.read(timeout_s))

    def write(self, data: bytes) -> None:
        self._stream.write(self._carried(data))

    def _carried(self, data: bytes) -> bytes:
        return data if self.baud <= 921600 else self._noise.randbytes(len(data))


@pytest.mark.slow
def test_a_speed_that_does_not_work_is_left_and_the_next_one_tried(
    loader_program: Path, tmp_path: Path
) -> None:
    kernel = kernel_of(100_000)
    said: list[str] = []
    with loader(loader_program, tmp_path, baud_max=3_000_000) as running:
        line = TooFast(running.stream)
        speed = Speed(115200, line.set_baud)
        chainload(line, kernel, speed=speed, say=said.append)
        assert running.received() == kernel
        bauds = re.findall(r"baud (\d+)", running.process.stderr_tail())
    assert line.tried == [1_500_000, 115200, 921600, 115200]
    # A host that was slow to see the answer asks again.
    assert [baud for baud, _ in groupby(bauds)] == ["1500000", "0", "921600"]
    assert said[1:] == ["1500000 baud does not work here", "sending at 921600 baud"]


def test_no_speed_is_tried_that_the_board_cannot_do(loader_program: Path, tmp_path: Path) -> None:
    with loader(loader_program, tmp_path, baud_max=460_800) as running:
        line = TooFast(running.stream)
        chainload(line, kernel_of(100_000), speed=Speed(115200, line.set_baud))
        running.received()
    assert line.tried == [115200]


@pytest.mark.slow
def test_a_pause_at_another_speed_loses_no_block(loader_program: Path, tmp_path: Path) -> None:
    kernel = kernel_of(2_000)
    with loader(loader_program, tmp_path, baud_max=921_600) as running:
        host = Loader(running.stream)
        host.find()
        assert host.change_baud(921_600, lambda _: None, 115200)
        time.sleep(2 * FALL_BACK_MS / 1000)
        host.find()
        host.push(kernel)
        host.run()
        assert running.received() == kernel
        assert "baud 0" in running.process.stderr_tail()


def test_an_answer_that_takes_long_is_no_silence_of_the_host(
    loader_program: Path, tmp_path: Path
) -> None:
    """As VERIFY of a large kernel: what the loader computes is not what the host keeps quiet."""
    kernel = kernel_of(2_000)
    with loader(loader_program, tmp_path, 921_600, ms_per_byte=FALL_BACK_MS) as running:
        host = Loader(running.stream)
        host.find()
        assert host.change_baud(921_600, lambda _: None, 115200)
        host.push(kernel)
        host.run()
        assert running.received() == kernel
        assert "baud 0" not in running.process.stderr_tail()


def test_a_kernel_that_does_not_fit_is_refused_with_both_sizes(
    loader_program: Path, tmp_path: Path
) -> None:
    with loader(loader_program, tmp_path) as running:
        with pytest.raises(BootError, match="1,048,577 bytes, the loader takes 1,048,576"):
            chainload(running.stream, kernel_of(ROOM + 1))
        host = Loader(running.stream)
        host.find()
        with pytest.raises(LinkError, match="refused BEGIN: the kernel does not fit"):
            host.push(kernel_of(ROOM + 1))


def test_requests_out_of_order_and_of_nonsense_are_survived(
    loader_program: Path, tmp_path: Path
) -> None:
    """What no host of ours sends; the sanitizers watch."""
    source = random.Random(3)
    kernel = kernel_of(3_000)
    with loader(loader_program, tmp_path) as running:
        host = Loader(running.stream)
        for number in range(400):
            payload = source.choice((b"", source.randbytes(source.randrange(1, 1024))))
            kind = source.choice([*LoadMsg, *Msg])
            if kind in (LoadMsg.RUN, LoadMsg.BAUD):
                payload = payload[:3]  # too short to count
            running.stream.write(encode_frame(Frame(kind, number % 256, 0, payload)))
            running.stream.read(0.0)
        running.stream.write(encode_frame(Frame(Msg.HELLO, 0, 0, pack_hello(1))))
        host.find()
        with pytest.raises(TargetError, match="refused RUN: the kernel is not complete"):
            host._request(LoadMsg.RUN, bytes(8))
        host.push(kernel)
        host.run()
        assert running.received() == kernel


def test_a_line_that_ends_is_told(loader_program: Path, tmp_path: Path) -> None:
    with loader(loader_program, tmp_path) as running:
        host = Loader(running.stream)
        host.find()
        running.process.stop()
        with pytest.raises(StreamEnded, match="the loader"):
            host.push(kernel_of(5_000))


class Merged:
    """A line on which a kernel speaks right behind the last frame of the loader: in one read."""

    def __init__(self, stream: ByteStream, crc: bytes, words: bytes) -> None:
        self._stream = stream
        self._crc = crc  # in the answers to VERIFY and to RUN
        self._words = words
        self._seen = b""
        self.write, self.close, self.reopen = stream.write, stream.close, stream.reopen

    def read(self, timeout_s: float) -> bytes:
        data = self._stream.read(timeout_s)
        self._seen += data
        if self._words and self._seen.count(self._crc) == 2 and self._seen.endswith(b"\0"):
            data, self._words = data + self._words, b""
        return data


def test_what_the_kernel_prints_at_once_is_not_lost(loader_program: Path, tmp_path: Path) -> None:
    kernel = kernel_of(500)
    crc = zlib.crc32(kernel).to_bytes(4, "little")
    assert 0 not in crc  # it is on the line as it is
    words = b"\r\nBareword: a test\r\nPANIC cpu=0 no RAM\r\n"
    with loader(loader_program, tmp_path) as running:
        started = chainload(Merged(running.stream, crc, words), kernel)
        assert running.received() == kernel
        assert started.stream.read(1.0) == words


def test_a_session_sends_the_kernel_again_when_it_finds_a_loader(
    loader_program: Path, tmp_path: Path
) -> None:
    kernel = kernel_of(500)
    with loader(loader_program, tmp_path) as running:
        session = Session(running.stream)
        with pytest.raises(LinkError, match="no kernel runs on the board: Bareword loader") as told:
            session.connect()
        assert "chainload" in told.value.hint
        session.on_loader = lambda: chainload(running.stream, kernel).stream
        with pytest.raises(TargetError):  # what it starts here ends
            session.connect()
        assert running.received() == kernel
