"""kernel/platform/free_ram.c: what is taken is RAM, and nobody else's."""

import random
from pathlib import Path

import pytest

from tests.kernel.build import build_program, run_program

HERE = Path(__file__).parent
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PI_4 = [
    ("ram", 0, 0x3B40_0000),
    ("ram", 0x4000_0000, 0xFC00_0000),
    ("ram", 0x1_0000_0000, 0x2_0000_0000),
    ("image", 0x8_0000, 0x40_0000),
    ("initrd", 0x800_0000, 0x3000_0000),
    ("fdt", 0x3000_0000, 0x3000_8000),
    ("reserved", 0, 0x1000),
]
Words = list[tuple[str, int, int]]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("free_ram")
    return build_program(folder, HERE / "free_ram_driver.c", ["platform/free_ram.c"])


def said(driver: Path, words: Words) -> list[str]:
    args = [str(word) for triple in words for word in triple]
    return run_program(driver, *args).decode().splitlines()


def test_the_gap_between_image_and_initrd_is_used_first(driver: Path) -> None:
    assert said(driver, [*PI_4, ("take", 64 * MIB, 2 * MIB)]) == ["0x400000"]


def test_what_no_gap_holds_goes_behind_and_then_to_further_ranges(driver: Path) -> None:
    takes = [("take", 150 * MIB, 2 * MIB), ("take", 2 * GIB, 2 * MIB), ("take", 4 * GIB, 2 * MIB)]
    assert said(driver, [*PI_4, *takes]) == ["0x30200000", "0x40000000", "0x100000000"]


def test_what_was_taken_is_not_given_again(driver: Path) -> None:
    take = ("take", 60 * MIB, 2 * MIB)
    assert said(driver, [*PI_4, take, take, take]) == ["0x400000", "0x4000000", "0x30200000"]


def test_nothing_lies_below_the_image_or_at_address_0(driver: Path) -> None:
    small = ("take", 4 * KIB, 4 * KIB)
    assert said(driver, [*PI_4, small]) == ["0x400000"]
    assert said(driver, [("ram", 0, GIB), small]) == ["0x1000"]
    other = [("ram", 0, MIB), ("ram", GIB, 2 * GIB), ("image", GIB + MIB, GIB + 2 * MIB), small]
    assert said(driver, other) == ["0x1000"]


def test_a_machine_without_room_is_refused_with_all_figures(driver: Path) -> None:
    assert said(driver, [*PI_4, ("take", 4 * GIB + 1024, 2 * MIB)]) == [
        "layout: the KV cache needs 4194305 KiB in one piece, and none of this machine's 8245248 "
        "KiB of RAM in 3 ranges has so much that is free"
    ]
    assert "needs 1 KiB in one piece" in said(driver, [("take", 1024, 64)])[0]
    last = [("ram", (1 << 64) - 8192, (1 << 64) - 4096), ("take", 8192, 4096)]
    assert "needs 8 KiB in one piece" in said(driver, last)[0]


def test_whatever_is_there_what_is_taken_is_free_and_the_lowest(driver: Path) -> None:
    """Page by page, written as the definition says it."""
    rng = random.Random(3)
    pages = 64
    for _ in range(60):
        words: Words = []
        start = 0
        while start < pages - 4:
            end = min(pages, start + rng.randint(2, 30))
            words.append(("ram", start * 4096, end * 4096))
            start = end + rng.randint(1, 6)
        for kind in ("no_map", "reserved", "fdt", "initrd", "no_map", "reserved"):
            first = rng.randrange(pages)
            words.append((kind, first * 4096 + rng.randint(0, 4095), (first + 2) * 4096))
        size, align = rng.randint(1, 6), 4096 << rng.randint(0, 2)
        busy = {0} | {
            page
            for kind, low, high in words
            if kind != "ram"
            for page in range(low // 4096, -(-high // 4096))
        }
        ranges = [(low // 4096, high // 4096) for kind, low, high in words if kind == "ram"]
        free = [
            first
            for low, high in ranges
            for first in range(low, high - size + 1)
            if first * 4096 % align == 0 and busy.isdisjoint(range(first, first + size))
        ]
        answer = said(driver, [*words, ("take", size * 4096, align)])[0]
        assert answer == (f"{free[0] * 4096:#x}" if free else answer), words
        assert free or "in one piece" in answer
