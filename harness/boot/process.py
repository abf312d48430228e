"""Child processes that cannot outlive us."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import IO

QUIT_S = 5.0
TERMINATE_S = 2.0
STDERR_TAIL_LINES = 20

# The child asks the kernel to be killed when the thread that started it ends, then becomes the
# program. (A preexec_fn would do the same, but runs Python between fork and exec, which is unsafe
# when there are threads.) SIGPIPE is put back because Python ignores it. Arguments: our pid, then
# the command. Other systems than Linux have no prctl: there only Process.stop() ends the child.
LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if os.getppid() != int(sys.argv[1]):
    os._exit(1)  # the parent was quicker
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
try:
    os.execv(sys.argv[2], sys.argv[2:])
except OSError as exc:
    sys.exit(f"{sys.argv[2]}: {exc.strerror}")
"""


class Process:
    """A program in a session of its own (Ctrl-C is ours to handle), its stderr in a file."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        pass_fds: Sequence[int] = (),
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
    ) -> None:
        """command[0] is a path; without stdout, output joins stderr."""
        self.command = tuple(command)
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by stop)
        try:
            self._popen = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), *command],
                stdin=stdin,
                stdout=self._stderr if stdout is None else stdout,
                stderr=self._stderr,
                pass_fds=pass_fds,
                start_new_session=True,
            )
        except BaseException:
            self._stderr.close()
            raise
        self._stderr_text = ""

    @property
    def pid(self) -> int:
        """Process id; the launcher and the program share it."""
        return self._popen.pid

    def wait(self, timeout_s: float) -> int | None:
        """Exit status (negative: the signal), None while it runs."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, *, patience_s: float = 0.0) -> int:
        """End it and reap it: patience_s to end by itself, then SIGTERM, then SIGKILL."""
        try:
            status = self.wait(patience_s)
            if status is None:
                self._popen.terminate()
                status = self.wait(TERMINATE_S)
        finally:
            if self._popen.poll() is None:
                self._popen.kill()
            status = self._popen.wait()
            self.stderr_tail()
            self._stderr.close()
        return status

    def stderr_tail(self) -> str:
        """The last lines of what it complained about."""
        if not self._stderr.closed:
            self._stderr_text = os.pread(self._stderr.fileno(), 1 << 20, 0).decode(
                "utf-8", "replace"
            )
        return "\n".join(self._stderr_text.splitlines()[-STDERR_TAIL_LINES:])

    def describe_end(self, name: str) -> str:
        """How it ended, with its last complaints."""
        status = self.wait(TERMINATE_S)
        if status is None:
            how = "closed the line, but still runs"
        elif status < 0:
            how = f"was killed by signal {-status} ({_signal_name(-status)})"
        else:
            how = f"ended with exit status {status}"
        tail = self.stderr_tail()
        return f"{name} {how}" + (f"\n{name} said:\n{tail}" if tail else "")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
