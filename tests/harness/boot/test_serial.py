"""harness/boot/serial.py against a pseudo-terminal."""

import errno
import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

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
