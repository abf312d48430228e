"""The line to a target: frames and console text from one byte stream, silence, panic and end."""

import time
from collections import deque
from collections.abc import Callable

from harness.errors import LinkError
from harness.link import messages
from harness.link.channel import Channel, Message
from harness.link.console import Console
from harness.link.frame import Frame, Splitter
from harness.link.load_messages import LoadMsg, unpack_load_welcome
from harness.link.messages import Msg
from harness.link.stream import (
    ByteStream,
    Garbled,
    StreamEnded,
    TargetLost,
    TargetReset,
    timeout_scale,
)

SILENCE_S = 60.0  # no byte for so long while an answer is due: the target is dead
PING_EVERY_S = 5.0
PANIC_SILENCE_S = 1.0  # a panic report without its last line ends so
TURN_S = 0.1  # longest single read, so that Ctrl-C is noticed
# No frame for so long, and most of so many bytes is noise: the two ends do not have one speed.
GARBLED_S = 5.0
GARBLED_BYTES = 48


class LoaderAnswers(LinkError):
    """HELLO was answered by the chainloader, which waits for a kernel."""

    def __init__(self, description: str) -> None:
        super().__init__(
            f"no kernel runs on the board: {description} waits for one",
            hint="send it: --target serial:PORT,chainload",
        )


def refuse_garbage(came: int, noise: int) -> None:
    """Garbled when most of the bytes that came without a frame among them are noise."""
    if noise >= GARBLED_BYTES and 2 * noise > came:
        raise Garbled(
            f"what comes from the target is garbled: {noise} of {came} bytes are neither text "
            "nor part of a message",
            hint="is the line's speed the board's? e.g. --target serial:PORT@115200; "
            "else check ground and cable",
        )


