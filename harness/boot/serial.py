"""A board on a serial line; the only user of pyserial."""

import errno
import select
from pathlib import Path

import serial

from harness.boot.target import WRITE_S
from harness.errors import BootError, TargetError
from harness.link.stream import StreamEnded, timeout_scale


class SerialStream:
    """An open serial port."""

    def __init__(self, port: serial.Serial, name: str) -> None:
        self._port = port
        self._name = name

    def read(self, timeout_s: float) -> bytes:
        """Whatever arrived, b"" after timeout_s; StreamEnded when the adapter is unplugged."""
        try:
            ready, _, _ = select.select([self._port.fileno()], [], [], timeout_s)
            return bytes(self._port.read(max(self._port.in_waiting, 1))) if ready else b""
        except (serial.SerialException, OSError) as exc:
            raise StreamEnded(
                f"{self._name} is gone: {exc}", hint="is the adapter still plugged in?"
            ) from exc

    def write(self, data: bytes) -> None:
        """Send all."""
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as exc:
            raise TargetError(
                f"{self._name} took no byte for {WRITE_S * timeout_scale():.0f} s",
                hint="switch flow control off, or check the adapter",
            ) from exc
        except (serial.SerialException, OSError):
            return  # the next read says so, after the last words

    def close(self) -> None:
        """Release the port."""
        self._port.close()


def open_serial(port: str, baud: int = 115200) -> SerialStream:
    """Open a port for us alone, 8N1 without flow control; BootError says what is in the way."""
    try:
        line = serial.Serial(
            port,
            baud,
            timeout=0,
            write_timeout=WRITE_S * timeout_scale(),
            exclusive=True,
        )
    except (serial.SerialException, OSError, ValueError) as exc:
        raise _explain(port, baud, exc) from exc
    return SerialStream(line, port)


def _explain(port: str, baud: int, exc: Exception) -> BootError:
    number = getattr(exc, "errno", None)
    text = str(exc)
    if number == errno.ENOENT or not Path(port).exists():
        return BootError(f"there is no serial port {port}", hint=f"found: {_ports()}")
    if number in (errno.EACCES, errno.EPERM):
        return BootError(
            f"no permission to open {port}",
            hint="sudo usermod -aG dialout $USER, then log in again",
        )
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
        return BootError(
            f"{port} is in use by another program", hint=f"find it with: fuser -v {port}"
        )
    return BootError(
        f"{port} cannot be opened at {baud} baud: {text}",
        hint="is it a serial port, and can the adapter do this speed?",
    )


def _ports() -> str:
    from serial.tools import list_ports  # loads slowly; needed only for this message

    return ", ".join(sorted(p.device for p in list_ports.comports())) or "none"
