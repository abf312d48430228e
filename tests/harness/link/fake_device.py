"""A kernel's end of the link in Python: it answers every prompt with a fixed list of pieces."""

import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness.boot.target import FdStream
from harness.link.channel import Channel, Message
from harness.link.frame import Frame, Splitter
from harness.link.messages import PROTOCOL, Msg, PromptFlag, Stop, unpack_hello

N_ROWS = 600  # three LOGITS frames a token
BUILD_ID = 0x0123456789ABCDEF


@dataclass
class Script:
    """What the device does; None means: never."""

    pieces: list[bytes] = field(default_factory=lambda: [b"Once", b" upon", b" a", b" time"])
    boot_output: bytes = b"boot\r\n\0\x02half\0 a frame"
    boot_s: float = 0.0  # HELLOs before are lost
    token_s: float = 0.0
    eog_after: int | None = None
    die_after: int | None = None  # close the line
    mute_after: int | None = None
    panic_after: int | None = None
    panic: bytes = b"PANIC cpu=0 nn/rope.c:7: bad\r\nx0 0x1\r\nEND PANIC\r\n"
    skip_logits_of: int | None = None
    skip_token: int | None = None
    obeys_abort: bool = True
    error: tuple[int, bytes] | None = None  # answer to GENERATE and EMBED
    readings: tuple[int, int, int] = (1_500_000_000, 48_700, 0x6_0006)


class FakeDevice(threading.Thread):
    """Serves one socket until it is closed."""

    def __init__(self, sock: socket.socket, script: Script) -> None:
        super().__init__(daemon=True)
        self.script = script
        self.requests: list[Message] = []
        self.prompt = b""
        self.prompt_ids: list[int] = []
        self._sock = sock
        self._channel = Channel(window=8, resend_s=0.05)
        self._splitter = Splitter()
        self._next = 0  # token to generate
        self._left = 0
        self._token_at = 0.0
        self._mute = False

    def run(self) -> None:
        with self._sock:
            try:
                self._serve()
            except OSError:
                return  # the host has gone

    def _serve(self) -> None:
        start = time.monotonic()
        self._sock.sendall(self.script.boot_output)
        while not self._mute and self._step(time.monotonic(), start):
            pass
        while self._mute and self._sock.recv(4096):
            pass

    def _step(self, now: float, start: float) -> bool:
        if self._left and now >= self._token_at:
            if not self._event(now):
                return False
            self._token(now)
        self._channel.poll(now)
        self._sock.sendall(self._channel.take_output())
        ready, _, _ = select.select([self._sock], [], [], 0.002)
        if not ready:
            return True
        data = self._sock.recv(4096)
        if not data:
            return False
        if now - start >= self.script.boot_s:
            for item in self._splitter.feed(data):
                if isinstance(item, Frame):
                    self._frame(item, now)
        return not any(m.type == Msg.POWEROFF for m in self.requests)

    def _frame(self, frame: Frame, now: float) -> None:
        if frame.type == Msg.HELLO:
            self._left = 0
            hello = unpack_hello(frame.payload)
            self._channel.reset()
            numbers = (hello.nonce, PROTOCOL, 8, BUILD_ID, N_ROWS, 256, 0, 1000, 12)
            self._send(Msg.WELCOME, struct.pack("<IHHQIIIQQ", *numbers) + b"fake device", now)
            return
        message = self._channel.receive(frame, now)
        if message is None:
            return
        self.requests.append(message)
        body = message.payload
        match message.type:
            case Msg.PROMPT_TEXT | Msg.PROMPT_IDS:
                if body[0] & PromptFlag.FIRST:
                    self.prompt, self.prompt_ids = b"", []
                if message.type == Msg.PROMPT_TEXT:
                    self.prompt += body[1:]
                    self.prompt_ids += body[1:]
                else:
                    self.prompt_ids += struct.unpack(f"<{len(body) // 4}I", body[1:])
            case Msg.TOKENIZE:
                self._send_prompt_tokens(now)
                self._done(Stop.LENGTH, 0, now)
            case Msg.GENERATE | Msg.EMBED if self.script.error is not None:
                code, text = self.script.error
                self._send(Msg.ERROR, struct.pack("<H", code) + text, now)
            case Msg.GENERATE:
                if self.prompt:
                    self._send_prompt_tokens(now)
                self._send(Msg.PREFILL, struct.pack("<II", 1, 2), now)
                self._next, self._left = 0, struct.unpack_from("<I", body)[0]
                self._logits = struct.unpack_from("<I", body, 36)[0] & 1
                self._token_at = now + self.script.token_s
            case Msg.ABORT if self._left and self.script.obeys_abort:
                self._left = 0
                self._done(Stop.ABORT, self._next, now)
            case Msg.MEM_READ:
                address, size = struct.unpack("<QI", body)
                data = bytes((address + i) & 0xFF for i in range(size))
                self._send(Msg.MEM_DATA, struct.pack("<Q", address) + data, now)
            case Msg.SENSORS:
                self._send(Msg.READINGS, struct.pack("<III", *self.script.readings), now)

    def _event(self, now: float) -> bool:
        """What the script wants to happen before this token; False ends the device."""
        script, index = self.script, self._next
        if script.panic_after == index:
            self._sock.sendall(b"\0\x02\x21half a frame\n" + script.panic)
            self._mute = True
        if script.mute_after == index:
            self._mute = True
        return script.die_after != index and not self._mute

    def _token(self, now: float) -> None:
        script, index = self.script, self._next
        if self._logits and script.skip_logits_of != index:
            for first in range(0, N_ROWS, 240):
                values = [index + row / 1024 for row in range(first, min(first + 240, N_ROWS))]
                packed = struct.pack(f"<II{len(values)}f", index, first, *values)
                self._send(Msg.LOGITS, packed, now)
        piece = script.pieces[index % len(script.pieces)]
        is_eog = script.eog_after == index
        if script.skip_token != index:
            head = struct.pack("<IIf", index, 2 if is_eog else 100 + index, 0.5)
            self._send(Msg.TOKEN, head + (b"" if is_eog else piece), now)
        self._next += 1
        self._left -= 1
        self._token_at = now + script.token_s
        if is_eog or not self._left:
            self._left = 0
            self._done(Stop.EOG if is_eog else Stop.LENGTH, self._next, now)

    def _send_prompt_tokens(self, now: float) -> None:
        ids = self.prompt_ids
        for first in range(0, max(len(ids), 1), 200):
            part = ids[first : first + 200]
            packed = struct.pack(f"<II{len(part)}I", len(ids), first, *part)
            self._send(Msg.PROMPT_TOKENS, packed, now)

    def _done(self, stop: Stop, generated: int, now: float) -> None:
        counts = (len(self.prompt_ids), 0, generated, len(self.prompt_ids) + generated)
        self._send(
            Msg.DONE, struct.pack("<B3xIIIIQQQII", stop, *counts, 500, 1000, 2000, 0, 0), now
        )

    def _send(self, kind: Msg, payload: bytes, now: float) -> None:
        self._channel.send(kind, payload, now)


@contextmanager
def fake_device(script: Script | None = None) -> Iterator[tuple[FdStream, FakeDevice]]:
    """A running device and the host's end of its line."""
    ours, its = socket.socketpair()
    device = FakeDevice(its, script or Script())
    fd = ours.detach()
    stream = FdStream(fd, fd, lambda: "the fake device has ended")
    device.start()
    try:
        yield stream, device
    finally:
        stream.close()
        device.join(5)
        assert not device.is_alive()
