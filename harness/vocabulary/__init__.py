"""A vocabulary as tables for the kernel: texts, merges, and the regexes of `pre` as automata."""

from harness.vocabulary.tables import vocabulary_tables

__all__ = ["vocabulary_tables"]
