"""Reliable, ordered messages over a line that loses and damages frames: symmetric go-back-N.

A pure state machine: time comes in as an argument, bytes for the line leave through take_output().
"""

from collections import deque
from dataclasses import dataclass

from harness.link.frame import Frame, encode_frame
from harness.link.messages import RESEND_MS, UNSEQUENCED, Msg

# A kernel that computes listens with 16 bytes of FIFO: one ACK (12 bytes) fits, two do not.
ACK_EVERY = 4  # half of the kernel's window, so that it never runs dry
ACK_DELAY_S = 0.02
RESEND_MAX_FACTOR = 4  # a busy kernel is not flooded with copies


@dataclass(frozen=True)
class Message:
    """A frame that arrived in order, without its link fields."""

    type: int
    payload: bytes


class Channel:
    """One end of the link."""

    def __init__(self, *, window: int = 1, resend_s: float = RESEND_MS / 1000) -> None:
        self._window = window
        self._resend_s = resend_s
        self._output = bytearray()
        self.reset()

    def reset(self) -> None:
        """Both directions start again at sequence number 0; queued messages are dropped."""
        self._queue: deque[Message] = deque()  # not yet sent
        self._unacked: deque[Message] = deque()  # sent; the first has sequence number _base
        self._base = 0
        self._expected = 0
        self._wait_s = self._resend_s
        self._resend_at: float | None = None
        self._ack_at: float | None = None
        self._unacked_received = 0

    @property
    def idle(self) -> bool:
        """Everything queued has been sent and acknowledged."""
        return not self._queue and not self._unacked

    @property
    def deadline(self) -> float | None:
        """When poll() has something to do next."""
        times = [t for t in (self._resend_at, self._ack_at) if t is not None]
        return min(times) if times else None

    def send(self, kind: Msg, payload: bytes, now: float) -> None:
        """Queue a sequenced message."""
        self._queue.append(Message(kind, payload))
        self._fill_window(now)

    def drop_unsent(self) -> list[Message]:
        """Forget, and return, what has not been on the line yet."""
        dropped = list(self._queue)
        self._queue.clear()
        return dropped

    def send_unsequenced(self, kind: Msg, payload: bytes = b"") -> None:
        """HELLO, or an ACK as a sign of life."""
        self._output += encode_frame(Frame(kind, 0, self._expected, payload))

    def acknowledge(self) -> None:
        """Send an acknowledgement that would have waited for company."""
        if self._ack_at is not None:
            self.send_unsequenced(Msg.ACK)
            self._ack_sent()

    def receive(self, frame: Frame, now: float) -> Message | None:
        """The message in `frame` when it is the next in order."""
        self._acknowledged(frame.ack, now)
        if frame.type in UNSEQUENCED:
            return None
        if frame.seq != self._expected:
            self._ack_at = now  # the peer resends from what we expect
            return None
        self._expected = (self._expected + 1) % 256
        self._unacked_received += 1
        due = now if self._unacked_received >= ACK_EVERY else now + ACK_DELAY_S
        self._ack_at = due if self._ack_at is None else min(self._ack_at, due)
        return Message(frame.type, frame.payload)

    def poll(self, now: float) -> None:
        """Resend and acknowledge what is due."""
        if self._resend_at is not None and now >= self._resend_at:
            for offset, message in enumerate(self._unacked):
                self._transmit(offset, message)
            self._wait_s = min(2 * self._wait_s, RESEND_MAX_FACTOR * self._resend_s)
            self._resend_at = now + self._wait_s
        if self._ack_at is not None and now >= self._ack_at:
            self.acknowledge()

    def take_output(self) -> bytes:
        """Bytes for the line."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def _acknowledged(self, ack: int, now: float) -> None:
        count = (ack - self._base) % 256
        if not 0 < count <= len(self._unacked):
            return  # old news
        for _ in range(count):
            self._unacked.popleft()
        self._base = ack
        self._wait_s = self._resend_s
        self._resend_at = now + self._wait_s if self._unacked else None
        self._fill_window(now)

    def _fill_window(self, now: float) -> None:
        while self._queue and len(self._unacked) < self._window:
            message = self._queue.popleft()
            self._transmit(len(self._unacked), message)
            self._unacked.append(message)
            if self._resend_at is None:
                self._resend_at = now + self._wait_s

    def _transmit(self, offset: int, message: Message) -> None:
        seq = (self._base + offset) % 256
        self._output += encode_frame(Frame(message.type, seq, self._expected, message.payload))
        self._ack_sent()  # every frame carries the acknowledgement

    def _ack_sent(self) -> None:
        self._ack_at = None
        self._unacked_received = 0
