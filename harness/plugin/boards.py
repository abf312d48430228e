"""Fixtures `target`, `dut`, `console`, `model`; options; markers that skip by capability."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.plugin.device import Device, DeviceConsole, Dut

# Everything else is imported where it is used: a run that selects no such test pays nothing.


def pytest_addoption(parser: pytest.Parser) -> None:
    """What to test, and on what."""
    group = parser.getgroup("bareword", "kernels in QEMU and on boards")
    group.addoption(
        "--target", metavar="WHERE", help="qemu (default), or serial:PORT[@BAUD][,chainload[=BAUD]]"
    )
    group.addoption("--port", metavar="PORT", help="the same as --target serial:PORT")
    group.addoption(
        "--model", metavar="FILE", help="GGUF, or a directory made by build (default: the embedded)"
    )
    group.addoption("--board", metavar="NAME", help="a file in images/boards (default: virt)")
    group.addoption("--cpu", metavar="NAME", help="QEMU's CPU model (default: the board's)")
    group.addoption("--smp", metavar="N", type=int, default=1, help="QEMU's cores (default: 1)")
    group.addoption("--icount", action="store_true", help="QEMU counts instructions")
    group.addoption(
        "--image-dir", metavar="DIR", default="build", help="root of the artefacts (default: build)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers, for --strict-markers and --markers."""
    from harness.plugin.capabilities import MARKERS

    for description, _ in MARKERS.values():
        config.addinivalue_line("markers", description)


@pytest.fixture(scope="session")
def model(pytestconfig: pytest.Config) -> Path | None:
    """What --model names; None: the embedded default model."""
    given = pytestconfig.getoption("--model")
    if given is None:
        return None
    path = Path(given)
    if not path.exists():
        raise pytest.UsageError(f"--model {given} is not there")
    return path


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config, model: Path | None) -> "Iterator[Device]":
    """The built image and where it runs; started by whoever first asks for a session.

    Skips where QEMU or the compiler is missing, unless --target was given.
    """
    from harness.cli.options import DEFAULT_BOARD, BuildOptions, TargetOptions
    from harness.cli.pipeline import built_from
    from harness.cli.serial_port import SerialPort
    from harness.errors import BootError, ToolchainError
    from harness.plugin.device import Device

    where, asked = _where(pytestconfig)
    serial = where if isinstance(where, SerialPort) else None
    option: Callable[[str], str] = pytestconfig.getoption
    try:
        if where == "qemu":
            from harness.board import load_board
            from harness.boot.qemu import find_qemu

            find_qemu(load_board(option("--board") or DEFAULT_BOARD))
        built = built_from(
            BuildOptions(
                model=model,
                board=option("--board"),
                n_ctx=None,
                kv_type=None,
                ram_bytes=None,
                cc=None,
                out=Path(option("--image-dir")),
            )
        )
    except (BootError, ToolchainError) as missing:
        if asked:
            raise
        pytest.skip(str(missing).splitlines()[0])
    device = Device(
        built,
        TargetOptions(
            cpu=option("--cpu"),
            ram_bytes=None,
            icount=bool(option("--icount")),
            twin=where == "twin",
            n_cores=int(option("--smp")),
            serial=serial,
        ),
    )
    yield device
    device.stop()


@pytest.fixture
def console(target: "Device") -> "DeviceConsole":
    """What the target prints from now on: `console.text`, `console.expect(pattern)`."""
    target.console.text = ""
    return target.console


@pytest.fixture
def dut(
    target: "Device", console: "DeviceConsole", record_property: Callable[[str, object], None]
) -> "Iterator[Dut]":
    """A session at the prompt, with nothing of the test before; its figures go to the report."""
    from harness.plugin.device import Dut, Figures

    figures = Figures()
    yield Dut(target, figures)
    for name, value in figures.properties(icount=target.options.icount):
        record_property(name, value)


@pytest.fixture(autouse=True)
def _bareword_capabilities(request: pytest.FixtureRequest) -> None:
    """Skip a test whose markers ask for more than the target has."""
    from harness.errors import HarnessError
    from harness.plugin.capabilities import MARKERS, why_not

    marks = [mark for mark in request.node.iter_markers() if mark.name in MARKERS]
    if not marks:
        return
    device: Device = request.getfixturevalue("target")
    for mark in marks:
        try:
            reason = why_not(device.capabilities, mark.name, mark.args)
        except (HarnessError, TypeError, argparse.ArgumentTypeError) as exc:
            raise pytest.UsageError(f"@pytest.mark.{mark.name}{mark.args}: {exc}") from exc
        if reason is not None:
            pytest.skip(reason)


def _where(config: pytest.Config) -> tuple[object, bool]:
    """Parsed --target or --port, and whether one was given."""
    from harness.cli.serial_port import target_of

    given, port = config.getoption("--target"), config.getoption("--port")
    if given is not None and port is not None:
        raise pytest.UsageError("--target and --port: one of them")
    text = given or (f"serial:{port}" if port else "qemu")
    try:
        return target_of(text), bool(given or port)
    except argparse.ArgumentTypeError as exc:
        raise pytest.UsageError(f"--target {exc}") from exc
