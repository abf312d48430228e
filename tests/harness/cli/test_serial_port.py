"""--target serial:...: what it says, and what does not go with it."""

import argparse
from pathlib import Path

import pytest

from harness.cli.options import add_build, add_model, add_target, target_options
from harness.cli.serial_port import SerialPort, target_of
from harness.errors import HarnessError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("qemu", "qemu"),
        ("serial:/dev/ttyUSB0", SerialPort("/dev/ttyUSB0")),
        ("serial:/dev/ttyUSB0@921600", SerialPort("/dev/ttyUSB0", 921600)),
        ("serial:/dev/serial/by-id/usb-a@b@9600", SerialPort("/dev/serial/by-id/usb-a@b", 9600)),
        ("serial:COM3,chainload", SerialPort("COM3", chainload=True)),
        (
            "serial:/dev/ttyUSB0@1500000,chainload=3000000",
            SerialPort("/dev/ttyUSB0", 1500000, chainload=True, chainload_baud=3000000),
        ),
    ],
)
def test_what_is_meant(text: str, wanted: object) -> None:
    assert target_of(text) == wanted


@pytest.mark.parametrize(
    "text", ["", "serial", "serial:", "usb:x", "serial:x,load", "serial:x@5", "serial:x@99999999"]
)
def test_what_is_not_understood(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        target_of(text)


@pytest.mark.parametrize(
    "flags", [["--cpu", "max"], ["--smp", "2"], ["--icount"], ["--dtb", "x.dtb"]]
)
def test_a_board_is_no_machine_of_ours(flags: list[str]) -> None:
    parser = argparse.ArgumentParser()
    add_model(parser)
    add_build(parser)
    add_target(parser)
    args = parser.parse_args(["--target", "serial:x", *flags])
    with pytest.raises(HarnessError, match=flags[0]):
        target_options(args)
    assert target_options(parser.parse_args(["--target", "serial:x"])).clock == "the board's"


def test_ram_is_what_an_image_is_built_for_and_nothing_that_a_board_is_given(
    tmp_path: Path,
) -> None:
    parser = argparse.ArgumentParser()
    add_model(parser, image_dir=True)
    add_build(parser)
    add_target(parser)
    flags = ["--target", "serial:x", "--ram", "2G", "-m"]
    assert target_options(parser.parse_args([*flags, "model.gguf"])).ram_bytes == 2 << 30
    with pytest.raises(HarnessError, match="--ram is for QEMU"):
        target_options(parser.parse_args([*flags, str(tmp_path)]))
