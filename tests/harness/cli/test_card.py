"""harness/cli/card.py: card.img is made when something changed, and only then."""

import json
import shutil
from pathlib import Path

import pytest

from harness.cli import build as build_verb
from harness.cli.card import CardOptions, add_firmware, card_options, made_card, make_card
from harness.cli.main import Parser, main
from harness.cli.pipeline import Built
from harness.errors import ImageError
from tests.harness.cli.image_directory import add_card
from tests.harness.image.card.made import PI4_FILES, made_firmware


@pytest.fixture
def firmware(tmp_path: Path) -> CardOptions:
    return CardOptions((made_firmware(tmp_path / "firmware", PI4_FILES),), named=True)


@pytest.mark.slow
def test_a_card_is_made_once_and_again_when_its_firmware_changed(
    built: Built, firmware: CardOptions, tmp_path: Path
) -> None:
    if shutil.which("mcopy") is None:
        pytest.skip("mtools is not installed")
    card = make_card(built, firmware)
    image = built.directory / "card.img"
    assert json.loads((built.directory / "card.json").read_text())["sha256"] == card.sha256
    first = image.stat()
    assert make_card(built, firmware) == card
    assert image.stat().st_mtime_ns == first.st_mtime_ns
    assert made_card(built) == card
    (tmp_path / "firmware" / "start4cd.elf").write_bytes(b"a newer one")
    newer = make_card(built, firmware)
    assert newer.sha256 != card.sha256
    assert {p.name for p in built.directory.iterdir()} - {".lock"} == {
        *("card.img", "card.json", "kernel8.img", "manifest.json", "model.blob")
    }
    with image.open("r+b") as file:
        file.truncate(1 << 20)
    assert made_card(built) is None, "cut short"
    assert make_card(built, firmware) == newer


def test_another_build_s_card_is_not_this_one_s(built: Built) -> None:
    add_card(built)
    assert made_card(built) is not None
    listing = built.directory / "card.json"
    listing.write_text(listing.read_text().replace("00c0ffee00c0ffee", "0" * 16))
    assert made_card(built) is None


@pytest.mark.parametrize("epoch", ["today", "-1", "1.5", ""])
def test_an_epoch_that_is_no_number_is_refused(
    epoch: str, built: Built, firmware: CardOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(ImageError, match=f"SOURCE_DATE_EPOCH is {epoch!r}, wanted seconds"):
        make_card(built, firmware)


def options(*words: str) -> CardOptions:
    parser = Parser()
    add_firmware(parser)
    return card_options(parser.parse_args(words))


def test_firmware_comes_from_where_the_user_says(tmp_path: Path) -> None:
    assert options("--firmware", str(tmp_path)) == CardOptions((tmp_path,), named=True)
    assert options("--no-firmware") == CardOptions(None, named=True)
    default = options()
    assert default.firmware is not None
    assert default.firmware[0] == Path("/usr/lib/raspi-firmware")
    with pytest.raises(ImageError, match=r"--firmware .*nothing is not a directory"):
        options("--firmware", str(tmp_path / "nothing"))


def test_build_refuses_a_wrong_firmware_folder_before_it_builds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["build", "-m", "missing.gguf", "--board", "pi4", "--firmware", "/nowhere"]) == 2
    assert "/nowhere is not a directory" in capsys.readouterr().err


@pytest.fixture
def building(built: Built, monkeypatch: pytest.MonkeyPatch) -> Built:
    """`build` has nothing to compile; no package has firmware."""
    monkeypatch.setattr(build_verb, "build", lambda options: built)
    monkeypatch.setattr("harness.cli.card.package_directories", lambda: ())
    return built


def test_build_says_what_it_made_before_the_card_fails(
    building: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", "--board", "pi4"]) == 2
    out, err = capsys.readouterr()
    assert out.startswith(str(building.directory / "kernel8.img"))
    assert "a card for raspi4b needs the boot firmware" in err
    assert not (building.directory / "card.img").exists()
    assert main(["build", "--board", "pi4", "--no-card"]) == 0


@pytest.mark.slow
def test_build_prints_the_list_of_the_card(
    building: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("mcopy") is None:
        pytest.skip("mtools is not installed")
    assert main(["build", "--board", "pi4", "--no-firmware"]) == 0
    listing = json.loads((building.directory / "card.json").read_text())
    out = capsys.readouterr().out
    assert f"card.img (268,435,456 bytes, SHA-256 {listing['sha256']})" in out
    for entry in listing["files"]:
        assert f"{entry['sha256']}  {entry['name']}\n" in out
