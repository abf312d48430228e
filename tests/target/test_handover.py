"""A kernel from the chainloader starts in the state in which the firmware would have started it."""

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.boot import boot
from harness.boot.chainload import chainload
from harness.boot.qemu import boot_command, find_qemu
from harness.cli.main import main
from harness.compile import flat_bytes
from harness.link.stream import ByteStream, timeout_scale
from tests.models import ROOT
from tests.target.machine import needs_board
from tests.target.test_u_boot import U_BOOT, disk_with, read_until
from toolchain import LOADER_SCRIPT, Toolchain, find_toolchain, link_flags, loader_flags

pytestmark = pytest.mark.target

PROBE = ROOT / "tests" / "kernel" / "loader" / "probe.S"
PROBE_SAYS = re.compile(rb"((?:[0-9a-f]{16} ){9})\.")
LIMIT_S = 60.0


@dataclass(frozen=True)
class Image:
    kernel8: Path
    blob: Path | None = None


def probe_image(toolchain: Toolchain, uart: int, folder: Path) -> Image:
    """The probe as a flat image; the loader's linker script serves it too."""
    obj, elf, image = folder / "probe.o", folder / "probe.elf", folder / "probe.img"
    flags = [*loader_flags(toolchain.kind, PROBE.name), f"-DUART={uart:#x}"]
    commands = (
        [str(toolchain.cc), *flags, "-c", str(PROBE), "-o", str(obj)],
        [str(toolchain.ld), *link_flags(), "-T", str(LOADER_SCRIPT), "-o", str(elf), str(obj)],
    )
    for command in commands:
        subprocess.run(command, check=True)
    image.write_bytes(flat_bytes(elf, 0))
    return Image(image)


def words(stream: ByteStream) -> list[str]:
    """What the probe says, whatever came before."""
    said = b""
    end = time.monotonic() + LIMIT_S * timeout_scale()
    while (match := PROBE_SAYS.search(said)) is None:
        assert time.monotonic() < end, said
        said += stream.read(0.5)
    return match[1].decode().split()


# QEMU's Pis have four cores, of which three spin in the spin table's loop, and 1 GiB or 2.
@pytest.mark.parametrize(
    ("name", "n_cores", "ram_bytes"),
    [("virt", 1, None), ("virt-el2", 2, None), ("raspi3b", 4, 1 << 30), ("raspi4b", 4, 2 << 30)],
)
def test_x0_to_x3_level_and_control_registers_are_the_firmware_s(
    name: str, n_cores: int, ram_bytes: int | None, tmp_path: Path
) -> None:
    board = needs_board(name)
    assert main(["build", "--loader", "--no-card", "--board", name, "-o", str(tmp_path)]) == 0
    probe = probe_image(find_toolchain(), board.uart.base, tmp_path)
    loader = Image(tmp_path / name / "loader" / "loader.img")
    machine: dict[str, Any] = {"n_cores": n_cores, "ram_bytes": ram_bytes}
    with boot(probe, board, **machine, log=tmp_path / "direct.log") as target:
        direct = words(target.stream)
    with boot(loader, board, **machine, log=tmp_path / "loaded.log") as target:
        loaded = words(chainload(target.stream, probe.kernel8.read_bytes()).stream)
    assert loaded == direct
    assert direct[1:4] == ["0" * 16] * 3
    assert int(direct[4], 16) >> 2 == board.entry_el
    assert int(direct[8], 16) == board.load_address


def words_after_u_boot(loader: Image, folder: Path, probe: Image | None = None) -> list[str]:
    """What the probe says when U-Boot has started it, or the loader that it is sent to."""
    conf = "default llm\nlabel llm\n  linux /Image\n"
    files = {"/Image": loader.kernel8.read_bytes(), "/extlinux/extlinux.conf": conf.encode()}
    disk = disk_with(folder / f"disk-{loader.kernel8.stem}", files, folder)
    board = needs_board("virt-el2")
    command = [find_qemu(board), "-M", board.machine, "-cpu", "cortex-a72", "-m", "1G"]
    command += ["-bios", str(U_BOOT), "-drive", f"if=none,id=disk,file={disk},format=raw"]
    command += ["-device", "virtio-blk-device,drive=disk"]
    command += ["-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"]
    with boot_command(command, folder / "u-boot.log") as target:
        if probe is None:
            return words(target.stream)
        read_until(target, b"Bareword loader")  # a byte of ours would stop U-Boot's countdown
        return words(chainload(target.stream, probe.kernel8.read_bytes()).stream)


def test_what_u_boot_leaves_is_handed_over_too(tmp_path: Path) -> None:
    if not U_BOOT.is_file():
        pytest.skip(f"{U_BOOT} is not there (apt install u-boot-qemu)")
    assert main(["build", "--loader", "--board", "virt-el2", "-o", str(tmp_path)]) == 0
    probe = probe_image(find_toolchain(), needs_board("virt-el2").uart.base, tmp_path)
    loader = Image(tmp_path / "virt-el2" / "loader" / "loader.img")
    direct = words_after_u_boot(probe, tmp_path)
    loaded = words_after_u_boot(loader, tmp_path, probe)
    assert loaded == direct
    assert int(direct[4], 16) >> 2 == 2
