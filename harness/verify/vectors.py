"""Vectors of texts against both references: the same bits, and near enough to float64."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from harness.gguf import Model
from harness.link.prompt import Prompt
from harness.link.vectors import Embeddings
from harness.reference import ContractEncoder, FloatEncoder, unit
from harness.verify.agreement import bit_equality
from harness.verify.compare import expected_ids
from harness.verify.limits import vector_limits_for
from harness.verify.verdict import Check, table


@dataclass(frozen=True)
class VectorVerdict:
    """Everything `verify` found out about a model that makes vectors; ok when every check is."""

    model: str
    n_texts: int
    n_tokens: int
    pooling: str
    checks: tuple[Check, ...]
    figures: dict[str, float | int]

    @property
    def ok(self) -> bool:
        """The kernel makes the right vectors."""
        return all(check.ok for check in self.checks)

    def report(self) -> str:
        """One line per check."""
        head = f"{self.model}: {self.n_texts} texts, {self.n_tokens} tokens, pooling {self.pooling}"
        return "\n".join([head, *table(self.checks)])

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "ok": self.ok,
            "model": self.model,
            "n_texts": self.n_texts,
            "n_tokens": self.n_tokens,
            "pooling": self.pooling,
            "checks": [asdict(check) for check in self.checks],
            "figures": self.figures,
        }


def compare_vectors(
    found: Embeddings,
    kernel_ids: Sequence[Sequence[int]],
    model: Model,
    prompts: Sequence[Prompt],
    *,
    pooling: str | None = None,
    n_ctx: int | None = None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> VectorVerdict:
    """Judge the vectors of some texts; kernel_ids: what its tokenizer made of them."""
    ids = [expected_ids(model, prompt) for prompt in prompts]
    on_stage("contract reference")
    integers = ContractEncoder(model, n_ctx=n_ctx)
    contract = [integers.embed(text, pooling) for text in ids]
    on_stage("float64 reference")
    floats = FloatEncoder(model, n_ctx=n_ctx)
    exact = np.array([floats.embed(text, pooling) for text in ids])
    bits = bit_equality(
        np.column_stack([found.vectors, found.lengths]),
        np.array([[*vector, length] for vector, length in contract], np.float32),
    )
    limits = vector_limits_for(model)
    wanted = unit(exact)
    cosine = float((unit(found.vectors.astype(np.float64)) * wanted).sum(axis=1).min())
    max_abs = float(np.abs(found.vectors - wanted).max())
    ratio = found.lengths / np.linalg.norm(exact, axis=1)
    off = float(np.abs(ratio - 1).max())
    same = [tuple(seen) == wanted_ids for seen, wanted_ids in zip(kernel_ids, ids, strict=True)]
    equal = f"{bits.equal} of {bits.total} bit-equal"
    if not bits.all_equal:
        equal += f", from text {bits.first_row}, by up to {bits.max_abs:.2g}"
    checks = (
        Check(
            "tokens",
            all(same) and found.n_tokens == tuple(map(len, ids)),
            f"{sum(same)} of {len(ids)} texts equal",
            "the reference tokenizer's",
        ),
        Check("contract: vectors", bits.all_equal, equal, "all bit-equal"),
        Check("float64: cosine", cosine >= limits.cosine, f"1 - {1 - cosine:.2g}", limits.text),
        Check("float64: max", max_abs <= limits.apart, f"{max_abs:.2g}", f"<= {limits.apart:.2g}"),
        Check(
            "float64: length", off <= limits.apart, f"{off:.2g} off", f"<= {limits.apart:.2g} off"
        ),
    )
    return VectorVerdict(
        model=model.path.name,
        n_texts=len(ids),
        n_tokens=sum(map(len, ids)),
        pooling=pooling or str(model.hyper.pooling),
        checks=checks,
        figures={
            "bits_equal": bits.equal,
            "bits_total": bits.total,
            "cosine": cosine,
            "max_abs": max_abs,
            "length_off": off,
        },
    )
