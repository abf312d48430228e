"""harness/card.py: the [card] table, and pages that say the same as it does."""

from pathlib import Path

import pytest

from harness.board import ALIASES, BOARDS_DIR, board_name, board_names, load_board
from harness.card import Card
from harness.errors import BoardError

ROOT = BOARDS_DIR.parent.parent
WITH_CARD = [name for name in board_names() if load_board(name).card is not None]
PAGES = {board: alias for alias, board in ALIASES.items()}
RASPI4B = (BOARDS_DIR / "raspi4b.toml").read_text(encoding="utf-8")


def card_of(name: str) -> Card:
    card = load_board(name).card
    assert card is not None
    return card


def test_the_boards_that_start_from_a_card_are_the_real_ones() -> None:
    assert set(WITH_CARD) == {"raspi3b", "raspi4b", "pi-zero-2w", "pi5", "rk3588"}


@pytest.mark.parametrize(
    ("name", "board"),
    [
        ("pi3", "raspi3b"),
        ("pi4", "raspi4b"),
        ("pi4-8g", "raspi4b-8g"),
        ("pi5", "pi5"),
        ("pi44", "pi44"),
    ],
)
def test_an_alias_is_the_board_of_qemu_s_name(name: str, board: str) -> None:
    assert board_name(name) == board
    assert board not in WITH_CARD or load_board(name) == load_board(board)


def test_an_unknown_board_is_told_the_aliases_too() -> None:
    with pytest.raises(BoardError) as error:
        load_board("pi9")
    assert "pi3, pi4;" in error.value.hint


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('recipe = "pi4"', 'recipe = "pi9"', "card.recipe is 'pi9', wanted pi3 or pi4 or pi5"),
        ("first_lba = 8192", "first_lba = 63", "card.first_lba is 63, wanted a multiple of 8192"),
        ("first_lba = 8192", "first_lba = 0", "card.first_lba is 0"),
        ('"start4cd.elf"', '"../start4cd.elf"', "names the file '../start4cd.elf'"),
        ('kernel = "kernel8.img"', 'kernel = ""', "names the file ''"),
        ('kernel = "kernel8.img"', "", "key card.kernel is missing"),
        ("first_lba", "fist_lba", "unknown key card.fist_lba"),
    ],
)
def test_a_wrong_card_names_file_and_key(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in RASPI4B
    (tmp_path / "raspi4b.toml").write_text(RASPI4B.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BoardError, match=message) as error:
        load_board("raspi4b", tmp_path)
    assert "raspi4b.toml" in str(error.value)


@pytest.mark.parametrize("name", WITH_CARD)
def test_each_board_has_a_page_that_names_every_file_of_its_card(name: str) -> None:
    page = ROOT / "docs" / "boards" / f"{PAGES.get(name, name)}.md"
    text = page.read_text(encoding="utf-8")
    card = card_of(name)
    for file in (card.kernel, *card.firmware, *card.device_trees, *card.mainline_device_trees):
        assert f"`{file}`" in text, f"{page} does not name {file}"
    assert f"images/recipes/{card.recipe}" in text
    assert f"--board {PAGES.get(name, name)}" in text
    assert "Never tried on hardware" in text
    index = (page.parent / "README.md").read_text(encoding="utf-8")
    assert f"({page.name})" in index
