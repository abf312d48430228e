"""Texts to vectors in float64 from dequantised weights: the judge of correctness of embeddings."""

from collections.abc import Sequence

import numpy as np

from harness.errors import ReferenceModelError
from harness.reference.float_model import FloatReference, apply_gelu, rotate_float
from harness.reference.fma import F64

_QUERY_BLOCK = 64  # queries at once: bounds the memory of the scores


class FloatEncoder(FloatReference):
    """float64; a text is computed by itself, all of it at once."""

    def embed(self, ids: Sequence[int], pooling: str | None = None) -> F64:
        """The text's vector (n_embd,), not normalised. pooling None: the file's own."""
        kind = pooling or self.rules.pooling
        if not kind:
            raise ReferenceModelError("the model names no pooling", hint="mean, cls or last")
        pooled = pool_tokens(self.tokens(ids), kind)
        for name in ("dense_2", "dense_3"):
            if name + ".weight" in self._model.tensors:
                pooled = self._dot(name, pooled)
        return pooled

    def tokens(self, ids: Sequence[int]) -> F64:
        """The vectors that pooling sees, (tokens, n_embd)."""
        bert = self._model.architecture == "bert"
        x = np.concatenate([self._rows("token_embd.weight", i, 1) for i in ids])
        x = x * self.rules.embedding_scale
        if bert:
            x = x + self._rows("token_types.weight", 0, 1)
            x = x + self._rows("position_embd.weight", 0, len(ids))
            x = self._layer_norm(x, "token_embd_norm")
        for layer in range(self.hyper.n_layer):
            x = self._bert_layer(x, layer) if bert else self._rms_layer(x, layer)
        return x if bert else self._norm(x, "output_norm")

    def _rms_layer(self, x: F64, layer: int) -> F64:
        branch = self._around(self._norm(x, f"blk.{layer}.attn_norm"), layer)
        x = x + self._ended(branch, layer, "post_attention_norm")
        return x + self._ended(self._feed_forward(x, layer), layer, "post_ffw_norm")

    def _bert_layer(self, x: F64, layer: int) -> F64:
        blk = f"blk.{layer}."
        x = self._layer_norm(x + self._around(x, layer), blk + "attn_output_norm")
        inner = apply_gelu(self._dot(blk + "ffn_up", x))
        return self._layer_norm(x + self._dot(blk + "ffn_down", inner), blk + "layer_output_norm")

    def _around(self, x: F64, layer: int) -> F64:
        """Attention of all tokens to those within reach on either side, then the output matrix."""
        h, blk, n = self.hyper, f"blk.{layer}.", len(x)
        q, k, v = (self._dot(blk + f"attn_{name}", x).reshape(n, -1, h.head_size) for name in "qkv")
        if blk + "attn_q_norm.weight" in self._model.tensors:
            q, k = self._norm(q, blk + "attn_q_norm"), self._norm(k, blk + "attn_k_norm")
        if self._model.architecture != "bert":
            local = self.rules.windows and self.rules.windows[layer]
            rope = self.local_rope if local else self.rope
            q, k = rotate_float(q, 0, rope), rotate_float(k, 0, rope)
        group = np.arange(h.n_head) // (h.n_head // h.n_head_kv)
        keys, values = k[:, group], v[:, group]
        reach, out = self.rules.reaches[layer], np.empty_like(q)
        for i in range(0, n, _QUERY_BLOCK):
            scores = np.einsum("qhd,khd->hqk", q[i : i + _QUERY_BLOCK], keys)
            scores = scores * self.rules.attention_scale
            here = np.arange(i, min(i + _QUERY_BLOCK, n))
            behind = here[:, None] - np.arange(n)
            scores[:, np.abs(behind) > reach] = -np.inf
            if self.rules.causal:
                scores[:, behind < 0] = -np.inf
            weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
            weights /= weights.sum(axis=-1, keepdims=True)
            out[i : i + _QUERY_BLOCK] = np.einsum("hqk,khd->qhd", weights, values)
        return self._dot(blk + "attn_output", out.reshape(n, -1))

    def _layer_norm(self, x: F64, name: str) -> F64:
        d = x - x.mean(axis=-1, keepdims=True)
        d = d / np.sqrt(np.mean(d * d, axis=-1, keepdims=True) + self.hyper.rms_eps)
        out: F64 = d * self._model.vector(name + ".weight") + self._model.vector(name + ".bias")
        return out


def pool_tokens(x: F64, kind: str) -> F64:
    """One vector of those of all tokens."""
    pooled: F64 = {"mean": x.mean(axis=0), "cls": x[0], "last": x[-1]}[kind]
    return pooled


def unit(x: F64) -> F64:
    """The vector of length 1 in its direction; zeros stay zeros."""
    length = np.sqrt(np.sum(x * x, axis=-1, keepdims=True))
    return np.asarray(np.divide(x, length, out=np.zeros_like(x), where=length > 0), np.float64)