class Line:
    """Moves messages both ways, one `turn` at a time; raises when the target is lost."""

    def __init__(
        self,
        stream: ByteStream,
        *,
        timeout_s: float = SILENCE_S,
        on_console: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        resend_s: float = messages.RESEND_MS / 1000,
    ) -> None:
        scale = timeout_scale()
        self.clock = clock
        self.heard_at = clock()  # last byte, or last start of a wait
        self.inbox: deque[Message] = deque()
        self._stream = stream
        self._silence_s = timeout_s * scale
        self._panic_silence_s = PANIC_SILENCE_S * scale
        self._console = Console(on_console)
        self._splitter = Splitter()
        self._channel = Channel(resend_s=resend_s * scale)
        self._ping_at = 0.0
        self._garbled_s = GARBLED_S * scale
        self._frame_at = clock()  # last frame, or last HELLO; and what had come until then:
        self._bytes = self._bytes_then = self._noise_then = 0
        self._boots = 0  # of the target, when it answered HELLO
        self._greeting: int | None = None  # nonce of the HELLO that is not answered yet

    @property
    def idle(self) -> bool:
        """All that was sent has been acknowledged."""
        return self._channel.idle

    def greet(self, nonce: int) -> None:
        """Both directions start again with the WELCOME that answers a HELLO with this nonce."""
        self._channel.reset()
        self.inbox.clear()
        self._greeting = nonce
        self.heard_at = self.clock()
        self._begin_to_judge()

    def reopen(self, timeout_s: float) -> None:
        """The stream anew, after it ended or fell silent; greet() is next."""
        self._splitter.flush()
        self._stream.reopen(timeout_s)

    def take(self, stream: ByteStream) -> None:
        """Another stream in the place of this one; greet() is next."""
        self._splitter.flush()
        self._stream = stream

    def hello(self) -> None:
        """Say HELLO (again)."""
        if self._greeting is not None:
            self._channel.send_unsequenced(Msg.HELLO, messages.pack_hello(self._greeting))

    def send(self, kind: Msg, payload: bytes = b"") -> None:
        """Queue a message; turns carry it over."""
        self._channel.send(kind, payload, self.clock())

    def drop_unsent(self) -> list[Message]:
        """Take back what is still queued."""
        return self._channel.drop_unsent()

    def finish(self) -> None:
        """Acknowledge now what has come in; there may be no turn for a while."""
        self._channel.acknowledge()
        self._flush_output()

    def turn(self, until: float, expecting: str) -> None:
        """Write what is due, then read once, at most until `until`; messages go to the inbox."""
        now = self.clock()
        self._channel.poll(now)
        if now - self.heard_at > PING_EVERY_S and now >= self._ping_at:
            self._channel.send_unsequenced(Msg.ACK)  # mends an acknowledgement that was lost
            self._ping_at = now + PING_EVERY_S
        self._flush_output()
        deadline = self._channel.deadline
        wake = min(until, now + TURN_S, until if deadline is None else deadline)
        try:
            data = self._stream.read(max(wake - now, 0.0))
        except StreamEnded as exc:
            self._console.feed(self._splitter.flush())
            self._console.raise_panic()
            raise StreamEnded(self._with_tail(str(exc)), hint=exc.hint) from exc
        if not data:
            self._check_silence(expecting)
            return
        self.heard_at = self.clock()
        self._bytes += len(data)
        for item in self._splitter.feed(data):
            if isinstance(item, Frame):
                self._begin_to_judge()
                self._receive(item)
            else:
                self._console.feed(item)
        if self._greeting is None and self._console.boots != self._boots:
            self._boots = self._console.boots
            raise TargetReset(
                self._with_tail(f"the target has started again, expected {expecting}"),
                hint="a reset, a watchdog, or power that is too weak; ask again",
            )
        if self.heard_at - self._frame_at >= self._garbled_s:
            self._refuse_garbage()

    def listen(self, timeout_s: float, until: Callable[[], bool]) -> None:
        """Turns while nothing is due, until `until()` or for timeout_s.

        Console text goes where it always goes; silence is no fault, a panic and an end are.
        """
        self.heard_at = self.clock()
        deadline = self.heard_at + timeout_s
        while not until() and self.clock() < deadline:
            if self.clock() - self.heard_at > self._silence_s / 2:
                self.heard_at = self.clock()
            self.turn(deadline, "console text")

    def dead(self, what: str) -> TargetLost:
        """The error for a target that does not answer, with its last words."""
        return TargetLost(
            self._with_tail(what),
            hint="on a slow or busy host set HARNESS_TIMEOUT_SCALE=4; else see the console log",
        )

    def _receive(self, frame: Frame) -> None:
        if self._greeting is not None:
            if frame.type == LoadMsg.WELCOME:
                welcome = unpack_load_welcome(frame.payload)
                if welcome.nonce == self._greeting:
                    raise LoaderAnswers(welcome.description)
            # Frames of an earlier conversation must not move the new sequence numbers.
            if frame.type != Msg.WELCOME or frame.seq != 0:
                return
            if messages.unpack_welcome(frame.payload).nonce != self._greeting:
                return
            self._greeting = None
            self._boots = self._console.boots
        message = self._channel.receive(frame, self.clock())
        if message is not None:
            self.inbox.append(message)

    def _check_silence(self, expecting: str) -> None:
        silent_s = self.clock() - self.heard_at
        if silent_s >= self._panic_silence_s:
            if self._splitter.pending:
                self._console.feed(self._splitter.flush())
            self._console.raise_panic()
        if silent_s >= self._silence_s:
            self._refuse_garbage()
            raise self.dead(f"no byte from the target for {silent_s:.0f} s, expected {expecting}")

    def _begin_to_judge(self) -> None:
        self._frame_at = self.clock()
        self._bytes_then, self._noise_then = self._bytes, self._splitter.noise

    def _refuse_garbage(self) -> None:
        refuse_garbage(self._bytes - self._bytes_then, self._splitter.noise - self._noise_then)

    def _flush_output(self) -> None:
        data = self._channel.take_output()
        if data:
            self._stream.write(data)

    def _with_tail(self, what: str) -> str:
        tail = self._console.tail()
        return f"{what}\nlast console lines:\n{tail}" if tail else f"{what} (no console output)"
