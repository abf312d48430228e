"""Texts to vectors in the contract of numbers: what the kernel must answer, bit for bit."""

from collections.abc import Sequence

import numpy as np

from harness.errors import ReferenceModelError
from harness.reference.contract_model import ContractReference
from harness.reference.contract_ops import (
    CHUNK,
    Activation,
    exp_f32,
    gelu,
    layernorm,
    rope_table,
    rotate,
    vec_dot,
)
from harness.reference.fma import F32, fma_into, widen


class ContractEncoder(ContractReference):
    """float32 with the contract's orders and roundings; keys and values are not rounded."""

    def embed(self, ids: Sequence[int], pooling: str | None = None) -> tuple[F32, np.float32]:
        """The text's vector of length 1, and the length that it had."""
        kind = pooling or self._rules.pooling
        if not kind:
            raise ReferenceModelError("the model names no pooling", hint="mean, cls or last")
        pooled = _pool(self._tokens(ids), kind)
        for name in ("dense_2.weight", "dense_3.weight"):
            if name in self._matrices:
                pooled = self._matrices[name].dot(Activation(pooled[None]))[0]
        length = np.sqrt(vec_dot(pooled, pooled)).astype(np.float32)
        scale = np.float32(1) / length if length > 0 else np.float32(0)
        return pooled * scale, np.float32(length)

    def _tokens(self, ids: Sequence[int]) -> F32:
        bert = "token_types.weight" in self._matrices
        x = self._matrices["token_embd.weight"].rows(list(ids))
        x = x * np.float32(self._rules.embedding_scale)
        if bert:
            x = x + self._matrices["token_types.weight"].rows([0])
            x = x + self._matrices["position_embd.weight"].rows(list(range(len(ids))))
            x = self._layer_norm(x, "token_embd_norm")
        for layer in range(self.hyper.n_layer):
            blk = f"blk.{layer}."
            if bert:
                x = x + self._around(x, layer)
                x = self._layer_norm(x, blk + "attn_output_norm")
                inner = gelu(self._linear(blk + "ffn_up", Activation(x)))
                x = x + self._linear(blk + "ffn_down", Activation(inner))
                x = self._layer_norm(x, blk + "layer_output_norm")
                continue
            branch = self._around(self._norm(x, blk + "attn_norm"), layer)
            x = self._add(x, branch, layer, "post_attention_norm")
            x = self._add(x, self._feed_forward(x, layer), layer, "post_ffw_norm")
        return x if bert else self._norm(x, "output_norm")

    def _around(self, x: F32, layer: int) -> F32:
        h, blk, n = self.hyper, f"blk.{layer}.", len(x)
        normed = Activation(x)
        q, k, v = (
            self._linear(blk + f"attn_{name}", normed).reshape(n, -1, h.head_size) for name in "qkv"
        )
        if blk + "attn_q_norm.weight" in self._vectors:
            q, k = self._norm(q, blk + "attn_q_norm"), self._norm(k, blk + "attn_k_norm")
        if h.n_rot:
            local = self._rules.windows and self._rules.windows[layer]
            rope = self._local_rope if local else self._rope
            cos, sin = rope_table(range(n), rope)
            q = rotate(q, cos, sin, halves=rope.halves)
            k = rotate(k, cos, sin, halves=rope.halves)
        q = q * np.float32(self._rules.attention_scale)
        att = attention_around(q, k, v, self._rules.reaches[layer], causal=self._rules.causal)
        return self._linear(blk + "attn_output", Activation(att.reshape(n, -1)))

    def _layer_norm(self, x: F32, name: str) -> F32:
        weight, bias = (self._vectors[f"{name}.{kind}"] for kind in ("weight", "bias"))
        return layernorm(x, weight, bias, self.hyper.rms_eps)


def attention_around(q: F32, k: F32, v: F32, reach: float, *, causal: bool = False) -> F32:
    """An online softmax over chunks of 64 positions, of keys at most `reach` away on either side;
    causal: on that of earlier tokens.

    q: (tokens, n_head, head_size), scaled; k, v: (tokens, n_head_kv, head_size).
    """
    n, n_head, head_size = q.shape
    heads = (n, k.shape[1], n_head // k.shape[1])
    q64 = widen(q).reshape(*heads, head_size)
    k64, v64 = widen(k), widen(v)
    m = np.full(heads, -np.inf, np.float32)
    lanes, o = np.zeros((*heads, 4), np.float32), np.zeros((*heads, head_size))
    for start in range(0, n, CHUNK):
        at = np.arange(start, min(start + CHUNK, n))
        behind = np.arange(n)[:, None] - at
        seen = (np.abs(behind) <= reach) & ((behind >= 0) | (not causal))
        rows = np.flatnonzero(seen.any(axis=1))  # tokens that see a key of this chunk
        some = seen[rows][:, None, None]
        scores = np.zeros((len(rows), *heads[1:], len(at)))
        for d in range(head_size):
            keys = np.moveaxis(k64[at, :, d], 0, -1)[None, :, None]
            fma_into(scores, q64[rows][..., d, None], keys)
        s = np.where(some, scores.astype(np.float32), np.float32(-np.inf))
        new_m = np.maximum(m[rows], s.max(axis=-1))
        a = exp_f32(m[rows] - new_m)  # exactly 1 where the maximum stays
        p = np.where(some, exp_f32(s - new_m[..., None]), np.float32(0))
        lane, out = lanes[rows] * a[..., None], o[rows].astype(np.float32) * a[..., None]
        total = out.astype(np.float64)
        for i in range(len(at)):
            lane[..., i % 4] += p[..., i]  # 0 changes nothing: no lane is -0
            fma_into(total, widen(p[..., i, None]), v64[at[i]][None, :, None])
        m[rows], lanes[rows], o[rows] = new_m, lane, total
    inverse = np.float32(1) / ((lanes[..., 0] + lanes[..., 1]) + (lanes[..., 2] + lanes[..., 3]))
    result: F32 = o.astype(np.float32) * inverse[..., None]
    return result.reshape(q.shape)


def _pool(x: F32, kind: str) -> F32:
    pooled: F32 = x[-1] if kind == "last" else x[0]
    if kind == "mean":
        for row in x[1:]:
            pooled = pooled + row
        pooled = pooled * (np.float32(1) / np.float32(len(x)))
    return pooled
