"""QEMU's control socket; the only user of qemu.qmp and of asyncio."""

import asyncio
import logging
import socket
from typing import Any

from qemu.qmp import QMPClient, QMPError

# A QEMU that dies is reported by us, with its stderr; the library would also log it.
logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())
logging.getLogger("qemu.qmp").propagate = False


class QmpError(Exception):
    """QEMU did not answer, or refused a command."""


class Qmp:
    """A connection that speaks only while one of its methods runs (there is no thread)."""

    def __init__(self, control: socket.socket, *, timeout_s: float) -> None:
        """Greets QEMU; takes `control` over, also when that fails."""
        self._timeout_s = timeout_s
        self._client = QMPClient("bareword")
        self._runner = asyncio.Runner()
        self._connected = False
        try:
            self._run(self._client.connect(control))
            self._connected = True
        except BaseException:
            self.close()
            control.close()
            raise

    def execute(self, command: str, arguments: dict[str, object] | None = None) -> Any:
        """Result of a command."""
        return self._run(self._client.execute(command, arguments))

    def close(self) -> None:
        """Hang up; an error on the way out says nothing that the process's end does not."""
        try:
            if self._connected:
                self._connected = False
                self._run(self._client.disconnect())
        except QmpError:
            pass
        finally:
            self._runner.close()

    def _run(self, work: Any) -> Any:
        async def within_timeout() -> Any:
            return await asyncio.wait_for(work, self._timeout_s)

        try:
            return self._runner.run(within_timeout())
        except TimeoutError as exc:
            raise QmpError(f"QEMU's control socket is silent for {self._timeout_s:.0f} s") from exc
        except (QMPError, OSError, EOFError) as exc:
            raise QmpError(f"QEMU's control socket: {exc}") from exc
