"""The endless stream of training windows, in shards: any place in it can be found again at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final

import numpy as np

from harness.train.packing import (
    I32,
    NO_LOSS,
    Pieces,
    Source,
    Split,
    Tokens,
    Windows,
    pack,
    tokenise,
)
from harness.train.vocabulary import EOS, Tokenizer, train_vocabulary

SHARD_DOCUMENTS: Final = 2048  # about a second of text generator
VALID_SEED: Final = 0  # validation is the same for every seed, so that runs can be compared


def default_source() -> Source:
    """The project's own text generator."""
    from harness.train.corpus import documents, render

    def source(seed: int, split: Split) -> Iterator[Pieces]:
        return (render(document) for document in documents(seed, split=split))

    return source


def make_vocabulary(source: Source, seed: int, n_chars: int, n_vocab: int) -> bytes:
    """A vocabulary of the first n_chars of the training text."""

    def texts() -> Iterator[str]:
        seen = 0
        for pieces in source(shard_seed(seed, 0), "train"):
            for text, is_special in pieces:
                if not is_special:
                    seen += len(text)
                    yield text
            if seen >= n_chars:
                return

    return train_vocabulary(texts(), n_vocab)


def shard_seed(seed: int, shard: int) -> int:
    """One number of 32 bits for a shard of a run."""
    return int(np.random.SeedSequence((seed, shard)).generate_state(1)[0])


@dataclass
class Stream:
    """Shard k is documents(seed of k), packed and shuffled; the place is `window` of `shard`."""

    source: Source
    tokenizer: Tokenizer
    seed: int
    n_ctx: int
    shard: int = 0
    window: int = 0
    _loaded: tuple[int, Windows] | None = None

    def next_batch(self, n: int) -> Windows:
        """The next n windows, across the end of a shard if need be."""
        ids: list[I32] = []
        targets: list[I32] = []
        while n > 0:
            windows = self._windows(self.shard)
            taken = slice(self.window, self.window + n)
            ids.append(windows.ids[taken])
            targets.append(windows.targets[taken])
            n -= len(ids[-1])
            self.window += len(ids[-1])
            if self.window >= len(windows):
                self.shard, self.window = self.shard + 1, 0
        return Windows(np.concatenate(ids), np.concatenate(targets))

    def documents(self, shard: int) -> list[Tokens]:
        """All documents of a shard, as the generator writes them."""
        found = islice(self.source(shard_seed(self.seed, shard), "train"), SHARD_DOCUMENTS)
        return [_tokens(pieces, self.tokenizer) for pieces in found]

    def packed(self, shard: int, documents: list[Tokens]) -> Windows:
        """Its windows, in the order in which they are read."""
        rng = np.random.Generator(np.random.PCG64(shard_seed(self.seed, shard)))
        return pack(documents, self.n_ctx, EOS, rng)

    def _windows(self, shard: int) -> Windows:
        if self._loaded is None or self._loaded[0] != shard:
            self._loaded = (shard, self.packed(shard, self.documents(shard)))
        return self._loaded[1]


def valid_windows(source: Source, tokenizer: Tokenizer, n_ctx: int, n: int) -> Windows:
    """The first n windows of the held-out text."""
    wanted = n * (n_ctx + 1)
    tokens: list[Tokens] = []
    count = 0
    for pieces in source(VALID_SEED, "valid"):
        tokens.append(_tokens(pieces, tokenizer))
        count += len(tokens[-1].ids)
        if count >= wanted:
            break
    packed = pack(tokens, n_ctx, EOS, np.random.Generator(np.random.PCG64(VALID_SEED)))
    return Windows(packed.ids[:n], packed.targets[:n])


def documents_of(windows: Windows, bos: int, eos: int) -> Iterator[Windows]:
    """The documents of each window one by one, as a plain loop would train on them.

    The EOS tokens that fill up a window, which nothing learns, are left out.
    """
    for ids, targets in zip(windows.ids, windows.targets, strict=True):
        text = np.flatnonzero((ids[1:] != eos) | (targets[:-1] != NO_LOSS))
        end = int(text[-1]) + 2 if len(text) else 1
        starts = [*np.flatnonzero(ids[:end] == bos), end]
        for start, end in pairwise(starts):
            if (targets[start:end] != NO_LOSS).any():
                yield Windows(ids[None, start:end], targets[None, start:end])


def _tokens(pieces: Pieces, tokenizer: Tokenizer) -> Tokens:
    return tokenise(pieces, tokenizer.encode, tokenizer.special)
