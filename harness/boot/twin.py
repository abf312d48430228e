"""The host program: the kernel's own C on this machine, with pipes for a serial line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.boot.process import QUIT_S, Process
from harness.boot.target import FdStream, LoggedStream, Target
from harness.errors import BootError, TargetError
from harness.link.stream import ByteStream, timeout_scale


@contextmanager
def boot_twin(
    twin: Path, blob: Path, *, n_cores: int = 1, log: Path | None = None
) -> Iterator[Target]:
    """The running program, with n_cores threads; it ends with its stdin.

    A bad exit (sanitizers) is a TargetError.
    """
    for path in (twin, blob):
        if not path.is_file():
            raise BootError(f"{path} is not there", hint="build the image first")
    read_fd, its_stdout = os.pipe()
    its_stdin, write_fd = os.pipe()
    cores = ("--cores", str(n_cores)) if n_cores > 1 else ()
    command = (str(twin.resolve()), "--blob", str(blob), *cores)
    try:
        process = Process(command, stdin=its_stdin, stdout=its_stdout)
    except BaseException:
        os.close(read_fd)
        os.close(write_fd)
        raise
    finally:
        os.close(its_stdin)
        os.close(its_stdout)
    stream: ByteStream = FdStream(read_fd, write_fd, lambda: process.describe_end("the program"))
    status: int | None = None
    try:
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            stream = LoggedStream(stream, log)
        yield Target(stream, command)
        stream.close()
        status = process.wait(QUIT_S * timeout_scale())
    finally:
        stream.close()
        process.stop()
    if status != 0:
        what = process.describe_end("the program") if status is not None else "it did not end"
        raise TargetError(f"after the last request: {what}")
