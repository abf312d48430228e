"""harness/link/channel.py: everything arrives once, in order, over a bad line, in virtual time."""

import pytest

from harness.link.channel import ACK_DELAY_S, Channel
from harness.link.frame import Frame, Splitter, encode_frame
from harness.link.messages import Msg
from tests.harness.link.faulty import Noise


class Side:
    """A channel with its receiver and the noise in front of it."""

    def __init__(self, window: int, noise: Noise) -> None:
        self.channel = Channel(window=window)
        self.splitter = Splitter()
        self.noise = noise
        self.received: list[bytes] = []

    def hear(self, data: bytes, now: float) -> None:
        for item in self.splitter.feed(self.noise.apply(data)):
            if isinstance(item, Frame):
                message = self.channel.receive(item, now)
                if message is not None:
                    self.received.append(message.payload)


def exchange(count: int, rate: float, seed: int, step_s: float = 0.005) -> float:
    """Send count messages both ways; returns the virtual seconds it took."""
    host, kernel = Side(1, Noise(rate, seed)), Side(8, Noise(rate, seed + 1))
    wanted = [b"message %d \0 %s" % (i, b"x" * (i % 300)) for i in range(count)]
    for payload in wanted:
        host.channel.send(Msg.PROMPT_TEXT, payload, 0.0)
        kernel.channel.send(Msg.TOKEN, payload, 0.0)
    now = 0.0
    while not (host.channel.idle and kernel.channel.idle):
        host.channel.poll(now)
        kernel.channel.poll(now)
        kernel.hear(host.channel.take_output(), now)
        host.hear(kernel.channel.take_output(), now)
        now += step_s
        assert now < 20_000, "no progress"
    assert host.received == wanted
    assert kernel.received == wanted
    return now


def test_a_clean_line_delivers_all_without_resending() -> None:
    assert exchange(1000, 0.0, 1) < 30


@pytest.mark.parametrize("seed", range(4))
def test_a_lossy_line_delivers_all_in_order(seed: int) -> None:
    exchange(1000, 0.0005, seed)


def test_a_terrible_line_still_delivers() -> None:
    exchange(60, 0.004, 9)


def test_a_frame_is_resent_with_growing_patience_until_acknowledged() -> None:
    channel = Channel(resend_s=0.5)
    channel.send(Msg.ABORT, b"", 0.0)
    frame = encode_frame(Frame(Msg.ABORT, 0, 0))
    assert channel.take_output() == frame
    times = []
    for tick in range(60):
        channel.poll(tick / 10)
        if channel.take_output() == frame:
            times.append(tick / 10)
    assert times == [0.5, 1.5, 3.5, 5.5]
    channel.receive(Frame(Msg.ACK, 0, 1), 6.0)
    assert channel.idle
    assert channel.deadline is None


def test_the_window_is_not_exceeded() -> None:
    channel = Channel(window=1)
    for _ in range(3):
        channel.send(Msg.ABORT, b"", 0.0)
    assert channel.take_output().count(b"\0") == 2
    assert len(channel.drop_unsent()) == 2


def test_acknowledgements_wait_for_company_but_not_long() -> None:
    channel = Channel()
    for seq in range(3):
        assert channel.receive(Frame(Msg.TOKEN, seq, 0), 0.0) is not None
    channel.poll(ACK_DELAY_S / 2)
    assert channel.take_output() == b""
    channel.poll(ACK_DELAY_S)
    assert channel.take_output() == encode_frame(Frame(Msg.ACK, 0, 3))
    for seq in range(3, 7):
        channel.receive(Frame(Msg.TOKEN, seq, 0), 1.0)
    channel.poll(1.0)
    assert channel.take_output() == encode_frame(Frame(Msg.ACK, 0, 7))


def test_a_frame_out_of_order_is_dropped_and_answered_at_once() -> None:
    channel = Channel()
    assert channel.receive(Frame(Msg.TOKEN, 1, 0), 0.0) is None
    channel.poll(0.0)
    assert channel.take_output() == encode_frame(Frame(Msg.ACK, 0, 0))


def test_an_acknowledgement_of_frames_never_sent_is_ignored() -> None:
    channel = Channel()
    channel.send(Msg.ABORT, b"", 0.0)
    for ack in (0, 2, 255):
        channel.receive(Frame(Msg.ACK, 0, ack), 0.0)
        assert not channel.idle
    channel.receive(Frame(Msg.ACK, 0, 1), 0.0)
    assert channel.idle


def test_reset_starts_both_directions_again() -> None:
    channel = Channel()
    channel.send(Msg.ABORT, b"", 0.0)
    channel.receive(Frame(Msg.TOKEN, 0, 0), 0.0)
    channel.take_output()
    channel.reset()
    assert channel.idle
    channel.send(Msg.ABORT, b"", 0.0)
    assert channel.take_output() == encode_frame(Frame(Msg.ABORT, 0, 0))
