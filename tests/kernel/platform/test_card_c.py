"""kernel/platform/card.c: which controller is believed, and what is believed of a card."""

from pathlib import Path

import pytest

from tests.kernel.build import build_program, run_program, write_header
from tests.kernel.platform.test_blob_c import blob

HERE = Path(__file__).parent
MODEL = blob()
OK, NO_ANSWER, REMOVED, CRC, STUCK = 0, 1, 2, 3, 5


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    write_header(folder / "gen" / "layout.h", {"BLOB_APPENDED": 0})
    sources = ["platform/card.c", "platform/blob.c", "lib/crc32.c", "lib/format.c"]
    fake = HERE.parent / "dev" / "fake"
    return build_program(folder, HERE / "card_driver.c", sources, instead=fake)


def said(driver: Path, *args: str) -> list[str]:
    return run_program(driver, str(len(MODEL)), *args, stdin=MODEL).decode().splitlines()


@pytest.mark.parametrize("first", [NO_ANSWER, STUCK])
def test_the_next_controller_is_tried_where_no_card_was(driver: Path, first: int) -> None:
    lines = said(driver, f"open={first},{OK}")
    assert [line.split()[1] for line in lines[:-1]] == ["0", "1"]
    assert lines[-1] == "ok"


@pytest.mark.parametrize("first", [REMOVED, CRC])
def test_a_card_that_was_found_is_looked_for_nowhere_else(driver: Path, first: int) -> None:
    lines = said(driver, f"open={first},{OK}")
    assert len(lines) == 2
    assert lines[1].endswith(f"none can be read from an SD card: result {first}")


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (STUCK, NO_ANSWER, STUCK),
        (NO_ANSWER, STUCK, STUCK),
        (STUCK, CRC, STUCK),
        (NO_ANSWER, NO_ANSWER, NO_ANSWER),
    ],
)
def test_the_first_error_that_says_more_than_no_answer_is_told(
    driver: Path, first: int, second: int, why: int
) -> None:
    assert said(driver, f"open={first},{second}")[-1].endswith(f": result {why}")


def test_the_regulator_has_5_ms_to_settle_where_there_is_one(driver: Path) -> None:
    assert said(driver, "open=0,0")[0] == "open 0 settled_us=5000"
    assert said(driver, "open=0,0", "deaf")[0] == "open 0 settled_us=0"


def test_bytes_that_were_wrong_once_are_read_again(driver: Path) -> None:
    assert said(driver, "open=0,0", "payload=2")[-1] == "ok"


@pytest.mark.parametrize("damage", [("header=1",), ("header=2",), ("payload=2", "header=3")])
def test_a_header_is_never_used_unchecked(driver: Path, damage: tuple[str, ...]) -> None:
    """It says how many bytes its CRC is of: more than there are, here."""
    assert "model: damaged header" in said(driver, "open=0,0", *damage)[-1]
