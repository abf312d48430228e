"""A conversation with the chainloader: find it, change the speed, send a kernel, start it."""

import secrets
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.errors import HarnessError, LinkError, TargetError
from harness.link import load_messages as load
from harness.link.frame import Frame, Splitter, encode_frame
from harness.link.line import GARBLED_S, refuse_garbage
from harness.link.load_messages import LoaderWelcome, LoadMsg
from harness.link.messages import Msg, pack_hello, unpack_welcome
from harness.link.stream import ByteStream, TargetLost, TargetReset, timeout_scale

FIND_S = 0.3  # from one HELLO to the next
ANSWER_S = (
    0.1  # to the first repetition of a request, besides the time on the line: USB takes 16 ms
)
ANSWER_MAX_S = 3.0
PATIENCE_S = 30.0  # for one request, repetitions included
BYTES_PER_S = 4000.0  # of the line, until it has been measured; QEMU's is hardly faster
MEASURED_BYTES = 500  # fewer say more about the answer's way than about the line
FRAME_BLOCKS, FIRST_FRAME_BLOCKS = 31, 8  # data of a frame: 992 bytes on a good line
WINDOW_BLOCKS = load.STATUS_BLOCKS  # sent before it is asked what is missing
# Where one block a frame is what arrives: so many copies of each question, and, of a few blocks
# that are still missing, of each block. Cheaper than another round.
NOISY_COPIES, FEW_BLOCKS, FEW_COPIES = 3, 32, 2
# Rounds without one new block after which the loader is asked whether it still knows the kernel.
# A line on which every third frame arrives has such a run at a block in five; asking costs little.
DOUBTFUL_ROUNDS = 4


@dataclass(frozen=True)
class Pushed:
    """What it took to send a kernel."""

    size_bytes: int
    line_bytes: int  # all that went over the line for it
    crc: int
    seconds: float


class KernelRuns(LinkError):
    """HELLO was answered by a kernel, not by a loader."""


class _Forgotten(Exception):
    """The loader lacks blocks that it had: it has started again."""


