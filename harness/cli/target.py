"""A built image, running, with a session to it; ended cleanly whatever happens."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from harness.boot import Target, boot, boot_twin
from harness.cli.lock import console_log, locked
from harness.cli.options import TIERS, TargetOptions
from harness.cli.pipeline import Built
from harness.cli.progress import stage
from harness.cli.serial_port import SerialPort
from harness.compile import compile_twin, symbolise_cores, symbolise_report
from harness.errors import HarnessError, TargetError
from harness.link.console import TargetPanic
from harness.link.session import Session
from harness.link.stream import ByteStream


@contextmanager
def running(
    built: Built,
    options: TargetOptions,
    *,
    on_console: Callable[[str], None] | None = None,
    extra: Sequence[str] = (),
) -> Iterator[Session]:
    """Boot, connect, and power off at the end. A panic comes with function names.

    A board on a serial line is only connected to, and goes on running. extra: more arguments for
    QEMU.
    """
    with (
        console_log(built.directory) as log,
        _cores_named(built),
        _started(built, options, log, extra) as target,
    ):
        stream = target.stream
        if options.serial is not None and options.serial.chainload:
            stream = _send_kernel(target, built, options.serial)
        session = Session(stream, on_console=on_console)
        if options.serial is not None and options.serial.chainload:
            serial = options.serial
            session.on_loader = lambda: _send_kernel(target, built, serial)
        if options.tier is not None:
            session.tier = TIERS[options.tier]
        try:
            with stage() as on_stage:
                on_stage(_what_takes_long(options))
                session.connect(expected_build_id=built.image.build_id)
            yield session
            if options.serial is None:
                _power_off(session)
        except TargetPanic as panic:
            raise named_panic(panic, built.elf, log) from panic


@contextmanager
def _cores_named(built: Built) -> Iterator[None]:
    """A target that fell silent without a report: where its cores are, by name."""
    try:
        yield
    except TargetError as error:
        if error.cores:
            with suppress(HarnessError):  # an ELF that went away must not hide what happened
                lines = symbolise_cores(built.elf, error.cores, built.board.text_offset)
                error.args = (f"{error}\n{lines}",)
        raise


def _send_kernel(target: Target, built: Built, serial: SerialPort) -> ByteStream:
    from harness.boot.serial import SerialTarget  # needs pyserial, which nothing else needs
    from harness.cli.chainload import send_kernel

    assert isinstance(target, SerialTarget)
    return send_kernel(target, built, serial)


def _what_takes_long(options: TargetOptions) -> str:
    if options.serial is not None:
        return f"waiting for the board on {options.serial}: switch it on, or reset it"
    return "booting"  # a large blob is checked before the kernel answers


def _power_off(session: Session) -> None:
    try:
        session.poweroff()
    except TargetPanic:
        raise
    except TargetError:  # it is going away in any case
        pass


def _started(
    built: Built, options: TargetOptions, log: Path, extra: Sequence[str]
) -> AbstractContextManager[Target]:
    if options.serial is not None:
        from harness.boot.serial import boot_serial  # needs pyserial, which nothing else needs

        return boot_serial(options.serial.port, options.serial.baud, log)
    if options.twin:
        with locked(built.directory):
            twin = compile_twin(built.directory, built.directory)
        return boot_twin(twin, built.directory / "model.blob", n_cores=options.n_cores, log=log)
    return boot(
        built.image,
        built.board,
        cpu=options.cpu or built.cpu,
        ram_bytes=options.ram_bytes or built.ram_bytes,
        n_cores=options.n_cores,
        icount=options.icount,
        dtb=options.dtb,
        log=log,
        extra=extra,
    )


def named_panic(panic: TargetPanic, elf: Path, log: Path) -> TargetError:
    """The panic as an error whose text is the whole report with function names."""
    report = panic.report
    with suppress(HarnessError):  # an ELF that went away must not hide the report
        report = symbolise_report(elf, report)
    lines = "\n".join(f"  {line}" for line in report.splitlines())
    return TargetError(f"the kernel panicked\n{lines}", hint=f"console: {log}")
