"""The baseline: an interpolated n-gram model (Witten-Bell) of order 5 over the same tokens.

p_n(w | c) = (count(c w) + kinds(c) * p_{n-1}(w | shorter c)) / (count(c) + kinds(c)), kinds(c)
being how many different tokens followed c. Below the unigram stands 1 / n_vocab. With ids of 12
bits five tokens are one 64-bit number, so counting is sorting.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from harness.train.packing import NO_LOSS, Windows

ORDER: Final = 5
BITS: Final = 12
I64 = npt.NDArray[np.int64]


class NGram:
    """Counts of all n-grams up to ORDER within windows."""

    def __init__(self, windows: Windows, n_vocab: int, order: int = ORDER) -> None:
        assert n_vocab <= 1 << BITS
        self.order, self.n_vocab = order, n_vocab
        self._tables = [self._count(windows, n) for n in range(1, order + 1)]

    def loss(self, windows: Windows) -> float:
        """Mean of -log p over the targets that are learnt, in nats: comparable with the model's."""
        stream, learnt = _streams(windows)
        p = np.full(int(learnt.sum()), 1.0 / self.n_vocab)
        for n, table in enumerate(self._tables, start=1):
            grams, counts, contexts, totals, kinds = table
            keys, known = _keys(stream, n)
            keys, known = keys[learnt], known[learnt]
            count = _lookup(grams, counts, keys) * known
            context = keys >> BITS
            total = _lookup(contexts, totals, context) * known
            kind = _lookup(contexts, kinds, context) * known
            seen = total > 0
            p = np.where(seen, (count + kind * p) / np.where(seen, total + kind, 1), p)
        return float(-np.log(p).mean())

    @staticmethod
    def _count(windows: Windows, n: int) -> tuple[I64, I64, I64, I64, I64]:
        stream, learnt = _streams(windows)
        keys, known = _keys(stream, n)
        # Whatever the model may learn: predictions of targets; the questions only as contexts.
        grams, counts = np.unique(keys[learnt & known], return_counts=True)
        contexts, first = np.unique(grams >> BITS, return_index=True)
        totals = np.add.reduceat(counts, first) if len(first) else counts
        kinds = np.diff(np.append(first, len(grams)))
        return grams, counts, contexts, totals, kinds


def _streams(windows: Windows) -> tuple[I64, npt.NDArray[np.bool_]]:
    """(n, n_ctx + 1) tokens, the last one known from its target only, and which are learnt."""
    last = np.where(windows.targets[:, -1:] == NO_LOSS, 0, windows.targets[:, -1:])
    stream = np.concatenate([windows.ids, last], axis=1).astype(np.int64)
    learnt = np.zeros(stream.shape, bool)
    learnt[:, 1:] = windows.targets != NO_LOSS
    return stream, learnt


def _keys(stream: I64, n: int) -> tuple[I64, npt.NDArray[np.bool_]]:
    """The n tokens that end at each place as one number; False where fewer than n precede."""
    keys = np.zeros_like(stream)
    for back in range(n):
        keys[:, back:] |= stream[:, : stream.shape[1] - back] << (BITS * back)
    known = np.broadcast_to(np.arange(stream.shape[1]) >= n - 1, stream.shape)
    return keys, known


def _lookup(sorted_keys: I64, values: I64, wanted: I64) -> I64:
    """values where the key is found, else 0."""
    if not len(sorted_keys):
        return np.zeros_like(wanted)
    at = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
    return np.where(sorted_keys[at] == wanted, values[at], 0)
