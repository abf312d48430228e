"""Counts of one run -> instructions per token, by kind, in prefill and decode."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from harness.bench.code import Code
from harness.bench.counter import Counts, Mark, Piece
from harness.bench.phases import HEAD, UNSTEADY, in_order, kind_of_piece
from harness.gguf import Model

# The forward passes, and what follows each: sampling, and the line to the host.
PHASES = {
    "prefill": (Mark.PREFILL_BEGIN, Mark.PREFILL_END),
    "decode": (Mark.DECODE_BEGIN, Mark.DECODE_END),
}


@dataclass(frozen=True)
class Weights:
    """Matrix elements that a token is multiplied with, by GGUF type; the output matrix apart."""

    by_type: dict[str, int]
    head: int
    head_type: str = ""

    @property
    def total(self) -> int:
        """All of them: one multiply-add each per decoded token."""
        return sum(self.by_type.values()) + self.head

    def of(self, kind: str) -> int:
        """Weights that a kind of work multiplies with; 0: it is no product."""
        return self.head if kind == HEAD else self.by_type.get(kind.removeprefix("matmul "), 0)


@dataclass(frozen=True)
class Phase:
    """One of prefill and decode: instructions of all cores, over `tokens` tokens."""

    tokens: int
    is_prefill: bool
    kinds: dict[str, int]
    functions: dict[str, dict[str, int]]  # kind -> function -> instructions
    cores: tuple[int, ...]  # per core, without what is unsteady

    @property
    def total(self) -> int:
        """What is judged: without the line to the host and without waiting."""
        return sum(n for kind, n in self.kinds.items() if kind not in UNSTEADY)

    def per_token(self, kind: str) -> float:
        """Instructions of a kind per token."""
        return self.kinds.get(kind, 0) / max(self.tokens, 1)


@dataclass(frozen=True)
class Profile:
    """One run: a CPU, a number of cores, a context."""

    cpu: str
    cores: int
    n_ctx: int  # tokens of the prompt; decoding goes on from there
    prefill: Phase
    decode: Phase
    boot: int  # instructions of the first core from reset to the first prompt

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        facts = asdict(self)
        for name in PHASES:
            phase: Phase = getattr(self, name)
            facts[name]["total"] = phase.total
            facts[name]["per_token"] = phase.total / max(phase.tokens, 1)
        return facts


def weights_of(model: Model) -> Weights:
    """What the matrices of a model hold; a tied model multiplies with its embedding."""
    by_type: Counter[str] = Counter()
    head, head_type = 0, ""
    for name, tensor in model.tensors.items():
        if tensor.n_rows == 1 or (name == "token_embd.weight" and not model.tied):
            continue
        n = tensor.n_rows * tensor.n_cols
        if name in ("output.weight", "token_embd.weight"):
            head, head_type = n, tensor.type.name.lower()
        else:
            by_type[tensor.type.name.lower()] += n
    return Weights(dict(by_type), head, head_type)


def make_profile(
    counts: Counts, code: Code, *, cpu: str, cores: int, n_ctx: int, n_prompt: int
) -> Profile:
    """The two phases of a run whose prompt had n_prompt tokens."""
    decoded = sum(p.mark is Mark.DECODE_BEGIN for p in counts.passed)
    tokens = {"prefill": n_prompt, "decode": decoded}
    prefill, decode = (
        _phase(name, [p for p in counts.pieces if p.phase in marks], code, tokens[name], cores)
        for name, marks in PHASES.items()
    )
    boot = sum(counts.spans(Mark.ENTRY, Mark.READY))
    return Profile(cpu, cores, n_ctx, prefill, decode, boot)


def _phase(name: str, pieces: Iterable[Piece], code: Code, tokens: int, cores: int) -> Phase:
    kinds: Counter[str] = Counter()
    functions: dict[str, Counter[str]] = {}
    per_core = [0] * cores
    for piece in pieces:
        for function, n in code.executed([piece]).items():
            kind = kind_of_piece(piece, function)
            kinds[kind] += n
            functions.setdefault(kind, Counter())[function.name] += n
            if kind not in UNSTEADY:
                per_core[piece.cpu] += n
    ordered = in_order(set(kinds))
    return Phase(
        tokens=tokens,
        is_prefill=name == "prefill",
        kinds={kind: kinds[kind] for kind in ordered},
        functions={kind: dict(functions[kind].most_common()) for kind in ordered},
        cores=tuple(per_core),
    )
