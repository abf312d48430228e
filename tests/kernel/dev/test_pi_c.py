"""kernel/platform/pi.c, the mailbox and the pins, against registers made here."""

from pathlib import Path

import pytest

from tests.kernel.build import build_program, run_program

HERE = Path(__file__).parent
SOURCES = [
    *("platform/pi.c", "dev/mailbox.c", "dev/gpio_bcm2835.c", "dev/uart_pl011.c"),
    *("dev/uart_mini.c", "dev/uart_8250.c", "dev/uart.c", "lib/format.c"),
]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pi")
    return build_program(folder, HERE / "pi_driver.c", SOURCES, instead=HERE / "fake")


def said(driver: Path, *args: str) -> list[str]:
    return run_program(driver, *args).decode().splitlines()


@pytest.mark.parametrize(
    ("measured", "temperature", "flags", "text"),
    [
        ("0", "45123", "0", "ARM clock 1400 MHz, 45.1 C, not throttled"),
        ("1399400000", "45123", "0", "ARM clock 1399 MHz, 45.1 C, not throttled"),
        ("0", "0", "0", "ARM clock 1400 MHz, not throttled"),
        ("0", "4000000000", "0", "ARM clock 1400 MHz, not throttled"),
        ("0", "82000", "0x80008", "ARM clock 1400 MHz, 82.0 C, hot now"),
        ("0", "50000", "0x50005", "ARM clock 1400 MHz, 50.0 C, UNDERVOLTAGE THROTTLED now"),
        ("0", "50000", "0x10000", "ARM clock 1400 MHz, 50.0 C, was throttled since power on"),
    ],
)
def test_the_clock_is_raised_and_described(
    driver: Path, measured: str, temperature: str, flags: str, text: str
) -> None:
    lines = said(driver, "describe", "1400000000", measured, temperature, flags)
    assert lines == ["set clock 3 to 1400000000", text]


@pytest.mark.parametrize("hz", ["0", "4294967295", "7"])
def test_a_clock_that_is_none_is_neither_set_nor_shown(driver: Path, hz: str) -> None:
    assert said(driver, "describe", hz, "0", "25000", "0") == [""]


def test_a_mailbox_that_never_answers_is_given_up(driver: Path) -> None:
    assert said(driver, "silent") == [""]


# UARTCLK / (16 * 115200), in 64ths.
@pytest.mark.parametrize(
    ("hz", "divisors"),
    [("48000000", "26/3"), ("3000000", "1/40"), ("0", "26/3"), ("100", "26/3")],
)
def test_the_pl011_is_set_up_from_its_clock(driver: Path, hz: str, divisors: str) -> None:
    lines = said(driver, "console", "pl011", hz)
    assert lines[0] == "set clock 2 to 48000000"
    assert lines[1].startswith("pins=0x64000 ")  # 14 and 15 are ALT0, 16 is what it was
    assert lines[2] == f"pl011={divisors} lcrh=0x70 cr=0x301"


def test_a_pl011_that_the_firmware_has_set_up_keeps_its_speed(driver: Path) -> None:
    lines = said(driver, "console", "pl011", "on")
    assert lines[1].startswith("pl011=99/0 ")


def test_a_pl011_without_fifos_is_none_that_the_firmware_has_set_up(driver: Path) -> None:
    lines = said(driver, "console", "pl011", "half", "48000000")
    assert lines[2] == "pl011=26/3 lcrh=0x70 cr=0x301"


def test_the_pl011_leaves_the_pins_of_bluetooth(driver: Path) -> None:
    assert said(driver, "console", "pl011")[-1] == "pins 30 to 39=0x7000"  # 34 is not theirs


@pytest.mark.parametrize("kind", ["pl011", "mini"])
def test_a_dead_uart_is_waited_for_once(driver: Path, kind: str) -> None:
    assert said(driver, "dead", kind) == ["waited once=1 then=y"]


def test_a_pi_4_has_its_pulls_elsewhere(driver: Path) -> None:
    assert said(driver, "console", "pl011", "2711")[1].endswith("pulls=0x40000000")


def test_the_mini_uart_is_set_up_from_the_core_s_clock(driver: Path) -> None:
    lines = said(driver, "console", "mini", "250000000")
    assert lines[0].startswith("pins=0x52000 ")  # ALT5
    assert lines[2] == "mini=270 lcr=0x3 cntl=0x3 enables=0x1"
