"""harness/boot/serial.py against a pseudo-terminal."""

import errno
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from harness.boot import serial as serial_module
from harness.boot.serial import open_serial
from harness.errors import BootError
from harness.link.stream import StreamEnded


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """The far end's descriptor and the port's name."""
    far, near = pty.openpty()
    name = os.ttyname(near)
    yield far, name
    os.close(near)
    try:
        os.close(far)
    except OSError:
        return  # the test closed it


def test_bytes_go_both_ways_unchanged(terminal: tuple[int, str]) -> None:
    far, name = terminal
    line = open_serial(name, 115200)
    try:
        data = bytes(range(256))
        os.write(far, data)
        received = b""
        while len(received) < len(data):
            received += line.read(5.0)
        assert received == data
        line.write(data)
        assert os.read(far, 1000) == data
        assert line.read(0.01) == b""
    finally:
        line.close()


def test_a_port_in_use_is_told(terminal: tuple[int, str]) -> None:
    _, name = terminal
    line = open_serial(name)
    try:
        with pytest.raises(BootError, match="is in use by another program"):
            open_serial(name)
    finally:
        line.close()


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of UUCP locks, besides the first, which is not there."""
    folder = tmp_path / "lock"
    folder.mkdir()
    monkeypatch.setattr(serial_module, "UUCP_LOCKS", (tmp_path / "none", folder))
    return folder


def test_a_port_that_is_locked_as_uucp_did_it_is_told(
    terminal: tuple[int, str], locks: Path
) -> None:
    name = terminal[1]
    (locks / f"LCK..{Path(name).name}").write_text(f"{os.getppid():10d}\n")
    with pytest.raises(BootError, match=f"process {os.getppid()}, by its lock in {locks}"):
        open_serial(name)


@pytest.mark.parametrize("text", ["", "\n", "minicom\n", "-1\n", "4194305\n"])
def test_a_lock_that_nobody_holds_is_no_lock(
    terminal: tuple[int, str], locks: Path, text: str
) -> None:
    """Empty, no number, or of a process that has ended: 4194304 is the last number."""
    name = terminal[1]
    (locks / f"LCK..{Path(name).name}").write_text(text)
    open_serial(name).close()


def test_a_process_that_ends_while_it_is_looked_at_holds_nothing(
    terminal: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder was there, and cannot be listed any more; the port's holder is found."""
    name = terminal[1]
    code = "import sys; port = open(sys.argv[1]); print(flush=True); sys.stdin.read()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, name], stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        ended = f"/proc/{os.getppid()}/fd"

        def unless_ended(listed: Callable[[str], Any]) -> Callable[[str], Any]:
            def list_folder(folder: str) -> Any:
                if os.fspath(folder) == ended:
                    raise ProcessLookupError(errno.ESRCH, "No such process", ended)
                return listed(folder)

            return list_folder

        for name_of_listing in ("listdir", "scandir"):  # pathlib's, by Python's version
            listing = unless_ended(getattr(os, name_of_listing))
            monkeypatch.setattr(os, name_of_listing, listing)
        with pytest.raises(BootError, match=rf"in use by another program: .*{holder.pid}\)"):
            open_serial(name)
        holder.communicate()


def test_an_unplugged_adapter_ends_the_line(terminal: tuple[int, str]) -> None:
    far, name = terminal
    line = open_serial(name)
    try:
        os.close(far)
        with pytest.raises(StreamEnded, match="is gone"):
            line.read(5.0)
    finally:
        line.close()


def test_a_missing_port_lists_those_that_exist() -> None:
    with pytest.raises(BootError, match="no serial port /dev/ttyNONE") as error:
        open_serial("/dev/ttyNONE")
    assert error.value.hint.startswith("found: ")


def test_a_forbidden_port_names_the_group(
    terminal: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(errno.EACCES, "Permission denied")

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(BootError, match="no permission") as error:
        open_serial(terminal[1])
    assert "dialout" in error.value.hint


def test_a_file_is_no_serial_port(tmp_path: Path) -> None:
    port = tmp_path / "file"
    port.write_bytes(b"")
    with pytest.raises(BootError, match="cannot be opened"):
        open_serial(str(port))
