"""A conversation with a kernel: connect, tokenize, generate, read memory, power off."""

import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from harness.errors import LinkError, TargetError
from harness.link import messages
from harness.link.channel import Message
from harness.link.generation import Collector, Generation, Stats, Token
from harness.link.line import SILENCE_S, TURN_S, Line, LoaderAnswers
from harness.link.messages import (
    EmbedFlag,
    GenerateFlag,
    Msg,
    Prefill,
    SamplingParams,
    Stop,
    Welcome,
)
from harness.link.prompt import EchoedPrompt, Prompt
from harness.link.refusal import check_welcome, refused
from harness.link.sensors import Readings, unpack_readings
from harness.link.stream import ByteStream, StreamEnded, TargetLost, TargetReset, timeout_scale
from harness.link.vectors import (
    POOLINGS,
    Embeddings,
    VectorCollector,
    pack_embed,
    unpack_embedded,
    unpack_vector,
)

HELLO_EVERY_S = 0.3
FRESH_S = 5.0  # idle for longer: the kernel may have given us up (GIVE_UP_MS), so greet it again
BOOT_LIMIT_S = 600.0  # a target that talks, but never answers HELLO
BACK_S = 300.0  # a person finds the cable, or the switch

AnyPrompt = Prompt | str | Sequence[int]


