"""harness/link/loader.py against a loader in Python: resets, refusals, a wrong speed."""

import random
import zlib

import pytest

from harness.errors import TargetError
from harness.link.frame import Frame, Splitter, encode_frame
from harness.link.load_messages import BLOCK_BYTES, LOAD_PROTOCOL, TWO_U32, LoadMsg
from harness.link.loader import PATIENCE_S, Loader
from harness.link.messages import Msg
from harness.link.session import Session
from harness.link.stream import ByteStream, Garbled, PrefixedStream, TargetLost, TargetReset

pytestmark = pytest.mark.slow  # builds programs, or waits

KERNEL = random.Random(1).randbytes(40_000)


class Board:
    """kernel/loader, as far as the host sees it; a clock that runs while it is read in vain.

    It starts again, `resets` times, when it holds `reset_at` blocks. deaf: it takes no data.
    """

    def __init__(
        self, *, resets: int = 0, reset_at: int = 0, deaf: bool = False, bad_ram: bool = False
    ) -> None:
        self.time = 0.0
        self.deaf = deaf
        self.runs = False
        self._resets, self._reset_at = resets, reset_at
        self._bad_ram = bad_ram
        self._size = self._crc = 0
        self._blocks: dict[int, bytes] = {}
        self._out = b""
        self._splitter = Splitter()

    def clock(self) -> float:
        return self.time

    def read(self, timeout_s: float) -> bytes:
        data, self._out = self._out, b""
        self.time += 1e-3 if data else timeout_s
        return data

    def write(self, data: bytes) -> None:
        self.time += len(data) / 11520
        for item in self._splitter.feed(data):
            assert isinstance(item, Frame)
            self._handle(item)

    def close(self) -> None:
        """Nothing is open."""

    def reopen(self, timeout_s: float) -> None:
        """Nothing was closed."""

    def _handle(self, frame: Frame) -> None:
        body = frame.payload
        first = int.from_bytes(body[:4], "little")
        match frame.type:
            case Msg.HELLO:
                fields = LOAD_PROTOCOL.to_bytes(4, "little") + bytes(4 + 4 + 16)
                self._answer(LoadMsg.WELCOME, 0, body[:4] + fields + b"a board")
            case LoadMsg.BEGIN:
                if (self._size, self._crc) != TWO_U32.unpack(body):
                    self._size, self._crc = TWO_U32.unpack(body)
                    self._blocks.clear()
                self._answer(LoadMsg.DONE, frame.seq)
            case LoadMsg.DATA:
                self._take(first, body[4:])
            case LoadMsg.STATUS:
                count = int.from_bytes(body[4:], "little")
                there = sum(1 << i for i in range(count) if first + i in self._blocks)
                self._answer(
                    LoadMsg.MAP, frame.seq, body[:4] + there.to_bytes(-(-count // 8), "little")
                )
            case LoadMsg.VERIFY | LoadMsg.RUN:
                memory = b"".join(self._blocks[i] for i in sorted(self._blocks))
                if self._bad_ram or zlib.crc32(memory) != self._crc:
                    why = b"memory does not hold what was sent"
                    self._answer(LoadMsg.REFUSED, frame.seq, why)
                    return
                self.runs = frame.type == LoadMsg.RUN
                self._answer(LoadMsg.DONE, frame.seq)

    def _take(self, first: int, data: bytes) -> None:
        if self._resets and len(self._blocks) >= self._reset_at:
            self._resets -= 1
            self._size = 0
            self._blocks.clear()
        if self._size and not self.deaf:
            for at in range(0, len(data), BLOCK_BYTES):
                self._blocks[first + at // BLOCK_BYTES] = data[at : at + BLOCK_BYTES]

    def _answer(self, kind: LoadMsg, number: int, payload: bytes = bytes(4)) -> None:
        self._out += encode_frame(Frame(kind, 0, number, payload))


@pytest.fixture(autouse=True)
def unscaled_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_TIMEOUT_SCALE", raising=False)


@pytest.mark.parametrize("reset_at", [0, 100, 400, 1200])
def test_a_board_that_resets_in_a_push_gets_the_kernel_from_the_start(reset_at: int) -> None:
    board = Board(resets=1, reset_at=reset_at)
    loader = Loader(board, clock=board.clock)
    assert loader.push(KERNEL).crc == zlib.crc32(KERNEL)
    loader.run()
    assert board.runs


def test_a_board_that_resets_again_and_again_is_told() -> None:
    board = Board(resets=2, reset_at=400)
    with pytest.raises(TargetReset, match="started again twice while the kernel was sent") as told:
        Loader(board, clock=board.clock).push(KERNEL)
    assert told.value.exit_code == 3


def test_a_loader_that_takes_no_data_is_given_up() -> None:
    board = Board(deaf=True)
    with pytest.raises(TargetLost, match="has taken no block of the kernel for 30 s"):
        Loader(board, clock=board.clock).push(KERNEL)
    assert board.time < 2 * PATIENCE_S


def test_memory_that_does_not_hold_the_kernel_is_the_board_s_fault() -> None:
    board = Board(bad_ram=True)
    with pytest.raises(TargetError, match="refused VERIFY: memory does not hold") as told:
        Loader(board, clock=board.clock).push(KERNEL)
    assert told.value.exit_code == 3


def test_a_refused_start_is_told() -> None:
    """It was an endless loop: a loader that refuses goes on answering HELLO."""
    board = Board(bad_ram=True)
    with pytest.raises(TargetError, match="refused RUN: memory does not hold") as told:
        Loader(board, clock=board.clock).run()
    assert told.value.exit_code == 3


def test_a_loader_that_never_answers_run_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board()
    answer = board._answer
    monkeypatch.setattr(
        board, "_answer", lambda kind, *rest: kind == LoadMsg.WELCOME and answer(kind, *rest)
    )
    with pytest.raises(TargetLost, match="answered HELLO, but not RUN, for 30 s"):
        Loader(board, clock=board.clock).run()


class WrongSpeed(Board):
    """What the board sends comes as other bytes."""

    def read(self, timeout_s: float) -> bytes:
        self.time += timeout_s
        return random.Random(self.time).randbytes(40)


def test_a_wrong_speed_is_told_as_a_session_tells_it() -> None:
    board = WrongSpeed()
    with pytest.raises(Garbled, match="neither text nor part of a message") as told:
        Loader(board, clock=board.clock).find()
    assert told.value.exit_code == 2
    assert board.time < PATIENCE_S


class OtherFirmware(Board):
    """Firmware speaks at another speed for a second; the loader answers after ten."""

    def read(self, timeout_s: float) -> bytes:
        if self.time < 1.0:
            self.time += timeout_s
            return random.Random(self.time).randbytes(400)
        return super().read(timeout_s)

    def write(self, data: bytes) -> None:
        if self.time >= 10.0:
            super().write(data)


def test_firmware_at_another_speed_does_not_hide_the_loader_behind_it() -> None:
    board = OtherFirmware()
    assert Loader(board, clock=board.clock).find().description == "a board"


def test_silence_is_no_wrong_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board()
    monkeypatch.setattr(board, "write", lambda _: None)
    with pytest.raises(TargetLost, match="no loader has answered for 30 s") as told:
        Loader(board, clock=board.clock).find()
    assert not isinstance(told.value, Garbled)


def test_a_session_sends_the_kernel_once_and_shows_what_it_printed_first() -> None:
    """A kernel that resets at once leads to the loader again: that is not tried for ever."""
    board = Board()
    seen: list[str] = []
    sent: list[int] = []

    def send() -> ByteStream:
        sent.append(1)
        return PrefixedStream(b"first words\r\n", board)

    session = Session(board, on_console=seen.append, clock=board.clock)
    session.on_loader = send
    with pytest.raises(TargetError, match="the loader answers again") as told:
        session.connect()
    assert (len(sent), told.value.exit_code) == (1, 3)
    assert "".join(seen) == "first words\r\n"
    with pytest.raises(TargetError, match="the loader answers again"):
        session.connect()
    assert len(sent) == 2
