"""kernel/dev/sdhci.c and sd_card.c against a card that fails on command."""

from pathlib import Path

import pytest

from tests.kernel.build import build_program, run_program

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_program(
        tmp_path_factory.mktemp("sd"),
        HERE / "sd_driver.c",
        ["dev/sd_card.c", "dev/sdhci.c"],
        instead=HERE / "fake",
    )


def said(driver: Path, *args: str) -> list[str]:
    return run_program(driver, *args).decode().splitlines()


def test_a_card_is_made_fast_and_read_in_pieces(driver: Path) -> None:
    assert said(driver, "5", "700") == [
        "open=no error",
        "hz=50000000 lines=4 by_block=1",
        "read=no error",
        "retries=0",
        "right=1 hz=50000000",
        "divider=2 control=0xf06 lost=0",  # 3.3 V, high speed, four lines
    ]


@pytest.mark.parametrize(
    ("base", "real", "divider", "hz"),
    [
        (250_000_000, 250_000_000, 3, 41_666_666),
        (250_000_000, 50_000_000, 3, 41_666_666),  # the firmware said nothing
        (50_000_000, 50_000_000, 0, 50_000_000),
        (40_000_000, 40_000_000, 0, 40_000_000),
        (60_000_000, 60_000_000, 1, 30_000_000),
        (700_000_000, 700_000_000, 7, 50_000_000),
    ],
)
def test_an_arasan_gets_no_write_too_soon_and_tells_its_real_speed(
    driver: Path, base: int, real: int, divider: int, hz: int
) -> None:
    lines = said(driver, "5", "300", "arasan", f"base={base}", f"real={real}", "crc=9:1")
    assert lines[4] == f"right=1 hz={hz}"
    assert lines[5] == f"divider={divider} control=0xf02 lost=0"  # it has no high speed bit


def test_half_the_speed_is_half_of_the_real_one(driver: Path) -> None:
    lines = said(driver, "0", "600", "base=90000000", "crc=300:2")
    assert lines[1].startswith("hz=45000000 ")
    assert lines[4:] == ["right=1 hz=22500000", "divider=2 control=0xf06 lost=0"]


@pytest.mark.parametrize("kind", ["v1", "small"])
def test_old_cards_count_bytes(driver: Path, kind: str) -> None:
    lines = said(driver, "3", "2", kind)
    assert lines[1].endswith("by_block=0")
    assert lines[4].startswith("right=1")


def test_a_card_without_a_fast_mode_is_read_at_25_mhz(driver: Path) -> None:
    assert said(driver, "3", "2", "slow")[4:] == [
        "right=1 hz=25000000",
        "divider=4 control=0xf02 lost=0",
    ]


@pytest.mark.parametrize("fault", ["crc", "stall"])
def test_a_passing_fault_costs_a_repetition(driver: Path, fault: str) -> None:
    lines = said(driver, "0", "600", f"{fault}=300:1")
    assert lines[2:5] == ["read=no error", "retries=1", "right=1 hz=50000000"]


@pytest.mark.parametrize("fault", ["crc", "stall"])
def test_a_fault_of_a_single_block_is_not_taken_for_that_of_the_stop(
    driver: Path, fault: str
) -> None:
    """To be stopped when it sends nothing is illegal to a card, and its next answer says so."""
    lines = said(driver, "300", "1", f"{fault}=300:1")
    assert lines[2:5] == ["read=no error", "retries=1", "right=1 hz=50000000"]


def test_what_fails_twice_is_read_at_half_the_speed(driver: Path) -> None:
    lines = said(driver, "0", "600", "crc=300:2")
    assert lines[2:5] == ["read=no error", "retries=2", "right=1 hz=25000000"]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("crc=300:99", "what the card sent was damaged on the way (CRC)"),
        ("stall=300:99", "the card stopped in the middle of its data"),
        ("pull=300", "the card was pulled"),
    ],
)
def test_a_lasting_fault_is_named_with_the_blocks_of_its_command(
    driver: Path, fault: str, text: str
) -> None:
    assert said(driver, "0", "600", fault)[2] == f"read={text}: 256 of block 256 on"


def test_a_card_that_was_pulled_is_not_asked_again(driver: Path) -> None:
    assert said(driver, "0", "600", "pull=300")[3] == "retries=0"


def test_no_card_is_no_answer(driver: Path) -> None:
    assert said(driver, "0", "1", "none") == ["open=the card does not answer"]
