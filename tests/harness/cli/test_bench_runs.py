"""What is not a measurement is refused."""

import pytest

from harness.bench.profile import Phase, Profile
from harness.cli.bench_runs import check_all_took_part
from harness.errors import BenchError


def profile_of(*cores: int) -> Profile:
    phase = Phase(4, False, {"attention": sum(cores)}, {}, cores)
    return Profile("max", len(cores), 16, phase, phase, 1000)


def test_counts_of_fewer_cores_than_asked_for_are_refused() -> None:
    check_all_took_part(profile_of(10, 11, 12, 13))
    with pytest.raises(BenchError, match="max: 3 of 4 cores took part") as error:
        check_all_took_part(profile_of(20, 0, 21, 22))
    assert "try again" in error.value.hint
