"""`bench --mca`: the hot loops of a run, in llvm-mca's cycles."""

from collections import Counter

from harness.bench.code import Code, Function
from harness.bench.counter import Counts, Mark
from harness.bench.loops import hot_loops, times_of
from harness.bench.mca import CPUS, Modelled, Tools, cycles_of, disassemble, find_tools
from harness.bench.phases import FORWARD, kind_of
from harness.bench.profile import Weights
from harness.cli.bench_runs import count_run
from harness.cli.pipeline import Built
from harness.compile import Elf

N_PROMPT, N_DECODE = 64, 4  # a prompt of whole batches
SMALL = 0.005  # of all instructions of the forward passes: not hot


def model_loops(built: Built, weights: Weights, cpu: str) -> list[Modelled]:
    """Run once under the plugin, then model the loop of each function that matters."""
    tools = find_tools()  # before the work, not after it
    elf = Elf.read(built.elf)
    counts = count_run(built, elf, cpu, 1, N_PROMPT, N_DECODE)
    code = Code(elf, built.directory / "obj")
    executed = code.executed(p for p in counts.pieces if p.phase in FORWARD)
    all_of_it = sum(executed.values())
    hot = [f for f, n in executed.most_common() if f.end and n >= SMALL * all_of_it]
    listing = disassemble(tools, built.elf, hot)
    return [loop for f in hot for loop in _model(tools, f, listing, counts, code, weights)]


def _model(
    tools: Tools,
    function: Function,
    listing: dict[int, str],
    counts: Counts,
    code: Code,
    weights: Weights,
) -> list[Modelled]:
    """In the phase in which the function runs most per token."""
    phase = _phase_of(function, counts, code)
    times = times_of(
        p for p in counts.pieces if p.phase is phase and code.at(p.address) == function
    )
    kind = kind_of(function)
    products = _multiply_adds(kind, phase, weights)
    return [
        Modelled(
            loop,
            kind,
            products / loop.iterations,
            {cpu: cycles_of(tools, loop.code, cpu) for cpu in CPUS},
        )
        for loop in hot_loops(function, listing, times)
    ]


def _phase_of(function: Function, counts: Counts, code: Code) -> Mark:
    tokens = {Mark.PREFILL_BEGIN: N_PROMPT, Mark.DECODE_BEGIN: N_DECODE}
    spent: Counter[Mark] = Counter()
    for piece in counts.pieces:
        if piece.phase in tokens and code.at(piece.address) == function:
            spent[piece.phase] += piece.n * piece.times
    return max(tokens, key=lambda phase: spent[phase] / tokens[phase])


def _multiply_adds(kind: str, phase: Mark, weights: Weights) -> int:
    """What products of a type multiply in a phase, the output matrix with those of its type."""
    if not kind.startswith("matmul "):
        return 0
    type_name = kind.removeprefix("matmul ")
    each, head = weights.by_type.get(type_name, 0), weights.head
    passes = 1 if phase is Mark.PREFILL_BEGIN else N_DECODE
    tokens = N_PROMPT if phase is Mark.PREFILL_BEGIN else N_DECODE
    return each * tokens + head * passes * (weights.head_type == type_name)
