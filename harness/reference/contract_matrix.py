"""Matrix times activations by the contract: exact integers inside a block, one fma chain between.

Weights are prepared in chunks of rows; a small model keeps all its chunks, a large one reads
them from the file for each use, so that memory stays bounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from harness.gguf import Model
from harness.gguf.types import GGMLType
from harness.reference.contract_ops import Activation, sequential_dot
from harness.reference.fma import F32, F64, fma, fma_into, widen
from harness.reference.unpack import PLAIN, U8, dequantize_rows, unpack_blocks

# An integer sum that stays below 2^24 is exact in float32 in any order, so BLAS may do it. The
# longest sums: Q4_K 63 * 15 * 127 * 128 = 15,361,920; Q5_K 63 * 31 * 127 * 64 = 15,873,984;
# Q6_K 128 * 32 * 127 * 32 = 16,646,144; IQ4_XS 32 * 127 * 127 * 32 = 16,516,096;
# Q3_K 32 * 4 * 127 * 256 = 4,161,536. Blocks of 32 are far below.
_SEGMENT = {
    GGMLType.Q2_K: 256,
    GGMLType.Q3_K: 256,
    GGMLType.Q4_K: 128,
    GGMLType.Q5_K: 64,
    GGMLType.Q6_K: 32,
    GGMLType.IQ4_XS: 32,
}
_CHUNK_WEIGHTS = 1 << 22
_STEP_VALUES = 1 << 15  # accumulators advanced at once: they and their temporaries fit the L2 cache


class Chunk(Protocol):
    """Some rows of a matrix, ready to multiply."""

    def dot(self, x: Activation) -> F32:
        """(tokens, rows of this chunk)."""
        ...


@dataclass(frozen=True)
class PlainChunk:
    """F32, F16, BF16 rows: the sequential sum over k."""

    columns: F64  # (k, rows)

    def dot(self, x: Activation) -> F32:
        """acc = fma(w[k], x[k], acc), k ascending."""
        step = max(1, _STEP_VALUES // len(x.x))
        n_rows = self.columns.shape[1]
        parts = [
            sequential_dot(self.columns[:, i : i + step], x.wide) for i in range(0, n_rows, step)
        ]
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class BlockChunk:
    """Quantised rows; `weights` are scale * q, integers, in segments short enough to be exact."""

    type: GGMLType
    weights: F32  # (segments, rows, segment size)
    d: F32  # (blocks, rows)
    dmin: F32 | None  # (blocks, rows)
    minimum: F64 | None  # (blocks, rows, sub-blocks), integers

    def dot(self, x: Activation) -> F32:
        """Per block f = d * A - dmin * M, then acc = fma(f, d_act, acc), blocks ascending.

        Blocks of 32 without mins: acc = fma(A, d * d_act, acc).
        """
        act = x.q8_k if self.type.block_size == 256 else x.q8_0
        n_tokens, n_blocks = act.d.shape
        n_segments, n_rows, size = self.weights.shape
        q = act.q.reshape(n_tokens, n_segments, size).transpose(1, 2, 0)
        dots = np.matmul(self.weights, q)  # (segments, rows, tokens)
        per_block = dots.reshape(n_blocks, n_segments // n_blocks, n_rows, n_tokens)
        a = per_block.sum(axis=1, dtype=np.float64).astype(
            np.float32
        )  # int32 to float32: one rounding
        acc = np.zeros((n_rows, n_tokens))
        d_act = np.ascontiguousarray(act.d.T)[:, None, :]  # (blocks, 1, tokens)
        if self.type.block_size == 32 and self.minimum is None:
            for b in range(n_blocks):
                fma_into(acc, widen(a[b]), widen(self.d[b, :, None] * d_act[b]))
            return np.ascontiguousarray(acc.T, np.float32)
        if self.minimum is not None:
            sub_blocks = (n_tokens, n_blocks, self.minimum.shape[-1], -1)
            sums = act.q.astype(np.float64).reshape(sub_blocks).sum(axis=-1)
            m = np.matmul(self.minimum, sums.transpose(1, 2, 0)).astype(np.float32)
        for b in range(n_blocks):
            f = self.d[b, :, None] * a[b]
            if self.minimum is not None and self.dmin is not None:
                f = fma(-self.dmin[b, :, None], m[b], f)
            fma_into(acc, widen(f), widen(d_act[b]))
        return np.ascontiguousarray(acc.T, np.float32)


class Matrix:
    """One 2-D tensor of the model as the contract multiplies it."""

    def __init__(self, model: Model, name: str, *, keep: bool) -> None:
        self._model = model
        self._name = name
        self._tensor = model.tensor(name)
        self._kept: list[Chunk] | None = list(self._chunks()) if keep else None

    def dot(self, x: Activation) -> F32:
        """(tokens, rows) = x W^T."""
        chunks = self._chunks() if self._kept is None else self._kept
        return np.concatenate([chunk.dot(x) for chunk in chunks], axis=1)

    def rows(self, ids: list[int]) -> F32:
        """Single rows in ggml's dequantisation, float32, for the embedding."""
        raw = [self._model.read_rows(self._name, i, 1) for i in ids]
        return dequantize_rows(self._tensor.type, np.concatenate(raw))

    def _chunks(self) -> Iterator[Chunk]:
        tensor = self._tensor
        step = max(1, _CHUNK_WEIGHTS // tensor.n_cols)
        for first in range(0, tensor.n_rows, step):
            n = min(step, tensor.n_rows - first)
            yield prepare_chunk(tensor.type, self._model.read_rows(self._name, first, n))


def prepare_chunk(type_: GGMLType, rows: U8) -> Chunk:
    """Rows as the file holds them, uint8 (n, row_bytes), made ready to multiply."""
    if type_ in PLAIN:
        return PlainChunk(widen(dequantize_rows(type_, rows).T))
    blocks = unpack_blocks(type_, rows)
    q = blocks.q if blocks.scale is None else blocks.q * blocks.scale[..., None]
    weights = (
        q.astype(np.float32).reshape(len(rows), -1, _SEGMENT.get(type_, 32)).transpose(1, 0, 2)
    )
    dmin, minimum = blocks.dmin, blocks.minimum
    return BlockChunk(
        type_,
        np.ascontiguousarray(weights),
        np.ascontiguousarray(blocks.d.T),
        None if dmin is None else np.ascontiguousarray(dmin.T),
        None if minimum is None else widen(minimum.transpose(1, 0, 2)),
    )
