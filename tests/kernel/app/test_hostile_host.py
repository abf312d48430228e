"""Requests as no honest host sends them: the machine answers, or goes on without the host."""

import random
import time

import pytest

from harness.boot.twin import boot_twin
from harness.link.channel import Channel
from harness.link.frame import Frame, Splitter, encode_frame
from harness.link.messages import (
    SEGMENT_SILENCE_MS,
    GenerateFlag,
    Msg,
    PromptFlag,
    SamplingParams,
    pack_generate,
    pack_hello,
    pack_prompt_ids,
)
from harness.link.session import Session
from harness.link.stream import ByteStream
from tests.kernel.app.conftest import Twin

pytestmark = pytest.mark.slow  # sanitized programs, several of them

LIMIT_S = 60


def exchange(stream: ByteStream, channel: Channel, splitter: Splitter) -> list[int]:
    """One look at the line; the types of the messages that arrived."""
    now = time.monotonic()
    channel.poll(now)
    stream.write(channel.take_output())
    arrived = []
    for part in splitter.feed(stream.read(0.01)):
        if isinstance(part, Frame):
            message = channel.receive(part, time.monotonic())
            arrived += [message.type] if message else []
    return arrived


def random_message(source: random.Random) -> tuple[Msg, bytes]:
    kind = source.choice([kind for kind in Msg if kind not in (Msg.POWEROFF, Msg.REBOOT)])
    if kind in (Msg.ACK, Msg.HELLO):
        kind = Msg.GENERATE
    if kind == Msg.GENERATE and source.random() < 0.5:
        params = SamplingParams(
            n_predict=source.randrange(20),
            temp=source.choice([0.0, -1.0, 1e-30, 1e30, float("nan"), float("inf")]),
            top_k=source.choice([-(2**31), -1, 0, 1, 2**31 - 1]),
            top_p=source.choice([-1.0, 0.0, 1.0, float("nan")]),
            min_p=source.choice([-1.0, 0.0, 5.0, float("nan")]),
            repeat_penalty=source.choice([0.0, -1.0, 1.0, float("nan"), float("inf")]),
            repeat_last_n=source.choice([-(2**31), -1, 0, 2**31 - 1]),
            seed=source.randrange(2**64),
            n_draft=source.choice([0, 1, 8, 9, 2**32 - 1]),
        )
        tier = source.choice([0, GenerateFlag.TIER_NEON, GenerateFlag.TIER_DOTPROD])
        return kind, pack_generate(params, GenerateFlag(source.randrange(8) | tier))
    if kind == Msg.PROMPT_IDS and source.random() < 0.5:
        ids = [source.randrange(530) for _ in range(source.randrange(255))]
        return kind, pack_prompt_ids(PromptFlag(source.randrange(2)), ids)
    size = source.choice([0, 1, 3, 5, 9, 13, 40, 41, source.randrange(1025)])
    return kind, source.randbytes(size)


@pytest.mark.parametrize("seed", range(3))
def test_any_payload_is_answered_or_ignored(twin: Twin, seed: int) -> None:
    source = random.Random(seed)
    with boot_twin(twin.program, twin.blob) as target:
        Session(target.stream).connect()  # takes WELCOME: frame 0 is acknowledged
        target.stream.write(encode_frame(Frame(Msg.HELLO, 0, 0, pack_hello(seed))))
        channel, splitter = Channel(), Splitter()
        end = time.monotonic() + LIMIT_S
        for _ in range(150):
            kind, payload = random_message(source)
            channel.send(kind, payload, time.monotonic())
            while not channel.idle:
                exchange(target.stream, channel, splitter)
                assert time.monotonic() < end
        session = Session(target.stream)
        session.connect()
        assert len(session.generate([1, 2], SamplingParams(n_predict=3, ignore_eog=True)).ids) == 3


def await_welcome(stream: ByteStream, nonce: int) -> None:
    """The answer to one HELLO, sent once."""
    splitter = Splitter()
    end = time.monotonic() + LIMIT_S
    welcome = b""
    while welcome[:4] != nonce.to_bytes(4, "little"):
        assert time.monotonic() < end
        for part in splitter.feed(stream.read(0.1)):
            if isinstance(part, Frame) and part.type == Msg.WELCOME:
                welcome = part.payload


def test_a_hello_during_an_answer_is_answered(twin: Twin) -> None:
    with boot_twin(twin.program, twin.blob) as target:
        target.stream.write(encode_frame(Frame(Msg.HELLO, 0, 0, pack_hello(1))))
        await_welcome(target.stream, 1)
        for seq in range(4):  # WELCOME and 4 x (PROMPT_TOKENS, DONE): one more than the window
            target.stream.write(encode_frame(Frame(Msg.TOKENIZE, seq, 0, b"")))
        time.sleep(0.3)
        target.stream.write(encode_frame(Frame(Msg.HELLO, 0, 0, pack_hello(2))))
        await_welcome(target.stream, 2)


class CtrlC:
    """Puts a 0x03 between two frames, after the silence that ends a segment."""

    def __init__(self, stream: ByteStream) -> None:
        self.read, self.close, self.reopen = stream.read, stream.close, stream.reopen
        self._write = stream.write

    def write(self, data: bytes) -> None:
        time.sleep(2 * SEGMENT_SILENCE_MS / 1000)
        self._write(b"\x03")
        time.sleep(0.05)
        self._write(data)


def test_ctrl_c_does_not_stop_the_answer_to_a_host(twin: Twin) -> None:
    with boot_twin(twin.program, twin.blob) as target:
        session = Session(CtrlC(target.stream))
        session.connect()
        params = SamplingParams(n_predict=20, temp=0.0, ignore_eog=True)
        answer = session.generate([1, 2], params)
        assert (len(answer.ids), answer.stop) == (20, "length")


@pytest.mark.slow
def test_a_host_that_vanishes_leaves_a_console(twin: Twin) -> None:
    with boot_twin(twin.program, twin.blob) as target:
        stream = target.stream
        request = pack_generate(SamplingParams(n_predict=200, ignore_eog=True), GenerateFlag(0))
        for frame in (
            Frame(Msg.HELLO, 0, 0, pack_hello(1)),
            Frame(Msg.PROMPT_IDS, 0, 1, pack_prompt_ids(PromptFlag.FIRST, [1, 5])),
            Frame(Msg.GENERATE, 1, 1, request),
        ):
            stream.write(encode_frame(frame))
        line = b""
        end = time.monotonic() + LIMIT_S
        while not line.endswith(b"\r\n> "):
            line += stream.read(1)
            assert time.monotonic() < end
        stream.write(b"/stats\r")
        answer = b""
        while b"context" not in answer:
            answer += stream.read(10)
