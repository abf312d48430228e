from dataclasses import replace
from pathlib import Path

import pytest

from harness.bench.baseline import Baseline, Counts, changes, counts_of, read_baseline
from harness.bench.profile import Phase, Profile
from harness.errors import BenchError

RUN = "cortex-a72, 1 core, context 16, decode"
THEN: Counts = {RUN: {"total": 1000, "matmul q4_k": 600, "attention": 360, "sampling": 40}}


def now(**counts: int) -> Counts:
    return {RUN: THEN[RUN] | {name.replace("_", " ", 1): n for name, n in counts.items()}}


def test_the_same_counts_and_small_changes_pass() -> None:
    assert changes(THEN, THEN) == []
    assert changes(THEN, now(total=1030)) == []


def test_a_growth_above_3_per_cent_is_a_regression() -> None:
    [change] = changes(THEN, now(total=1031))
    assert change.is_regression
    assert "total 1,031, was 1,000 (+3.1%)" in str(change)


def test_a_large_part_is_judged_by_itself_and_a_small_one_is_not() -> None:
    [change] = changes(THEN, now(attention=380))
    assert (change.kind, change.is_regression) == ("attention", True)
    assert changes(THEN, now(sampling=44)) == []


def test_fewer_instructions_are_no_regression() -> None:
    [change] = changes(THEN, now(total=900))
    assert not change.is_regression


def test_a_run_that_was_not_measured_is_an_error() -> None:
    with pytest.raises(BenchError, match="not measured"):
        changes(THEN, {})


def test_what_depends_on_the_host_is_not_kept() -> None:
    phase = Phase(2, False, {"attention": 30, "link": 999, "waiting": 7}, {}, (20, 10))
    prefill = replace(phase, is_prefill=True, tokens=10)
    [in_prefill, in_decode] = counts_of([Profile("max", 2, 16, prefill, phase, 0)]).items()
    assert in_prefill == (
        "max, 2 cores, context 16, prefill", {"total": 3, "busiest core": 2, "attention": 3}
    )  # fmt: skip
    assert in_decode[1] == {"total": 15, "busiest core": 10, "attention": 15}


def test_a_baseline_is_read_as_it_was_saved(tmp_path: Path) -> None:
    baseline = Baseline("tiny", ("max",), (1, 2), (16,), 4, {"clang 22": THEN})
    baseline.save(tmp_path / "deep" / "baseline.json")
    assert read_baseline(tmp_path / "deep" / "baseline.json") == baseline


def test_a_missing_or_broken_baseline_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="is not there") as error:
        read_baseline(tmp_path / "none.json")
    assert "--save" in error.value.hint
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(BenchError, match="no baseline"):
        read_baseline(tmp_path / "broken.json")
