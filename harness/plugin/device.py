"""A device under test: one boot for many tests, started again when it was lost."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from harness.cli.options import TargetOptions
from harness.cli.pipeline import Built
from harness.cli.target import named_panic, running
from harness.errors import HarnessError, TargetError
from harness.link.console import TargetPanic
from harness.link.generation import Generation
from harness.link.sensors import Readings
from harness.link.session import Session
from harness.link.stream import TargetLost, timeout_scale
from harness.plugin.capabilities import Capabilities, capabilities_of

TAIL_LINES = 40


@dataclass
class DeviceConsole:
    """The text that a target has printed since the test began."""

    text: str = ""
    # Reads the target's line until its second argument holds, or for so many seconds.
    listen: "Callable[[float, Callable[[], bool]], None] | None" = None

    def expect(self, pattern: str, *, timeout_s: float = 10.0) -> "re.Match[str]":
        """The first match in what was printed; TargetError, with the last lines, without one.

        The line is read meanwhile: what the target prints by itself is seen too.
        """
        found = partial(re.search, pattern)
        try:
            if self.listen is not None:
                self.listen(timeout_s * timeout_scale(), lambda: found(self.text) is not None)
        except TargetError:
            if found(self.text) is None:
                raise  # else: the last words of a target that is lost were the right ones
        match = found(self.text)
        if match is not None:
            return match
        tail = "\n".join(self.text.splitlines()[-TAIL_LINES:])
        raise TargetError(f"the console does not match {pattern!r}\nlast lines:\n{tail}")


@dataclass
class Figures:
    """What a test's answers took, for its report."""

    decoded: int = 0
    decode_ticks: int = 0
    ticks_per_s: int = 0
    readings: Readings = field(default_factory=Readings)

    def add(self, answer: Generation, readings: Readings) -> None:
        """Count one answer; readings: the board's, right after it."""
        self.readings = readings
        if answer.stats is not None:
            self.decoded += max(answer.stats.n_generated - 1, 0)
            self.decode_ticks += answer.stats.ticks_decode
            self.ticks_per_s = answer.stats.ticks_per_s

    def properties(self, *, icount: bool) -> Iterator[tuple[str, float]]:
        """Name and value for JUnit; what is not known is left out."""
        if self.decoded and self.decode_ticks and self.ticks_per_s:
            seconds = self.decode_ticks / self.ticks_per_s
            if icount:  # one instruction a nanosecond
                yield "instructions_per_token", round(seconds * 1e9 / self.decoded)
            else:
                yield "tokens_per_s", round(self.decoded / seconds, 3)
        if self.readings.mhz is not None:
            yield "mhz", self.readings.mhz
        if self.readings.celsius is not None:
            yield "celsius", self.readings.celsius


class Dut:
    """A connected session that counts what its answers take. Otherwise as Session."""

    def __init__(self, device: "Device", figures: Figures) -> None:
        self.session = device.session()
        self._device = device
        self._figures = figures

    def generate(self, *args: Any, **kwargs: Any) -> Generation:
        """As Session.generate(); a panic comes with function names."""
        try:
            answer = self.session.generate(*args, **kwargs)
            readings = self.session.sensors()  # now: when the test has ended, it may be lost
        except TargetPanic as panic:
            self._device.is_lost = True
            built = self._device.built
            raise named_panic(panic, built.elf, built.directory / "console.log") from panic
        except TargetLost:
            self._device.is_lost = True
            raise
        self._figures.add(answer, readings)
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)


@dataclass
class Device:
    """A built image and where it runs."""

    built: Built
    options: TargetOptions
    console: DeviceConsole = field(default_factory=DeviceConsole)
    is_lost: bool = False  # the next session begins with another start
    _capabilities: Capabilities | None = None
    _stack: ExitStack = field(default_factory=ExitStack)
    _session: Session | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; starts it when it has not run yet."""
        if self._capabilities is None:
            ram_bytes = self.options.ram_bytes or self.built.ram_bytes
            self._capabilities = capabilities_of(
                self.session().welcome.description, ram_bytes or self.built.board.ram_size_bytes
            )
        return self._capabilities

    def session(self) -> Session:
        """A session with nothing of earlier requests in it; starts the target if need be."""
        if self.is_lost:
            self.stop()
        if self._session is not None:
            try:
                self._session.connect(expected_build_id=self.built.image.build_id)
                return self._session
            except TargetError:
                self.stop()
        context = running(self.built, self.options, on_console=self._heard)
        self._session = self._stack.enter_context(context)
        self.console.listen = self._listen
        return self._session

    def stop(self) -> None:
        """Switch it off; a board goes on running."""
        self._session, self.is_lost = None, False
        stack, self._stack = self._stack, ExitStack()
        try:
            stack.close()
        except HarnessError:  # of a target that is lost: whoever used it has been told
            return

    def _listen(self, timeout_s: float, until: Callable[[], bool]) -> None:
        if self._session is None:
            return  # it was stopped: nothing more comes
        try:
            self._session.listen(timeout_s, until)
        except TargetLost:
            self.is_lost = True
            raise
        except TargetPanic as panic:
            self.is_lost = True
            raise named_panic(
                panic, self.built.elf, self.built.directory / "console.log"
            ) from panic

    def _heard(self, text: str) -> None:
        self.console.text += text
