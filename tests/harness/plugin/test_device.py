"""harness/plugin/device.py: a console that is read while it is waited for, and one boot a test."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.cli.options import TargetOptions
from harness.errors import TargetError
from harness.link.generation import Stats
from harness.link.messages import SamplingParams
from harness.link.sensors import Readings
from harness.link.session import Session
from harness.link.stream import ByteStream, StreamEnded
from harness.plugin import device as device_module
from harness.plugin.capabilities import capabilities_of
from harness.plugin.device import Device, DeviceConsole, Dut, Figures
from tests.harness.link.fake_device import BUILD_ID, fake_device

DESCRIPTION = "pi5, 4 x Cortex-A76 (dotprod), EL2, tiny"


class Speaking:
    """A line on which words come by themselves, later than the session's last request."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.words: list[bytes] = []
        self.ends = False
        self.write, self.close, self.reopen = stream.write, stream.close, stream.reopen

    def read(self, timeout_s: float) -> bytes:
        if self.words:
            return self.words.pop(0)
        if self.ends:
            raise StreamEnded("the board is gone")
        return self._stream.read(min(timeout_s, 0.01))


class Bench:
    """A Device whose target is the device in Python; counts how often it was started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stream: ByteStream) -> None:
        self.line = Speaking(stream)
        self.starts = 0
        monkeypatch.delenv("HARNESS_TIMEOUT_SCALE", raising=False)
        monkeypatch.setattr(device_module, "running", self._running)
        built: Any = SimpleNamespace(
            image=SimpleNamespace(build_id=BUILD_ID),
            board=SimpleNamespace(ram_size_bytes=2 << 30),
            ram_bytes=None,
            elf=Path("kernel.elf"),
            directory=Path(),
        )
        options = TargetOptions(cpu=None, ram_bytes=None, icount=False, twin=False)
        self.device = Device(built, options)

    @contextmanager
    def _running(
        self, _built: object, _options: object, *, on_console: Callable[[str], None]
    ) -> Iterator[Session]:
        self.starts += 1
        session = Session(self.line, on_console=on_console, resend_s=0.05)
        session.connect(expected_build_id=BUILD_ID)
        yield session


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with fake_device() as (stream, _):
        made = Bench(monkeypatch, stream)
        monkeypatch.setattr(
            device_module,
            "capabilities_of",
            lambda _, ram_bytes: capabilities_of(DESCRIPTION, ram_bytes),
        )
        yield made


def test_what_a_target_prints_by_itself_is_seen_while_it_is_waited_for(bench: Bench) -> None:
    bench.device.session()
    bench.line.words = [b"watch", b"dog in ", b"7 s\r\n"]
    match = bench.device.console.expect(r"watchdog in (\d+) s", timeout_s=5.0)
    assert match[1] == "7"


def test_what_does_not_come_is_told_with_the_last_lines(bench: Bench) -> None:
    bench.device.session()
    bench.line.words = [b"something else\r\n"]
    with pytest.raises(TargetError, match=r"(?s)does not match 'never'\nlast lines:.*else"):
        bench.device.console.expect("never", timeout_s=0.1)
    assert not bench.device.is_lost


def test_last_words_count_and_a_target_that_ends_without_them_is_lost(bench: Bench) -> None:
    bench.device.session()
    bench.line.words = [b"bye\r\n"]
    bench.line.ends = True
    assert bench.device.console.expect("bye")
    with pytest.raises(StreamEnded, match="the board is gone"):
        bench.device.console.expect("more")
    assert bench.device.is_lost


def test_a_console_that_nothing_is_connected_to_says_what_it_lacks() -> None:
    with pytest.raises(TargetError, match="does not match 'x'"):
        DeviceConsole().expect("x", timeout_s=0.0)


ANSWER = Stats(
    n_prompt=2, n_reused=0, n_generated=5, n_past=7, ticks_per_s=1_000_000, ticks_receive=1,
    ticks_prefill=50, ticks_decode=2000, n_drafted=0, n_accepted=0,
)  # fmt: skip
ONE_TOKEN = dataclasses.replace(ANSWER, n_generated=1, ticks_decode=0)  # it came with the prompt


@pytest.mark.parametrize(
    ("answers", "readings", "icount", "told"),
    [
        ([ANSWER], Readings(), False, {"tokens_per_s": 2000.0}),
        ([ANSWER], Readings(), True, {"instructions_per_token": 500_000}),
        ([ANSWER, ANSWER, ONE_TOKEN], Readings(), False, {"tokens_per_s": 2000.0}),
        ([ANSWER], Readings(mhz=1500), False, {"tokens_per_s": 2000.0, "mhz": 1500}),
        ([ANSWER], Readings(celsius=48.7), False, {"tokens_per_s": 2000.0, "celsius": 48.7}),
        ([ONE_TOKEN], Readings(mhz=1500, celsius=48.7), False, {"mhz": 1500, "celsius": 48.7}),
        ([ONE_TOKEN], Readings(), True, {}),
        ([None], Readings(mhz=600), False, {"mhz": 600}),
        ([], Readings(), False, {}),
    ],
)
def test_what_is_not_known_is_no_property(
    answers: list[Stats | None], readings: Readings, icount: bool, told: dict[str, float]
) -> None:
    figures = Figures()
    for stats in answers:
        answer: Any = SimpleNamespace(stats=stats)
        figures.add(answer, readings)
    assert dict(figures.properties(icount=icount)) == told


def test_a_device_tells_its_figures_without_another_start(bench: Bench) -> None:
    """A test that loses the target must not have it started again only to end."""
    figures = Figures()
    dut = Dut(bench.device, figures)
    dut.generate("Hello", SamplingParams(n_predict=4))
    bench.device.is_lost = True
    told = dict(figures.properties(icount=False))
    assert told.keys() == {"tokens_per_s", "mhz", "celsius"}
    assert (told["mhz"], told["celsius"]) == (1500, 48.7)
    assert bench.starts == 1
