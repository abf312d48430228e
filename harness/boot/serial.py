"""A board on a serial line; the only user of pyserial."""

import errno
import os
import select
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import serial

from harness.boot.target import WRITE_S, LoggedStream, Target
from harness.errors import BootError, TargetError
from harness.link.stream import StreamEnded, TargetLost, timeout_scale

DEFAULT_BAUD = 115200  # what the firmware of the boards sets up, but for those of Rockchip
REOPEN_EVERY_S = 0.25
SERIAL_GROUPS = ("dialout", "uucp")  # who may open a serial port: Debian, Arch
UUCP_LOCKS = (Path("/run/lock"), Path("/var/lock"))  # LCK..ttyUSB0: minicom, cu


@dataclass(frozen=True)
class SerialTarget(Target):
    """A board, and the port that it hangs on."""

    board: "SerialStream"

    def set_baud(self, baud: int) -> None:
        """The port's speed, once what was written has left it."""
        self.board.drain()
        self.board.baud = baud


class SerialStream:
    """An open serial port; `received` bytes came from it so far."""

    def __init__(self, port: serial.Serial, name: str) -> None:
        self.received = 0
        self._port = port
        self._name = name
        self._baud = int(port.baudrate)

    @property
    def baud(self) -> int:
        """The line's speed."""
        return self._baud

    @baud.setter
    def baud(self, baud: int) -> None:
        self._baud = baud  # of a port that is gone, too: it is opened again with this one
        try:
            self._port.baudrate = baud
        except (serial.SerialException, OSError, ValueError, termios.error) as exc:
            raise BootError(
                f"{self._name} cannot be set to {baud} baud: {exc}",
                hint="the adapter cannot do this speed",
            ) from exc

    def read(self, timeout_s: float) -> bytes:
        """Whatever arrived, b"" after timeout_s; StreamEnded when the adapter is unplugged."""
        try:
            ready, _, _ = select.select([self._port.fileno()], [], [], timeout_s)
            data = bytes(self._port.read(max(self._port.in_waiting, 1))) if ready else b""
        except (serial.SerialException, OSError, TypeError, ValueError) as exc:
            # The last two: of a port that is closed, without a number or with -1.
            raise StreamEnded(
                f"{self._name} is gone: {exc}", hint="is the adapter still plugged in?"
            ) from exc
        self.received += len(data)
        return data

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

    def drain(self) -> None:
        """Return when the last byte has left the computer."""
        with suppress(serial.SerialException, OSError, termios.error):
            self._port.flush()

    def close(self) -> None:
        """Release the port."""
        self._port.close()

    def reopen(self, timeout_s: float) -> None:
        """The port of the same name, as soon as it is there and can be opened."""
        self.close()
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self._port = _open(self._name, self._baud)
                return
            except BootError as error:
                if time.monotonic() >= deadline:
                    raise StreamEnded(str(error), hint=error.hint) from error
            time.sleep(REOPEN_EVERY_S)  # nothing tells when udev has made the device


def open_serial(port: str, baud: int = DEFAULT_BAUD) -> SerialStream:
    """Open a port for us alone, 8N1 without flow control; BootError says what is in the way."""
    return SerialStream(_open(port, baud), port)


@contextmanager
def boot_serial(port: str, baud: int, log: Path) -> Iterator[SerialTarget]:
    """A board that runs already, or is switched on meanwhile; `log` receives the raw console.

    It goes on running afterwards. Of a target that was lost without one byte ever having come, the
    error says what that means on a bench.
    """
    board = open_serial(port, baud)
    log.parent.mkdir(parents=True, exist_ok=True)
    stream = LoggedStream(board, log)
    try:
        yield SerialTarget(stream, (), board)
    except StreamEnded:
        raise
    except TargetLost as lost:
        if board.received:
            raise
        raise TargetLost(
            f"not one byte came from {port} at {baud} baud",
            hint="is the board switched on, its kernel on the card, RX wired to TX and TX to RX, "
            f"ground connected, and {baud} its speed?",
        ) from lost
    finally:
        stream.close()


def _open(port: str, baud: int) -> serial.Serial:
    holders = _holders(port)
    if holders:
        raise BootError(
            f"{port} is in use by another program: {', '.join(holders)}",
            hint="end it first: of two readers each gets a part",
        )
    try:
        return serial.Serial(
            port,
            baud,
            timeout=0,
            write_timeout=WRITE_S * timeout_scale(),
            exclusive=True,
        )
    except (serial.SerialException, OSError, ValueError) as exc:
        raise _explain(port, baud, exc) from exc


def _holders(port: str) -> list[str]:
    """Programs that have the port open, or locked as UUCP did it; those that /proc shows us."""
    device = os.path.realpath(port)
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        with suppress(OSError):  # others' processes, and those that end meanwhile
            if any(_leads_to(link, device) for link in (process / "fd").iterdir()):
                name = (process / "comm").read_text().strip()
                found.append(f"{name} (process {process.name})")
    for folder in UUCP_LOCKS if not found else ():
        pid = _locking_process(folder / f"LCK..{Path(device).name}")
        if pid is not None:
            found.append(f"process {pid}, by its lock in {folder}")
            break
    return sorted(found)


def _leads_to(link: Path, device: str) -> bool:
    try:
        return str(link.readlink()) == device
    except OSError:  # closed meanwhile
        return False


def _locking_process(lock: Path) -> int | None:
    """Its number; None without a lock, and for one whose process has ended, or is this one."""
    try:
        pid = int(lock.read_text().split()[0])
    except (OSError, ValueError, IndexError):  # the last: it is being written, or was left empty
        return None
    return pid if pid > 0 and pid != os.getpid() and Path("/proc", str(pid)).exists() else None


def _explain(port: str, baud: int, exc: Exception) -> BootError:
    number = getattr(exc, "errno", None)
    text = str(exc)
    if number == errno.ENOENT or not Path(port).exists():
        return BootError(f"there is no serial port {port}", hint=f"found: {_ports()}")
    if number in (errno.EACCES, errno.EPERM):
        return BootError(
            f"no permission to open {port}",
            hint=f"sudo usermod -aG {_group(port)} $USER, then log in again",
        )
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
        return BootError(
            f"{port} is in use by another program", hint=f"find it with: fuser -v {port}"
        )
    return BootError(
        f"{port} cannot be opened at {baud} baud: {text}",
        hint="is it a serial port, and can the adapter do this speed?",
    )


def _group(port: str) -> str:
    """Who may open it."""
    try:
        group = Path(port).group()
    except (OSError, KeyError):
        return SERIAL_GROUPS[0]
    return group if group in SERIAL_GROUPS else SERIAL_GROUPS[0]


def _ports() -> str:
    from serial.tools import list_ports  # loads slowly; needed only for this message

    return ", ".join(sorted(p.device for p in list_ports.comports())) or "none"
