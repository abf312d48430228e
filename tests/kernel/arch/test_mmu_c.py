"""kernel/arch/mmu_map.c: the tables against a plain array of pages."""

from pathlib import Path

import pytest

from tests.kernel.build import build_program, run_program

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mmu")
    sources = ["arch/mmu_map.c", "lib/panic.c", "lib/format.c"]
    return build_program(folder, HERE / "mmu_driver.c", sources)


def test_every_page_is_mapped_as_the_last_mapping_said(driver: Path) -> None:
    said = run_program(driver).decode().splitlines()
    assert said[-1] == "ok"
    assert said[0] == "0 pages before the border: 0 writable"
    assert said[2] == "16 pages before the border: 0 writable"
    assert said[1] in {f"8 pages before the border: {n} writable" for n in (0, 1)}


def test_too_few_tables_are_named(driver: Path) -> None:
    said = run_program(driver, "2").decode()
    assert "all 2 tables of their region are used" in said
