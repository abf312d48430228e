"""`build --loader`: a card with the chainloader in the kernel's place, and how `flash` takes it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.cli.main import main
from harness.errors import HarnessError
from harness.image.card.mbr import read_boot_record
from tests.harness.cli.image_directory import BUILD_ID, image_directory
from tests.harness.image.card.made import PI4_FILES, PI4_TREE, made_firmware
from tests.harness.image.card.test_write_card import fsck, read_back
from toolchain import find_toolchain

pytestmark = pytest.mark.slow  # builds a program

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _needs_tools() -> None:
    if shutil.which("mcopy") is None:
        pytest.skip("mtools is not installed")
    try:
        find_toolchain()
    except HarnessError as missing:
        pytest.skip(str(missing).splitlines()[0])


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    return made_firmware(tmp_path / "firmware", PI4_FILES)


def build_loader(out: Path, *more: str) -> Path:
    assert main(["build", "--loader", "--board", "pi4", "-o", str(out), *more]) == 0
    return out / "raspi4b" / "loader"


def test_the_card_of_a_loader_has_it_under_the_kernel_s_name(
    firmware: Path, tmp_path: Path, capsys: Capture
) -> None:
    made = build_loader(tmp_path / "out", "--firmware", str(firmware))
    card = made / "card.img"
    loader = (made / "loader.img").read_bytes()
    assert read_back(card, "kernel8.img") == loader
    config = read_back(card, "config.txt").decode()
    assert (
        "# kernel8.img is the chainloader: kernel and model come over the serial line.\n" in config
    )
    assert "initramfs" not in config
    with card.open("rb") as file:
        (fat,) = read_boot_record(file.read(512))
    fsck(card, fat.offset, fat.size_bytes, tmp_path)
    assert f"{len(loader):>15,}  build" in capsys.readouterr().out

    first = card.stat().st_mtime_ns
    build_loader(tmp_path / "out", "--firmware", str(firmware))
    assert card.stat().st_mtime_ns == first, "nothing changed"
    again = build_loader(tmp_path / "again", "--firmware", str(firmware)) / "card.img"
    with card.open("rb") as one, again.open("rb") as two:
        for _ in range(16):  # behind the files both are one hole
            assert one.read(1 << 20) == two.read(1 << 20)


def test_files_only_puts_the_loader_onto_a_card_that_is_there(
    tmp_path: Path, capsys: Capture
) -> None:
    made = build_loader(tmp_path / "out", "--no-card")
    assert not (made / "card.img").exists()
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    (mounted / "kernel8.img").write_bytes(b"another's")
    command = ["flash", "-m", str(made), "--files-only", str(mounted), "--no-firmware"]
    assert main(command) == 0
    assert (mounted / "kernel8.img").read_bytes() == (made / "loader.img").read_bytes()
    assert "what was there is kept as" in capsys.readouterr().out

    with (made / "loader.img").open("ab") as file:
        file.write(b"more")
    assert main(command) == 2
    assert "loader.img is not the one that it names" in capsys.readouterr().err


@pytest.mark.parametrize("tree", [True, False], ids=["as initramfs", "in its partition"])
def test_a_large_model_is_on_the_loader_s_card(
    firmware: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tree: bool
) -> None:
    if not tree:
        (firmware / PI4_TREE).unlink()
    built = image_directory(tmp_path / "image")
    monkeypatch.setattr("harness.cli.loader.build", lambda options: built)
    command = ("-m", str(tmp_path / "fake.gguf"), "--firmware", str(firmware))
    made = build_loader(tmp_path / "out", *command)
    card = made / "card.img"
    assert read_back(card, "kernel8.img") == (made / "loader.img").read_bytes()
    config = read_back(card, "config.txt").decode()
    assert f"Bareword build {BUILD_ID}" in config, "the model's: the kernel that comes must have it"
    blob = (built.directory / "model.blob").read_bytes()
    with card.open("rb") as file:
        partitions = read_boot_record(file.read(512))
        if tree:
            assert "initramfs model.blob followkernel\n" in config
            assert read_back(card, "model.blob") == blob
        else:
            file.seek(partitions[1].offset)
            assert file.read(len(blob)) == blob


def test_a_model_that_is_part_of_its_kernel_comes_with_it(
    firmware: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = image_directory(tmp_path / "image", appended=True)
    monkeypatch.setattr("harness.cli.loader.build", lambda options: built)
    command = ("-m", str(tmp_path / "fake.gguf"), "--firmware", str(firmware))
    card = build_loader(tmp_path / "out", *command) / "card.img"
    assert b"come over the serial line" in read_back(card, "config.txt")
    listing = subprocess.run(
        ["mdir", "-b", "-i", f"{card.name}@@{4 << 20}", "::"],
        cwd=card.parent,
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "model.blob" not in listing.stdout
