"""Tokens and logits of the kernel x reference -> Verdict."""

from harness.verify.compare import compare, expected_ids
from harness.verify.vectors import VectorVerdict, compare_vectors
from harness.verify.verdict import Check, Difference, Verdict

__all__ = [
    "Check",
    "Difference",
    "VectorVerdict",
    "Verdict",
    "compare",
    "compare_vectors",
    "expected_ids",
]