class Session:
    """The host's end of the link; one request at a time.

    Raises LinkError when the kernel refuses a request, TargetError (with the last console lines)
    when the target dies or falls silent, TargetPanic (with the report) when it panics.
    """

    def __init__(
        self,
        stream: ByteStream,
        *,
        timeout_s: float = SILENCE_S,
        on_console: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        resend_s: float = messages.RESEND_MS / 1000,
    ) -> None:
        self._line = Line(
            stream, timeout_s=timeout_s, on_console=on_console, clock=clock, resend_s=resend_s
        )
        self.tier = GenerateFlag(0)  # or TIER_...: what the kernel may compute with at most
        # What sends a board its kernel again, when a reset has led to its loader; the line of
        # the kernel that runs then.
        self.on_loader: Callable[[], ByteStream] | None = None
        self._welcome: Welcome | None = None
        self._ended_at = clock()
        self._n_past = 0  # tokens in the context, as the target said last
        self._in_doubt = False  # answers to an earlier request may still come: HELLO clears them
        self._generating = False
        self._interrupted = False

    @property
    def welcome(self) -> Welcome:
        """What the kernel said of itself; LinkError before connect()."""
        if self._welcome is None:
            raise LinkError("the session is not connected", hint="call connect() first")
        return self._welcome

    def connect(self, *, expected_build_id: int | None = None) -> Welcome:
        """Say HELLO until the kernel answers; boot text and old frames may come before.

        A loader that answers is sent the kernel once: TargetError when it answers again.
        """
        line = self._line
        sent = False
        line.greet(secrets.randbits(32))
        started = hello_at = line.clock()
        while not line.inbox:
            now = line.clock()
            if now - started > BOOT_LIMIT_S * timeout_scale():
                raise line.dead(f"no answer to HELLO within {now - started:.0f} s")
            if now >= hello_at:
                line.hello()
                hello_at = now + HELLO_EVERY_S
            try:
                line.turn(hello_at, "an answer to HELLO")
            except LoaderAnswers:
                if self.on_loader is None:
                    raise
                if sent:
                    raise TargetError(
                        "the kernel was sent and started, and the loader answers again",
                        hint="it resets before it answers: see the console log",
                    ) from None
                sent = True
                line.take(self.on_loader())
                line.greet(secrets.randbits(32))
        welcome = messages.unpack_welcome(line.inbox.popleft().payload)
        self._end()
        check_welcome(welcome, expected_build_id)
        self._welcome = welcome
        self._n_past = welcome.n_past
        self._in_doubt = False
        return welcome

    def reconnect(self, *, patience_s: float = BACK_S) -> Welcome:
        """After TargetLost: wait until the line and the target are back, and greet it.

        The last TargetLost when they do not come within patience_s. The context is to be taken for
        lost: of an answer that was cut off nobody knows how much of it the target has kept.
        """
        known = self.welcome
        deadline = self._line.clock() + patience_s * timeout_scale()
        while True:
            try:
                self._line.reopen(max(deadline - self._line.clock(), 0.0))
                return self.connect(expected_build_id=known.build_id)
            except TargetLost:
                if self._line.clock() >= deadline:
                    raise

    def tokenize(self, prompt: AnyPrompt) -> list[int]:
        """Token ids of a prompt, as the kernel's tokenizer sees it."""
        echo = EchoedPrompt()
        self._begin()
        self._send_prompt(as_prompt(prompt))
        self._line.send(Msg.TOKENIZE)
        for message in self._replies("the prompt's tokens"):
            if message.type == Msg.PROMPT_TOKENS:
                echo.add(messages.unpack_prompt_tokens(message.payload))
            elif message.type == Msg.DONE:
                break
        self._end()
        return list(echo.ids())

    def generate(
        self,
        prompt: AnyPrompt,
        params: SamplingParams | None = None,
        *,
        want_logits: bool = False,
        append: bool = False,
        on_token: Callable[[Token], None] | None = None,
        on_prefill: Callable[[Prefill], None] | None = None,
    ) -> Generation:
        """Tokens that follow the prompt (append: the prompt follows what is in the context).

        Ctrl-C ends it early and cleanly: stop is "abort". A second Ctrl-C raises.
        """
        prompt = as_prompt(prompt)
        flags = GenerateFlag.LOGITS | self.tier if want_logits else self.tier
        if append:
            flags |= GenerateFlag.APPEND
        request = messages.pack_generate(params or SamplingParams(), flags)
        with self._catch_interrupt():
            n_past = self._n_past
            self._begin()
            if append and self._n_past != n_past:
                raise TargetReset(
                    f"the target has {self._n_past} tokens in its context, {n_past} were left "
                    "there: it has started again meanwhile",
                    hint="begin the conversation afresh",
                )
            collector = Collector(
                self.welcome.n_vocab_rows,
                want_logits=want_logits,
                on_token=on_token,
                on_prefill=on_prefill,
            )
            self._send_prompt(prompt)
            self._line.send(Msg.GENERATE, request)
            done = self._collect(collector)
            self._end()
            self._n_past = self._n_past if done is None else done.n_past
        if done is None:
            return collector.result(prompt.ids or (), Stop.ABORT, None)
        ids = collector.prompt.ids() if prompt.ids is None else prompt.ids
        return collector.result(ids, done.stop, self._stats(done))

    def embed(
        self,
        prompts: Sequence[AnyPrompt],
        *,
        pooling: str | None = None,
        on_text: Callable[[int], None] | None = None,
    ) -> Embeddings:
        """A vector of each text; as many texts as fit go through the model together.

        pooling: of POOLINGS; None: the model's own. Ctrl-C raises KeyboardInterrupt: nothing is
        half a vector.
        """
        if not prompts:
            raise LinkError("there are no texts", hint="give one at least")
        flags = POOLINGS[pooling] if pooling else EmbedFlag(0)
        if self.tier:
            flags |= EmbedFlag(int(self.tier))
        collector = VectorCollector(len(prompts), on_text)
        self._begin()
        for i, prompt in enumerate(prompts):
            first = EmbedFlag.FIRST if i == 0 else EmbedFlag(0)
            last = EmbedFlag.LAST if i == len(prompts) - 1 else EmbedFlag(0)
            self._send_prompt(as_prompt(prompt))
            self._line.send(Msg.EMBED, pack_embed(flags | first | last))
        for message in self._replies("the next vector", of_texts=True):
            if message.type == Msg.VECTOR:
                collector.add(unpack_vector(message.payload))
            elif message.type == Msg.EMBEDDED:
                end = unpack_embedded(message.payload)
                break
        self._end()
        return collector.result(end)

    def abort(self) -> None:
        """End the running generate() with stop "abort"; for callbacks and other threads."""
        self._interrupted = True

    def read_memory(self, address: int, size_bytes: int) -> bytes:
        """Memory of the target."""
        self._begin()
        data = bytearray()
        while len(data) < size_bytes:
            part = min(size_bytes - len(data), messages.MEM_DATA_BYTES)
            self._line.send(Msg.MEM_READ, messages.pack_mem_read(address + len(data), part))
            for message in self._replies("memory"):
                if message.type == Msg.MEM_DATA:
                    data += _checked_memory(message, address + len(data), part)
                    break
        self._end()
        return bytes(data)

    def sensors(self) -> Readings:
        """Clock, temperature and throttling of the target, now."""
        self._begin()
        self._line.send(Msg.SENSORS)
        for message in self._replies("the board's readings"):
            if message.type == Msg.READINGS:
                readings = unpack_readings(message.payload)
                break
        self._end()
        return readings

    def listen(self, timeout_s: float, until: Callable[[], bool]) -> None:
        """Read what the target prints unasked, until `until()` or for timeout_s."""
        self._line.listen(timeout_s, until)

    def poweroff(self, *, wait_s: float = 5.0) -> None:
        """Switch the target off; returns when the line has ended, or was quiet for wait_s."""
        self._farewell(Msg.POWEROFF, wait_s)

    def reboot(self, *, wait_s: float = 5.0) -> None:
        """Restart the target; connect() again afterwards."""
        self._farewell(Msg.REBOOT, wait_s)

    def _farewell(self, kind: Msg, wait_s: float) -> None:
        line = self._line
        line.drop_unsent()
        line.send(kind)
        line.heard_at = line.clock()
        quiet_s = wait_s * timeout_scale()
        with suppress(StreamEnded, TargetReset):
            while line.clock() - line.heard_at < quiet_s:
                line.turn(line.heard_at + quiet_s, "the target to end")
                if kind is Msg.REBOOT and line.idle:
                    break
        self._welcome = None

    def _begin(self) -> None:
        """A new request, on a connection that is alive and holds no leftovers of the last one."""
        known = self.welcome
        if self._in_doubt or self._line.clock() - self._ended_at > FRESH_S:
            self.connect(expected_build_id=known.build_id)
        self._line.inbox.clear()

    def _end(self) -> None:
        """The request is complete: the kernel must not wait for its last acknowledgement."""
        self._line.finish()
        self._ended_at = self._line.clock()

    def _collect(self, collector: Collector) -> messages.Done | None:
        """Messages until DONE; None when aborted before the kernel was asked."""
        aborting = False
        for message in self._replies("the next token"):
            if self._interrupted and not aborting:
                aborting = True
                if any(m.type == Msg.GENERATE for m in self._line.drop_unsent()):
                    return None
                self._line.send(Msg.ABORT)
            if message.type == Msg.DONE:
                done = messages.unpack_done(message.payload)
                self._in_doubt = aborting and done.stop is not Stop.ABORT  # the two crossed
                return done
            with self._interruptible():
                collector.take(message.type, message.payload)
        return None

    def _replies(self, expecting: str, *, of_texts: bool = False) -> Iterator[Message]:
        """Messages in order, and an empty one after each turn so that the caller can react."""
        line = self._line
        line.heard_at = line.clock()
        self._in_doubt = True
        while True:
            while line.inbox:
                message = line.inbox.popleft()
                if message.type == Msg.ERROR:
                    line.drop_unsent()
                    line.finish()
                    raise refused(messages.unpack_error(message.payload), of_texts=of_texts)
                if message.type in (Msg.DONE, Msg.MEM_DATA, Msg.EMBEDDED, Msg.READINGS):
                    self._in_doubt = False
                yield message
            with self._interruptible():
                line.turn(line.clock() + TURN_S, expecting)
            yield Message(Msg.ACK, b"")

    def _send_prompt(self, prompt: Prompt) -> None:
        for kind, payload in prompt.messages():
            self._line.send(kind, payload)

    def _stats(self, done: messages.Done) -> Stats:
        return Stats(
            n_prompt=done.n_prompt,
            n_reused=done.n_reused,
            n_generated=done.n_generated,
            n_past=done.n_past,
            ticks_per_s=self.welcome.ticks_per_s,
            ticks_receive=done.ticks_receive,
            ticks_prefill=done.ticks_prefill,
            ticks_decode=done.ticks_decode,
            n_drafted=done.n_drafted,
            n_accepted=done.n_accepted,
        )

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first KeyboardInterrupt out of a callback or a read becomes an abort."""
        try:
            yield
        except KeyboardInterrupt:
            if self._interrupted or not self._generating:
                raise
            self._interrupted = True

    @contextmanager
    def _catch_interrupt(self) -> Iterator[None]:
        """Ctrl-C asks for an abort at a clean point; the second one raises KeyboardInterrupt."""

        def handler(number: int, frame: FrameType | None) -> None:
            if self._interrupted:
                signal.default_int_handler(number, frame)
            self._interrupted = True

        self._interrupted = False
        self._generating = True
        mine = threading.current_thread() is threading.main_thread()
        mine = mine and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if mine:
            signal.signal(signal.SIGINT, handler)
        try:
            yield
        finally:
            self._generating = False
            if mine:
                signal.signal(signal.SIGINT, signal.default_int_handler)


def as_prompt(prompt: AnyPrompt) -> Prompt:
    """A str is plain text with llama.cpp's defaults, a sequence of numbers is ids."""
    if isinstance(prompt, Prompt):
        return prompt
    return Prompt.of_text(prompt) if isinstance(prompt, str) else Prompt.of_ids(prompt)


def _checked_memory(message: Message, address: int, size_bytes: int) -> bytes:
    answer = messages.unpack_mem_data(message.payload)
    if answer.address != address or len(answer.data) != size_bytes:
        raise TargetError(
            f"the kernel sent {len(answer.data)} bytes of memory at {answer.address:#x}, "
            f"expected {size_bytes} at {address:#x}"
        )
    return answer.data
