"""A USB serial adapter made of a pseudo-terminal, with a board at its other end.

The board is any ByteStream: QEMU's console, the host program, a thread. The adapter can be pulled
out and plugged in again, under the same name, and what it carries can be damaged.
"""

import os
import select
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.link.stream import ByteStream, StreamEnded

STEP_S = 0.005
STUCK_S = 2.0  # a host that reads nothing for so long loses what comes, as with a real adapter

Damage = Callable[[bytes], bytes]


def unharmed(data: bytes) -> bytes:
    return data


class Cable(threading.Thread):
    """Carries bytes between a board and whoever opens `port`."""

    def __init__(self, board: ByteStream, port: Path) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.to_host: Damage = unharmed
        self.to_board: Damage = unharmed
        self.board_ended = False
        self._board = board
        self._lock = threading.Lock()  # guards the descriptor, which pull() closes
        self._master = -1
        self._stopping = False
        self.plug()

    @property
    def host_baud(self) -> int:
        """The speed that the host has set; a constant of termios."""
        with self._lock:
            return int(termios.tcgetattr(self._master)[5])

    def pull(self) -> None:
        """The device file is gone, and whoever has it open reads an error."""
        with self._lock:
            self.port.unlink()
            os.close(self._master)
            self._master = -1

    def plug(self) -> None:
        """The device file is there (again)."""
        master, slave = os.openpty()
        tty.setraw(slave)  # nothing is echoed before the host opens it
        os.set_blocking(master, False)
        with self._lock:
            self._master = master
        self.port.symlink_to(os.ttyname(slave))
        os.close(slave)

    def stop(self) -> None:
        self._stopping = True
        self.join()
        with suppress(OSError):
            self.pull()

    def run(self) -> None:
        while not self._stopping:
            try:
                arrived = self._board.read(STEP_S)
            except StreamEnded:
                self.board_ended = True
                time.sleep(STEP_S)
                arrived = b""
            self._send_to_host(self.to_host(arrived))
            sent = self._take_from_host()
            if sent and not self.board_ended:
                self._board.write(self.to_board(sent))

    def _send_to_host(self, data: bytes) -> None:
        give_up = time.monotonic() + STUCK_S
        while data and not self._stopping and time.monotonic() < give_up:
            with self._lock:
                if self._master < 0:
                    return  # nobody there: lost
                try:
                    data = data[os.write(self._master, data) :]
                    continue
                except BlockingIOError:
                    pass
                except OSError:
                    return
            time.sleep(STEP_S)

    def _take_from_host(self) -> bytes:
        with self._lock:
            if self._master < 0:
                return b""
            ready, _, _ = select.select([self._master], [], [], 0)
            if not ready:
                return b""
            try:
                return os.read(self._master, 4096)
            except OSError:  # nobody has it open
                return b""


@contextmanager
def cable(board: ByteStream, folder: Path) -> Iterator[Cable]:
    """A running cable whose port is folder/ttyUSB0."""
    running = Cable(board, folder / "ttyUSB0")
    running.start()
    try:
        yield running
    finally:
        running.stop()
