"""A board on a serial line, played by a thread: what goes wrong on a bench, and what comes back."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.boot.serial import boot_serial, open_serial
from harness.errors import BootError
from harness.link.messages import Msg, SamplingParams
from harness.link.session import Session
from harness.link.stream import Garbled, StreamEnded, TargetLost, TargetReset
from tests.cable import Cable, cable
from tests.harness.link.fake_device import BUILD_ID, FakeDevice, Script, fake_device

pytestmark = pytest.mark.slow  # builds programs, or waits

ENDLESS = SamplingParams(n_predict=100_000)
BANNER = b"\r\nBareword: board, 4 x Cortex-A72, EL2, model\r\n4 of 4 cores run\r\n"


@contextmanager
def bench(folder: Path, script: Script | None = None) -> Iterator[tuple[Cable, FakeDevice]]:
    with fake_device(script) as (stream, device), cable(stream, folder) as wire:
        yield wire, device


@contextmanager
def session_on(wire: Cable, timeout_s: float = 5.0) -> Iterator[Session]:
    with boot_serial(str(wire.port), 115200, wire.port.with_name("console.log")) as target:
        session = Session(target.stream, timeout_s=timeout_s, resend_s=0.1)
        session.connect(expected_build_id=BUILD_ID)
        yield session


def after_first_token(action: Callable[[], None]) -> Callable[[object], None]:
    """A token callback that acts once."""
    acted = threading.Event()

    def on_token(_: object) -> None:
        if not acted.is_set():
            acted.set()
            action()

    return on_token


def test_a_board_that_runs_already_answers_and_goes_on_running(tmp_path: Path) -> None:
    with bench(tmp_path) as (wire, device):
        for _ in range(2):
            with session_on(wire) as session:
                answer = session.generate("Hello", SamplingParams(n_predict=4))
                assert answer.text == "Once upon a time"
        assert device.is_alive()
    assert b"fake device" in (tmp_path / "console.log").read_bytes()


def test_a_cable_pulled_in_an_answer_is_told_and_the_session_recovers(tmp_path: Path) -> None:
    with bench(tmp_path, Script(token_s=0.01)) as (wire, _), session_on(wire) as session:
        with pytest.raises(StreamEnded, match="ttyUSB0 is gone") as lost:
            session.generate("Hello", ENDLESS, on_token=after_first_token(wire.pull))
        assert lost.value.exit_code == 3
        assert "plugged in" in lost.value.hint
        threading.Timer(0.5, wire.plug).start()
        assert session.reconnect(patience_s=20.0).build_id == BUILD_ID
        assert session.generate("Hello", SamplingParams(n_predict=2)).text == "Once upon"


def test_a_cable_that_stays_out_is_given_up(tmp_path: Path) -> None:
    with bench(tmp_path) as (wire, _), session_on(wire) as session:
        wire.pull()
        with pytest.raises(StreamEnded):
            session.generate("Hello")
        with pytest.raises(StreamEnded, match="there is no serial port"):
            session.reconnect(patience_s=0.5)
        wire.plug()


def test_a_board_reset_in_an_answer_is_told_and_the_session_recovers(tmp_path: Path) -> None:
    with bench(tmp_path, Script(token_s=0.01)) as (wire, _):
        banner = [BANNER]

        def reset() -> None:
            wire.to_host = lambda data: banner.pop() if banner else data

        with session_on(wire) as session:
            with pytest.raises(TargetReset, match="has started again") as lost:
                session.generate("Hello", ENDLESS, on_token=after_first_token(reset))
            assert lost.value.exit_code == 3
            assert "Cortex-A72" in str(lost.value)
            session.reconnect(patience_s=20.0)
            assert session.generate("Hello", SamplingParams(n_predict=1)).text == "Once"


def test_a_context_lost_between_two_turns_is_noticed(tmp_path: Path) -> None:
    now = [0.0]
    with fake_device() as (stream, _):  # it always greets with an empty context
        session = Session(stream, clock=lambda: now[0] + time.monotonic())
        session.connect()
        session.generate("Hello", SamplingParams(n_predict=2))
        now[0] += 3600.0
        with pytest.raises(TargetReset, match="7 were left there"):
            session.generate("go on", SamplingParams(n_predict=2), append=True)


def test_another_speed_is_told_from_the_garbage(tmp_path: Path) -> None:
    noise = random.Random(1)
    with bench(tmp_path) as (wire, _):
        wire.to_board = lambda data: noise.randbytes(len(data))
        wire.to_host = lambda _: noise.randbytes(1)  # the board prints something, all the time
        with pytest.raises(Garbled, match=r"garbled: \d+ of \d+ bytes") as wrong, session_on(wire):
            pass
    assert wrong.value.exit_code == 2
    assert "@115200" in wrong.value.hint


def test_noise_without_end_in_an_answer_ends_it(tmp_path: Path) -> None:
    noise = random.Random(2)
    with bench(tmp_path, Script(token_s=0.01)) as (wire, _):

        def garble() -> None:
            wire.to_host = lambda _: noise.randbytes(20)

        with session_on(wire, timeout_s=60.0) as session, pytest.raises(Garbled):
            session.generate("Hello", ENDLESS, on_token=after_first_token(garble))


def test_a_board_that_says_nothing_gives_a_list_of_what_to_look_at(tmp_path: Path) -> None:
    with bench(tmp_path) as (wire, _):
        wire.to_host = lambda _: b""
        with (
            pytest.raises(TargetLost, match=r"not one byte came from .* at 115200 baud") as silent,
            session_on(wire, timeout_s=0.5),
        ):
            pass
    assert silent.value.exit_code == 3
    for word in ("switched on", "RX wired to TX", "ground", "115200"):
        assert word in silent.value.hint


def test_a_port_held_by_another_program_names_it(tmp_path: Path) -> None:
    with bench(tmp_path) as (wire, _):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:  # another program, as far as locks and /proc can tell
            slave = os.open(wire.port, os.O_RDWR | os.O_NOCTTY)
            os.write(writer, b"x")
            time.sleep(60)
            os.close(slave)
            os._exit(0)
        try:
            os.read(reader, 1)
            with pytest.raises(BootError, match=rf"in use by another program: .*process {pid}"):
                open_serial(str(wire.port))
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            os.close(reader)
            os.close(writer)


def test_a_reboot_that_was_asked_for_is_no_loss(tmp_path: Path) -> None:
    with bench(tmp_path) as (wire, device), session_on(wire) as session:
        banner = [BANNER]
        # Right behind the acknowledgement of REBOOT, which is all that is waited for.
        wire.to_host = lambda data: data + banner.pop() if data and banner else data
        session.reboot()
        assert any(message.type == Msg.REBOOT for message in device.requests)
        assert not banner
        assert session.connect().build_id == BUILD_ID
