"""harness/link/sensors.py: what a board tells of itself, and what it does not."""

import struct

import pytest

from harness.errors import LinkError
from harness.link.sensors import NOT_KNOWN, Readings, unpack_readings
from harness.link.session import Session
from tests.harness.link.fake_device import Script, fake_device


def test_a_board_is_asked_for_its_clock_and_temperature() -> None:
    with fake_device() as (stream, _):
        session = Session(stream)
        session.connect()
        readings = session.sensors()
    assert readings == Readings(1500, 48.7, ("frequency capped", "throttled"), was_throttled=True)


def test_a_board_that_measures_nothing_says_nothing() -> None:
    with fake_device(Script(readings=(0, 0, NOT_KNOWN))) as (stream, _):
        session = Session(stream)
        session.connect()
        assert session.sensors() == Readings(None, None, None, None)


def test_a_pi_that_is_fine_is_not_throttled_and_was_not() -> None:
    readings = unpack_readings(struct.pack("<III", 1_800_000_000, 61_234, 0))
    assert readings == Readings(1800, 61.234, (), was_throttled=False)


def test_half_an_answer_is_an_error() -> None:
    with pytest.raises(LinkError, match="READINGS payload has 8 bytes, expected at least 12"):
        unpack_readings(bytes(8))
