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
    ]


@pytest.mark.parametrize("kind", ["v1", "small"])
def test_old_cards_count_bytes(driver: Path, kind: str) -> None:
    lines = said(driver, "3", "2", kind)
    assert lines[1].endswith("by_block=0")
    assert lines[-1].startswith("right=1")


def test_a_card_without_a_fast_mode_is_read_at_25_mhz(driver: Path) -> None:
    assert said(driver, "3", "2", "slow")[-1] == "right=1 hz=25000000"


@pytest.mark.parametrize("fault", ["crc", "stall"])
def test_a_passing_fault_costs_a_repetition(driver: Path, fault: str) -> None:
    lines = said(driver, "0", "600", f"{fault}=300:1")
    assert lines[2:] == ["read=no error", "retries=1", "right=1 hz=50000000"]


def test_what_fails_twice_is_read_at_half_the_speed(driver: Path) -> None:
    lines = said(driver, "0", "600", "crc=300:2")
    assert lines[2:] == ["read=no error", "retries=2", "right=1 hz=25000000"]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("crc=300:99", "what the card sent was damaged on the way (CRC)"),
        ("stall=300:99", "the card stopped in the middle of its data"),
        ("pull=300", "the card was pulled"),
    ],
)
def test_a_lasting_fault_is_named(driver: Path, fault: str, text: str) -> None:
    assert said(driver, "0", "600", fault)[2] == f"read={text}"


def test_a_card_that_was_pulled_is_not_asked_again(driver: Path) -> None:
    assert said(driver, "0", "600", "pull=300")[3] == "retries=0"


def test_no_card_is_no_answer(driver: Path) -> None:
    assert said(driver, "0", "1", "none") == ["open=the card does not answer"]
