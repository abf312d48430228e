"""The transformer in float64 from dequantised weights: the judge of correctness.

Weights come from the official `gguf` package, so that a fault in our unpacking or packing cannot
hide; everything else is the textbook formula, without any rounding of activations or KV cache.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import dequantize

from harness.gguf import Model
from harness.reference.fma import F64
from harness.reference.kv_cache import KvCache

_KEEP_BYTES = 1 << 30  # a model that fits into this as float64 is expanded once
_CHUNK_WEIGHTS = 1 << 22
_QUERY_BLOCK = 64  # queries at once: bounds the memory of the scores


class FloatReference:
    """float64 forward pass; keeps its KV cache (float64) between calls."""

    def __init__(self, model: Model, *, keep_bytes: int = _KEEP_BYTES) -> None:
        self.hyper = model.hyper
        self.n_vocab = len(model.vocabulary.tokens)
        self._model = model
        n_weights = sum(t.n_cols * t.n_rows for t in model.tensors.values())
        self._keep = 8 * n_weights <= keep_bytes
        self._kept: dict[str, list[F64]] = {}
        self._cache = KvCache(self.hyper, np.float64)

    def forward(self, ids: Sequence[int], pos: int, *, last: int | None = None) -> F64:
        """Logits (rows, n_vocab_rows) of the last `last` tokens (all of them when None).

        The tokens take positions pos..; whatever the cache holds from pos on is forgotten.
        """
        self._cache.rewind(pos)
        x = np.concatenate([self._rows("token_embd.weight", i, 1) for i in ids])
        for layer in range(self.hyper.n_layer):
            x = self._attend(x, layer, pos)
            if last is not None and layer == self.hyper.n_layer - 1:
                x = x[len(x) - last :]
            x = self._feed_forward(x, layer)
        tied = "output.weight" not in self._model.tensors
        return self._dot(
            "token_embd.weight" if tied else "output.weight", self._norm(x, "output_norm")
        )

    def _attend(self, x: F64, layer: int, pos: int) -> F64:
        h, blk, n = self.hyper, f"blk.{layer}.", len(x)
        normed = self._norm(x, blk + "attn_norm")
        q = self._dot(blk + "attn_q.weight", normed).reshape(n, h.n_head, h.head_size)
        k = self._dot(blk + "attn_k.weight", normed).reshape(n, h.n_head_kv, h.head_size)
        v = self._dot(blk + "attn_v.weight", normed).reshape(n, h.n_head_kv, h.head_size)
        q, k = self._rope(q, pos), self._rope(k, pos)
        self._cache.append(layer, pos, k, v)
        keys, values = self._cache.view(layer, pos + n)
        group = np.arange(h.n_head) // (h.n_head // h.n_head_kv)
        blocks = [
            _softmax_attention(q[i : i + _QUERY_BLOCK], keys[group], values[group], pos + i)
            for i in range(0, n, _QUERY_BLOCK)
        ]
        return x + self._dot(blk + "attn_output.weight", np.concatenate(blocks).reshape(n, -1))

    def _feed_forward(self, x: F64, layer: int) -> F64:
        blk = f"blk.{layer}."
        normed = self._norm(x, blk + "ffn_norm")
        gate = self._dot(blk + "ffn_gate.weight", normed)
        up = self._dot(blk + "ffn_up.weight", normed)
        return x + self._dot(blk + "ffn_down.weight", gate / (1.0 + np.exp(-gate)) * up)

    def _norm(self, x: F64, name: str) -> F64:
        rms = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.hyper.rms_eps)
        return np.asarray(x / rms * self._model.vector(name + ".weight"), np.float64)

    def _rope(self, x: F64, pos: int) -> F64:
        """Rotate the pairs (2i, 2i+1) of each head by p * base^(-2i/n_rot)."""
        n_rot = self.hyper.n_rot
        frequency = self.hyper.rope_freq_base ** (-np.arange(0, n_rot, 2) / n_rot)
        theta = np.arange(pos, pos + len(x))[:, None, None] * frequency
        pairs = (x[..., 0:n_rot:2] + 1j * x[..., 1:n_rot:2]) * np.exp(1j * theta)
        out = x.copy()
        out[..., 0:n_rot:2], out[..., 1:n_rot:2] = pairs.real, pairs.imag
        return out

    def _dot(self, name: str, x: F64) -> F64:
        return np.concatenate([x @ chunk.T for chunk in self._chunks(name)], axis=-1)

    def _chunks(self, name: str) -> Iterator[F64]:
        """The matrix in float64, some rows at a time: a large model is expanded on every use."""
        if name in self._kept:
            yield from self._kept[name]
            return
        tensor = self._model.tensor(name)
        step = max(1, _CHUNK_WEIGHTS // tensor.n_cols)
        kept = []
        for first in range(0, tensor.n_rows, step):
            chunk = self._rows(name, first, min(step, tensor.n_rows - first))
            if self._keep:
                kept.append(chunk)
            yield chunk
        if self._keep:
            self._kept[name] = kept

    def _rows(self, name: str, first: int, n: int) -> F64:
        rows = self._model.read_rows(name, first, n)
        type_ = GGMLQuantizationType(int(self._model.tensor(name).type))
        return np.asarray(dequantize(rows, type_), np.float64)


def _softmax_attention(q: F64, keys: F64, values: F64, pos: int) -> F64:
    """q: (tokens, heads, size) at positions pos..; keys, values: (heads, positions, size)."""
    scores = np.matmul(q.transpose(1, 0, 2), keys.transpose(0, 2, 1)) / np.sqrt(q.shape[-1])
    future = np.arange(keys.shape[1]) > np.arange(pos, pos + len(q))[:, None]
    scores[:, future] = -np.inf
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    out: F64 = np.matmul(weights, values).transpose(1, 0, 2)
    return out
