from collections import Counter
from collections.abc import Sequence

import pytest

from harness.bench.code import Function
from harness.bench.counter import Mark, Piece
from harness.bench.loops import HotLoop, hot_loops, times_of
from harness.bench.mca import CPUS, Modelled, cycles_of, find_tools, mca_table
from harness.errors import BenchError

BASE = 0x1000
FUNCTION = Function("f", "nn/f.c", BASE, BASE + 0x40)
# Two nested loops, and a branch back that is never taken.
CODE = (
    "mov x0, #10",
    "mov x1, #3",  # outer loop: 0x1004 .. 0x1018
    "ldr q0, [x2], #16",  # inner loop: 0x1008 .. 0x1010
    "subs x1, x1, #1",
    "b.ne 0x1008",
    "subs x0, x0, #1",
    "b.ne 0x1004",
    "cbz x3, 0x1000",
    "ret",
)
TIMES = (1, 10, 30, 30, 30, 10, 10, 0, 1)


def listing() -> dict[int, str]:
    return {BASE + 4 * i: text for i, text in enumerate(CODE)}


def executed(times: Sequence[int] = TIMES) -> dict[int, int]:
    return {BASE + 4 * i: n for i, n in enumerate(times)}


def test_executions_add_up_over_pieces() -> None:
    pieces = [
        Piece(0, Mark.DECODE_BEGIN, False, False, BASE, 2, 5),
        Piece(1, Mark.DECODE_BEGIN, False, False, BASE + 4, 1, 3),
    ]
    assert times_of(pieces) == Counter({BASE: 5, BASE + 4: 8})


def test_the_loop_that_holds_most_is_written_out_with_its_inner_loop_repeated() -> None:
    [loop] = hot_loops(FUNCTION, listing(), executed())
    assert (loop.loop.start, loop.loop.end, loop.iterations) == (0x1004, 0x1018, 10)
    assert loop.share == pytest.approx(120 / 122)
    assert loop.code == (CODE[1], *CODE[2:5] * 3, *CODE[5:7])


def test_an_inner_loop_that_holds_nearly_all_is_the_hot_one() -> None:
    times = (1, 10, 3000, 3000, 3000, 10, 10, 0, 1)
    [loop] = hot_loops(FUNCTION, listing(), executed(times))
    assert loop.code == CODE[2:5]


def test_code_without_an_executed_loop_has_no_hot_loop() -> None:
    assert hot_loops(FUNCTION, listing(), executed((1, 1, 1, 1, 0, 0, 0, 0, 0))) == []


def test_cycles_are_those_of_the_slowest_chain() -> None:
    try:
        tools = find_tools()
    except BenchError as missing:
        pytest.skip(str(missing))
    chain = ["fadd s0, s0, s1"] * 4  # six cycles each in the model of the Cortex-A53
    assert cycles_of(tools, chain, "cortex-a53") == pytest.approx(24, rel=0.01)
    branches = [*chain, "b.ne 0x1008", "tbz w0, #3, 0x1010", "b 0x1000", "ret"]
    assert cycles_of(tools, branches, "cortex-a53") == pytest.approx(24, rel=0.01)


def test_the_table_has_cycles_per_256_weights_beside_llama_cpps() -> None:
    [loop] = hot_loops(FUNCTION, listing(), executed())
    plain = Modelled(loop, "matmul q4_k", 512.0, dict.fromkeys(CPUS, 200.0))
    sdot = HotLoop(FUNCTION, loop.loop, 1, 1.0, ("sdot v0.4s, v1.16b, v2.4b[0]",))
    dotprod = Modelled(sdot, "matmul q4_k", 256.0, {**dict.fromkeys(CPUS, 25.0), CPUS[0]: None})
    text = mca_table([plain, dotprod]).splitlines()
    assert text[3].split() == [
        "f+0x4", "12", "512", "98%", "200.0", "100.0", "309", "200.0", "100.0", "95",
        "200.0", "100.0", "77",
    ]  # fmt: skip
    assert text[4].split()[4:] == [
        "no",
        "such",
        "instruction",
        "25.0",
        "25.0",
        "25.0",
        "25.0",
        "34",
    ]
