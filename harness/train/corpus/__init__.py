"""Text of our own making: stories that hold together, and dialogues with right answers."""

from harness.train.corpus.document import Document, Turn, render
from harness.train.corpus.evaluation import Case, evaluation
from harness.train.corpus.mix import WEIGHTS, document, documents
from harness.train.corpus.split import Split

__all__ = [
    "WEIGHTS",
    "Case",
    "Document",
    "Split",
    "Turn",
    "document",
    "documents",
    "evaluation",
    "render",
]
