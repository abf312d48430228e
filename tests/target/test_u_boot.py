"""U-Boot in between, as on boards that have it: extlinux.conf, a moved image, a ramdisk."""

import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from harness.board import load_board
from harness.boot.qemu import boot_command, find_qemu
from harness.boot.target import Target
from harness.link.session import Session
from harness.link.stream import timeout_scale
from tests.models import Models
from tests.target.machine import Workshop, greedy

pytestmark = pytest.mark.target

U_BOOT = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")  # Debian's u-boot-qemu
DISK_BYTES = 64 << 20
PARTITION = 1 << 20  # where it begins
CONF = """default llm
label llm
  linux /Image
  initrd /model.blob
"""


def disk_with(path: Path, files: dict[str, bytes], folder: Path) -> Path:
    """A disk with one FAT partition, by mtools."""
    if shutil.which("mformat") is None:
        pytest.skip("mtools is not installed (apt install mtools)")
    with path.open("wb") as file:
        file.truncate(DISK_BYTES)
    at = f"{path}@@{PARTITION}"
    sectors = DISK_BYTES // 512
    first = PARTITION // 512
    mbr = bytearray(512)
    mbr[446:462] = (
        b"\x80\0\0\0\x0c\0\0\0"
        + first.to_bytes(4, "little")
        + (sectors - first).to_bytes(4, "little")
    )
    mbr[510:512] = b"\x55\xaa"
    with path.open("r+b") as file:
        file.write(mbr)
    run("mformat", "-i", at, "-F", "-T", str(sectors - first), "::")
    run("mmd", "-i", at, "::extlinux")
    for name, data in files.items():
        source = folder / Path(name).name
        source.write_bytes(data)
        run("mcopy", "-i", at, str(source), f"::{name}")
    return path


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def read_until(target: Target, wanted: bytes) -> bytes:
    data = b""
    deadline = time.monotonic() + 60 * timeout_scale()
    while wanted not in data:
        assert time.monotonic() < deadline, data.decode("utf-8", "replace")[-2000:]
        data += target.stream.read(1.0)
    return data


def test_u_boot_starts_the_moved_image_with_its_ramdisk(
    workshop: Workshop, models: Models, tmp_path: Path
) -> None:
    if not U_BOOT.is_file():
        pytest.skip(f"{U_BOOT} is not there (apt install u-boot-qemu)")
    built = workshop.image(models("micro-F32"), append=False)
    assert built.image.blob is not None
    params = greedy(12, ignore_eog=True)
    wanted = workshop.answer(built, "Once upon a time", params, cpu="twin")
    files = {
        "/Image": built.image.kernel8.read_bytes(),
        "/model.blob": built.image.blob.read_bytes(),
        "/extlinux/extlinux.conf": CONF.encode(),
    }
    disk = disk_with(tmp_path / "disk.img", files, tmp_path)
    board = load_board("virt-el2")
    command = [find_qemu(board), "-M", board.machine, "-cpu", "cortex-a76", "-m", "1G"]
    command += ["-smp", "4", "-accel", "tcg,thread=single", "-bios", str(U_BOOT)]
    command += ["-drive", f"if=none,id=disk,file={disk},format=raw"]
    command += ["-device", "virtio-blk-device,drive=disk"]
    command += ["-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"]
    log = built.directory / "u-boot.log"
    with boot_command(command, log) as target:
        read_until(target, b"Bareword: ")  # a byte of ours would stop U-Boot's countdown
        session = Session(target.stream)
        welcome = session.connect(expected_build_id=built.image.build_id)
        answer = session.generate("Once upon a time", params, want_logits=True)
        session.poweroff()
    assert welcome.description.startswith("virt-el2, 4 x Cortex-A76 (dotprod), EL2, synthetic")
    assert answer.logits is not None
    assert wanted.logits is not None
    np.testing.assert_array_equal(answer.logits.view(np.uint32), wanted.logits.view(np.uint32))
    console = log.read_text("utf-8", "replace")
    assert "Moving Image from" in console
    assert f"{board.load_address:#011x}" not in console, "it was moved to where QEMU would load it"