class Loader:
    """The host's end; raises TargetLost when the loader falls silent."""

    def __init__(
        self,
        stream: ByteStream,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._text = bytearray()  # of the console, since the kernel was told to run
        self._rest = b""  # read behind the frame that was handled last
        self._clock = clock
        self._scale = timeout_scale()
        self._splitter = Splitter()
        self._number = 0
        self._sent = 0
        self._came = 0
        self._s_per_byte = 1 / BYTES_PER_S

    def find(self, patience_s: float = PATIENCE_S) -> LoaderWelcome:
        """Say HELLO until a loader answers; KernelRuns when a kernel does, Garbled for noise."""
        nonce = secrets.randbits(32)
        hello = pack_hello(nonce)
        started = self._clock()
        came, noise = self._came, self._splitter.noise
        while self._clock() < started + patience_s * self._scale:
            self._send(Msg.HELLO, hello, 0)
            came_before = self._came
            for frame in self._frames(FIND_S):
                came, noise = self._came, self._splitter.noise
                if frame.type == LoadMsg.WELCOME:
                    welcome = load.unpack_load_welcome(frame.payload)
                    if welcome.nonce == nonce:
                        return _checked(welcome)
                elif frame.type == Msg.WELCOME and unpack_welcome(frame.payload).nonce == nonce:
                    raise KernelRuns("a kernel runs, not the loader", hint="reboot it first")
            # Not in silence: firmware may have spoken at another speed, and the loader be next.
            if self._came > came_before and self._clock() - started >= GARBLED_S * self._scale:
                refuse_garbage(self._came - came, self._splitter.noise - noise)
        self._text += self._splitter.flush()  # what looked like the beginning of a frame
        refuse_garbage(self._came - came, self._splitter.noise - noise)
        raise TargetLost(
            f"no loader has answered for {patience_s * self._scale:.0f} s",
            hint="does the board start the image of `build --loader`? Reset it, or switch it off "
            "and on",
        )

    def change_baud(self, baud: int, set_host: Callable[[int], None], base: int) -> bool:
        """Both ends at `baud`; False: that does not work, and both are at `base` again."""
        self._request(LoadMsg.BAUD, load.TWO_U32.pack(baud, 0))
        set_host(baud)
        try:
            self.find(0.5 * load.FALL_BACK_MS / 1000)
            return True
        except TargetLost:
            set_host(base)
        time.sleep(load.FALL_BACK_MS / 1000)  # it hears nothing meanwhile, and does the same
        self.find()
        return False

    def push(self, kernel: bytes, on_progress: Callable[[int], None] = lambda _: None) -> Pushed:
        """Send all of it, and have the loader compare the CRC of what lies in its memory.

        From the start again when the board resets meanwhile; TargetReset when it does so twice,
        TargetError when its memory does not hold what was sent.
        """
        started, sent_before = self._clock(), self._sent
        begin = load.TWO_U32.pack(len(kernel), zlib.crc32(kernel))
        try:
            self._send_all(kernel, begin, on_progress)
        except _Forgotten:
            try:
                self._send_all(kernel, begin, on_progress)
            except _Forgotten:
                raise TargetReset(
                    "the board has started again twice while the kernel was sent",
                    hint="a watchdog, or power that is too weak",
                ) from None
        self._request(
            LoadMsg.VERIFY, bytes(8), answer_s=ANSWER_S + len(kernel) / 1e6
        )  # it reads memory without a cache
        seconds = self._clock() - started
        return Pushed(len(kernel), self._sent - sent_before, zlib.crc32(kernel), seconds)

    def _send_all(self, kernel: bytes, begin: bytes, on_progress: Callable[[int], None]) -> None:
        """Every block, until the loader has it; _Forgotten when it has no longer what it had."""
        self._request(LoadMsg.BEGIN, begin)
        n_blocks = -(-len(kernel) // load.BLOCK_BYTES)
        frame_blocks = FIRST_FRAME_BLOCKS
        first = 0
        while first < n_blocks:
            # Fewer blocks where each round loses many: the answer, a bit each, must arrive too.
            window = min(max(16 * frame_blocks, 256), WINDOW_BLOCKS, n_blocks - first)
            missing = list(range(first, first + window))
            idle_rounds, new_at = 0, self._clock()
            while missing:
                is_noisy = frame_blocks == 1
                copies = FEW_COPIES if is_noisy and len(missing) <= FEW_BLOCKS else 1
                for at, count in copies * list(_runs(missing, frame_blocks)):
                    start, end = at * load.BLOCK_BYTES, (at + count) * load.BLOCK_BYTES
                    self._send(LoadMsg.DATA, at.to_bytes(4, "little") + kernel[start:end], 0)
                tried = len(missing)
                missing = self._missing(first, window, missing, NOISY_COPIES if is_noisy else 1)
                on_progress(min((first + window - len(missing)) * load.BLOCK_BYTES, len(kernel)))
                frame_blocks = _adapted(frame_blocks, len(missing) / tried)
                if len(missing) < tried:
                    idle_rounds, new_at = 0, self._clock()
                    continue
                idle_rounds += 1
                if idle_rounds % DOUBTFUL_ROUNDS == 0:
                    arrived = set(range(first + window)) - set(missing)
                    self._check_memory(begin, max(arrived, default=None))
                if self._clock() - new_at > PATIENCE_S * self._scale:
                    raise TargetLost(
                        "the loader answers, but has taken no block of the kernel for "
                        f"{PATIENCE_S * self._scale:.0f} s",
                        hint="is the line so bad? Check ground and cable, or take a lower speed",
                    )
            first += window

    def _check_memory(self, begin: bytes, arrived: int | None) -> None:
        """_Forgotten unless the block that has arrived is there; BEGIN is said again."""
        self._request(LoadMsg.BEGIN, begin)  # changes nothing where the kernel is known
        if arrived is not None and self._missing(arrived, 1, [arrived], NOISY_COPIES):
            raise _Forgotten

    def run(self) -> bytes:
        """Start what was sent. Repeated until a loader no longer answers HELLO.

        What the kernel has printed so far; the stream goes on behind it.
        """
        self._start()
        return bytes(self._text) + self._rest

    def _start(self) -> None:
        started = self._clock()
        while self._clock() < started + PATIENCE_S * self._scale:
            number = self._next_number()
            self._text.clear()
            self._send(LoadMsg.RUN, bytes(8), number)
            for frame in self._frames(ANSWER_MAX_S):
                if frame.ack != number:
                    continue
                if frame.type == LoadMsg.REFUSED:
                    raise _refusal(LoadMsg.RUN, frame)
                if frame.type == LoadMsg.DONE:
                    return
            try:
                self.find(ANSWER_MAX_S)  # the request was lost, or only its answer
            except (TargetLost, KernelRuns):
                return
        raise TargetLost(
            f"the loader has answered HELLO, but not RUN, for {PATIENCE_S * self._scale:.0f} s",
            hint="reset the board to begin again",
        )

    def _missing(self, first: int, count: int, tried: Sequence[int], copies: int) -> list[int]:
        """Of the blocks that were sent, those that have not arrived."""
        answer = self._request(
            LoadMsg.STATUS,
            load.TWO_U32.pack(first, count),
            on_its_way=len(tried) * load.BLOCK_BYTES,
            copies=copies,
            wanted=lambda frame: (
                frame.type == LoadMsg.MAP and len(frame.payload) == 4 + -(-count // 8)
            ),
        )
        there = int.from_bytes(answer.payload[4:], "little")
        return [block for block in tried if not there >> (block - first) & 1]

    def _request(
        self,
        kind: LoadMsg,
        payload: bytes,
        *,
        answer_s: float = ANSWER_S,
        on_its_way: int = 0,
        copies: int = 1,
        wanted: Callable[[Frame], bool] = lambda frame: frame.type == LoadMsg.DONE,
    ) -> Frame:
        """The answer; repeated while none comes.

        on_its_way: bytes of data that are read before the request.
        """
        number = self._next_number()
        started = self._clock()
        answer_s += 1.5 * on_its_way * self._s_per_byte
        first_s = answer_s
        while self._clock() < started + PATIENCE_S * self._scale:
            for _ in range(copies):
                self._send(kind, payload, number)
            for frame in self._frames(answer_s):
                if frame.ack != number:
                    continue  # of an earlier request that was repeated
                if frame.type == LoadMsg.REFUSED:
                    raise _refusal(kind, frame)
                if wanted(frame):
                    took_s = self._clock() - started
                    if on_its_way >= MEASURED_BYTES and took_s < first_s:
                        self._s_per_byte += (took_s / on_its_way - self._s_per_byte) / 2
                    return frame
            answer_s = max(answer_s, min(2 * answer_s, ANSWER_MAX_S))
        raise TargetLost(
            f"the loader has not answered {kind.name} for {PATIENCE_S * self._scale:.0f} s",
            hint="is the cable still there? Reset the board to begin again",
        )

    def _frames(self, wait_s: float) -> Iterator[Frame]:
        """What comes within wait_s. Not scaled: to ask too early costs little."""
        deadline = self._clock() + wait_s
        while (left := deadline - self._clock()) > 0:
            data = self._rest
            if not data:
                data = self._stream.read(left)
                self._came += len(data)
            self._rest = b""
            for end in range(1, len(data) + 1):
                frame = self._take(data[end - 1 : end])
                if frame is not None:
                    self._rest = data[end:]
                    yield frame  # perhaps the last one that is the loader's
                    break

    def _take(self, byte: bytes) -> Frame | None:
        """The frame that ends with this byte."""
        for item in self._splitter.feed(byte):
            if isinstance(item, Frame):
                return item
            self._text += item
        return None

    def _send(self, kind: int, payload: bytes, number: int) -> None:
        data = encode_frame(Frame(kind, number, 0, payload))
        self._sent += len(data)
        self._stream.write(data)

    def _next_number(self) -> int:
        self._number = self._number % 255 + 1  # never 0, which HELLO and DATA have
        return self._number


def _refusal(kind: LoadMsg, frame: Frame) -> HarnessError:
    """A kernel that does not fit is the user's; what does not lie in memory is the board's."""
    what = f"the loader refused {kind.name}: {frame.payload.decode('utf-8', 'replace')}"
    if kind not in (LoadMsg.VERIFY, LoadMsg.RUN):
        return LinkError(what)
    return TargetError(what, hint="a reset between, or RAM that does not keep what is written")


def _checked(welcome: LoaderWelcome) -> LoaderWelcome:
    if welcome.protocol != load.LOAD_PROTOCOL:
        raise LinkError(
            f"the loader speaks protocol {welcome.protocol}, the harness {load.LOAD_PROTOCOL}",
            hint="put the loader of this version on the card: build --loader",
        )
    return welcome


def _runs(blocks: Sequence[int], longest: int) -> Iterator[tuple[int, int]]:
    """(first, count) of neighbours, count at most `longest`."""
    start, count = blocks[0], 0
    for block in blocks:
        if block != start + count or count == longest:
            yield start, count
            start, count = block, 0
        count += 1
    yield start, count


def _adapted(frame_blocks: int, lost: float) -> int:
    """Shorter frames where many are lost, longer ones where hardly any is."""
    if lost > 0.8:
        return max(frame_blocks // 8, 1)
    if lost > 0.25:
        return max(frame_blocks // 2, 1)
    return min(2 * frame_blocks, FRAME_BLOCKS) if lost < 0.02 else frame_blocks
