"""kernel/link/channel.c: everything arrives in order, or the host is given up."""

from pathlib import Path

import pytest

from harness.link.messages import GIVE_UP_MS
from tests.kernel.build import run_program


@pytest.mark.parametrize("window", [1, 8])
def test_a_clean_line_needs_no_repetition(channel_driver: Path, window: int) -> None:
    out = run_program(channel_driver, "1", "0", str(window), "600")  # sequence numbers wrap
    assert out.startswith(b"600 messages each way")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("window", [1, 2])
def test_messages_arrive_in_order_over_a_bad_line(
    channel_driver: Path, window: int, seed: int
) -> None:
    run_program(channel_driver, str(seed), "5", str(window), "300")


def test_a_host_that_falls_silent_is_given_up(channel_driver: Path) -> None:
    out = run_program(channel_driver, "1", "0", "1", "100", "dead").decode()
    assert out.startswith("gave up after ")
    assert GIVE_UP_MS <= int(out.split()[3]) <= 2 * GIVE_UP_MS
