"""harness/bench/speed.py: the table of a board, and the conditions under which it was measured."""

from harness.bench.speed import Conditions, Speed, speed_table


def test_clock_and_temperature_stand_beside_the_speed() -> None:
    hot = Conditions(1500, 81.2, ("soft temperature limit",), was_throttled=True)
    speeds = [
        Speed(16, 8, (10.0, 12.0), (3.0, 3.0), Conditions(1800, 48.7, (), was_throttled=False)),
        Speed(128, 8, (9.0, 9.0), (2.5, 2.5), hot),
    ]
    _, _, cool_row, hot_row = speed_table(speeds, "pi4").splitlines()
    assert cool_row.endswith("3.00 ± 0.00  1800 MHz, 48.7 C, not slowed down")
    assert hot_row.endswith("1500 MHz, 81.2 C, SLOWED DOWN: soft temperature limit")
    assert speeds[0].as_dict()["mhz"] == 1800


def test_what_a_board_does_not_tell_is_absent_and_not_invented() -> None:
    speed = Speed(16, 8, (10.0,), (3.0,), Conditions())
    assert speed_table([speed], "rk3588").splitlines()[-1].endswith("3.00 ± 0.00")
    assert speed.as_dict().keys().isdisjoint({"mhz", "celsius", "throttling", "was_throttled"})
