"""GGUF bytes -> Model: everything validated, weights left in the file until asked for."""

from harness.gguf.model import HyperParameters, Model, Tensor, Vocabulary
from harness.gguf.read import read_gguf, read_vocabulary
from harness.gguf.types import GGMLType

__all__ = [
    "GGMLType",
    "HyperParameters",
    "Model",
    "Tensor",
    "Vocabulary",
    "read_gguf",
    "read_vocabulary",
]
