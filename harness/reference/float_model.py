"""The transformer in float64 from dequantised weights: the judge of correctness.

Weights come from the official `gguf` package, so that a fault in our unpacking or packing cannot
hide; everything else is the textbook formula, without any rounding of activations or KV cache.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import dequantize

from harness.gguf import Model
from harness.reference.architecture import Rope, local_rope_of, rope_of, rules_of
from harness.reference.fma import F64
from harness.reference.kv_cache import KvCache

_KEEP_BYTES = 1 << 30  # a model that fits into this as float64 is expanded once
_CHUNK_WEIGHTS = 1 << 22
_QUERY_BLOCK = 64  # queries at once: bounds the memory of the scores


class FloatReference:
    """float64 forward pass; keeps its KV cache (float64) between calls."""

    def __init__(
        self, model: Model, *, n_ctx: int | None = None, keep_bytes: int = _KEEP_BYTES
    ) -> None:
        self.hyper = model.hyper
        self.n_vocab = len(model.vocabulary.tokens)
        self._model = model
        n_weights = sum(t.n_cols * t.n_rows for t in model.tensors.values())
        self._keep = 8 * n_weights <= keep_bytes
        self._kept: dict[str, list[F64]] = {}
        self.rules, self.rope = rules_of(model), rope_of(model, n_ctx)
        self.local_rope = local_rope_of(model, self.rope)
        self._cache = KvCache(self.hyper, np.float64)

    def forward(self, ids: Sequence[int], pos: int, *, last: int | None = None) -> F64:
        """Logits (rows, n_vocab_rows) of the last `last` tokens (all of them when None).

        The tokens take positions pos..; whatever the cache holds from pos on is forgotten.
        """
        self._cache.rewind(pos)
        rules = self.rules
        x = np.concatenate([self._rows("token_embd.weight", i, 1) for i in ids])
        x = x * rules.embedding_scale
        for layer in range(self.hyper.n_layer):
            branch = self._attention(x, layer, pos)
            x = x + rules.residual_scale * self._ended(branch, layer, "post_attention_norm")
            if last is not None and layer == self.hyper.n_layer - 1:
                x = x[len(x) - last :]
            branch = self._feed_forward(x, layer)
            x = x + rules.residual_scale * self._ended(branch, layer, "post_ffw_norm")
        tied = "output.weight" not in self._model.tensors
        logits = self._dot("token_embd" if tied else "output", self._norm(x, "output_norm"))
        logits = np.asarray(logits / rules.logit_divisor, np.float64)
        return _capped(logits, rules.logit_cap)

    def _ended(self, branch: F64, layer: int, norm: str) -> F64:
        name = f"blk.{layer}.{norm}"
        return self._norm(branch, name) if name + ".weight" in self._model.tensors else branch

    def _attention(self, x: F64, layer: int, pos: int) -> F64:
        h, blk, n = self.hyper, f"blk.{layer}.", len(x)
        normed = self._norm(x, blk + "attn_norm")
        if blk + "attn_qkv.weight" in self._model.tensors:
            qkv = self._dot(blk + "attn_qkv", normed)
        else:
            qkv = np.hstack([self._dot(blk + f"attn_{name}", normed) for name in "qkv"])
        q, k, v = np.split(
            qkv.reshape(n, -1, h.head_size), [h.n_head, h.n_head + h.n_head_kv], axis=1
        )
        if blk + "attn_q_norm.weight" in self._model.tensors:
            q, k = self._norm(q, blk + "attn_q_norm"), self._norm(k, blk + "attn_k_norm")
        rules = self.rules
        window = rules.windows[layer] if rules.windows else 0
        rope = self.local_rope if window else self.rope
        q = rotate_float(q, pos, rope) * rules.attention_scale
        k = rotate_float(k, pos, rope)
        self._cache.append(layer, pos, k, v)
        keys, values = self._cache.view(layer, pos + n)
        group = np.arange(h.n_head) // (h.n_head // h.n_head_kv)
        blocks = [
            _softmax_attention(
                q[i : i + _QUERY_BLOCK],
                keys[group],
                values[group],
                pos + i,
                window=window,
                cap=rules.attention_cap,
            )
            for i in range(0, n, _QUERY_BLOCK)
        ]
        return self._dot(blk + "attn_output", np.concatenate(blocks).reshape(n, -1))

    def _feed_forward(self, x: F64, layer: int) -> F64:
        blk = f"blk.{layer}."
        normed = self._norm(x, blk + "ffn_norm")
        up = self._dot(blk + "ffn_up", normed)
        if blk + "ffn_gate.weight" in self._model.tensors:
            gate = self._dot(blk + "ffn_gate", normed)
        else:
            gate, up = np.split(up, 2, axis=1)
        return self._dot(
            blk + "ffn_down", (apply_gelu(gate) if self.rules.gelu else _silu(gate)) * up
        )

    def _norm(self, x: F64, name: str) -> F64:
        rms = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.hyper.rms_eps)
        return np.asarray(x / rms * self._model.vector(name + ".weight"), np.float64)

    def _dot(self, name: str, x: F64) -> F64:
        """W x, and the bias where the model has one."""
        out = np.concatenate([x @ chunk.T for chunk in self._chunks(name + ".weight")], axis=-1)
        bias = name + ".bias"
        return out + self._model.vector(bias) if bias in self._model.tensors else out

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


def rotate_float(x: F64, pos: int, rope: Rope) -> F64:
    """Rotate the pairs of each head by p * frequency; beyond n_rot x passes."""
    n = len(rope.frequency)
    theta = np.arange(pos, pos + len(x))[:, None, None] * np.array(rope.frequency)
    first, second = (
        (np.s_[..., :n], np.s_[..., n : 2 * n])
        if rope.halves
        else (np.s_[..., 0 : 2 * n : 2], np.s_[..., 1 : 2 * n : 2])
    )
    pairs = (x[first] + 1j * x[second]) * np.exp(1j * theta) * rope.magnitude
    out = x.copy()
    out[first], out[second] = pairs.real, pairs.imag
    return out


def _silu(x: F64) -> F64:
    return np.asarray(x / (1.0 + np.exp(-x)), np.float64)


def apply_gelu(x: F64) -> F64:
    """tanh's form."""
    inner = np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)
    return np.asarray(0.5 * x * (1.0 + np.tanh(inner)), np.float64)


def _capped(x: F64, cap: float) -> F64:
    return np.asarray(cap * np.tanh(x / cap), np.float64) if cap else x


def _softmax_attention(q: F64, keys: F64, values: F64, pos: int, *, window: int, cap: float) -> F64:
    """q: (tokens, heads, size), scaled, at positions pos..; others: (heads, positions, size)."""
    scores = _capped(np.matmul(q.transpose(1, 0, 2), keys.transpose(0, 2, 1)), cap)
    distance = np.arange(pos, pos + len(q))[:, None] - np.arange(keys.shape[1])
    scores[:, (distance < 0) | (distance >= (window or keys.shape[1]))] = -np.inf
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    out: F64 = np.matmul(weights, values).transpose(1, 0, 2)
    return out
