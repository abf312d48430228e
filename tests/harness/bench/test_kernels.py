import pytest

from harness.bench.counter import Counts, Mark, Passed
from harness.bench.kernels import (
    kernels_table,
    operations_of,
    per_multiply_add,
    products_table,
    ratio,
)
from harness.errors import BenchError, TargetError

NAMES = ("dequantize", "dequantize_multiply", "dot", "dot_neon")
CONSOLE = "".join(f"BENCH q4_k {name} 32\n" for name in NAMES) + "BENCH end\n"


def counts(*spans: int) -> Counts:
    passed, at = [], 0
    for span in spans:
        passed.append(Passed(0, Mark.KERNEL_BEGIN, at))
        passed.append(Passed(1, Mark.KERNEL_END, at + 7))  # another core's does not end it
        passed.append(Passed(0, Mark.KERNEL_END, at + span))
        at += span + 100
    return Counts((), tuple(passed))


def test_lines_and_spans_belong_together_in_order() -> None:
    found = operations_of(CONSOLE, counts(8192, 16384, 40960, 4096))
    assert [o.instructions for o in found] == [8192, 16384, 40960, 4096]
    assert ratio(found, "q4_k", "dot", 32) == 10
    assert "40,960   5.000   10.0x" in kernels_table("cortex-a72", found)


def test_products_are_counted_per_weight_and_token() -> None:
    console = "BENCH q8_0 token_neon 32\nBENCH q8_0 batch_dotprod 32\nBENCH end\n"
    found = operations_of(console, counts(4096, 16384))
    assert per_multiply_add(found) == {
        ("q8_0", "token_neon"): 0.5,
        ("q8_0", "batch_dotprod"): 0.125,
    }
    table = products_table("cortex-a76", found)
    assert "token, neon  batch, dotprod" in table
    assert table.endswith("q8_0             0.500           0.125")


def test_a_difference_between_the_twins_fails() -> None:
    with pytest.raises(TargetError, match="differ: q4_k 32"):
        operations_of(CONSOLE + "BENCH FAIL q4_k 32\n", counts(1, 1, 1, 1))


def test_a_bench_that_does_not_end_shows_its_last_words() -> None:
    with pytest.raises(TargetError, match="PANIC"):
        operations_of("BENCH q4_k dot 32\nPANIC cpu=0 here", counts(1))


def test_counts_that_nobody_named_are_an_error() -> None:
    with pytest.raises(BenchError, match="3 operations were counted, 4 were named"):
        operations_of(CONSOLE, counts(1, 1, 1))
