"""A built image, running, with a session to it; ended cleanly whatever happens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from harness.boot import boot, boot_twin
from harness.cli.options import TargetOptions
from harness.cli.pipeline import Built
from harness.cli.progress import stage
from harness.compile import compile_twin, symbolise_report
from harness.errors import HarnessError, TargetError
from harness.link.console import TargetPanic
from harness.link.session import Session


@contextmanager
def running(
    built: Built,
    options: TargetOptions,
    *,
    on_console: Callable[[str], None] | None = None,
) -> Iterator[Session]:
    """Boot, connect, and power off at the end. A panic comes with function names."""
    if options.twin:
        twin = compile_twin(built.directory, built.directory)
        context = boot_twin(twin, built.directory / "model.blob")
    else:
        context = boot(
            built.image,
            built.board,
            cpu=options.cpu,
            ram_bytes=options.ram_bytes or built.ram_bytes,
            icount=options.icount,
            log=built.directory / "console.log",
        )
    with context as target:
        session = Session(target.stream, on_console=on_console)
        try:
            with stage() as on_stage:
                on_stage("booting")  # a large blob is checked before the kernel answers
                session.connect(expected_build_id=built.image.build_id)
            yield session
        except TargetPanic as panic:
            raise named_panic(panic, built) from panic
        with suppress(TargetError):  # it is going away in any case
            session.poweroff()


def named_panic(panic: TargetPanic, built: Built) -> TargetError:
    """The panic as an error whose text is the whole report with function names."""
    report = panic.report
    with suppress(HarnessError):  # an ELF that went away must not hide the report
        report = symbolise_report(built.elf, report)
    lines = "\n".join(f"  {line}" for line in report.splitlines())
    return TargetError(
        f"the kernel panicked\n{lines}", hint=f"console: {built.directory / 'console.log'}"
    )
