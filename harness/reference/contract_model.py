"""The transformer in the contract of numbers: what the kernel must answer, bit for bit."""

from collections.abc import Sequence

import numpy as np

from harness.errors import ReferenceModelError
from harness.gguf import Model
from harness.reference.architecture import local_rope_of, rope_of, rules_of
from harness.reference.contract_matrix import Matrix
from harness.reference.contract_ops import (
    Activation,
    attention,
    gelu,
    rmsnorm,
    rope_table,
    rotate,
    silu,
    softcap,
    to_kv_type,
)
from harness.reference.fma import F32
from harness.reference.kv_cache import KvCache

KV_TYPES = ("f16", "f32", "q8_0")
_KEEP_BYTES = 1 << 30  # a model whose prepared weights fit into this is prepared once
_PREPARED_BYTES = 8  # per weight, at most (float64 columns of unquantised rows)


class ContractReference:
    """float32 with the contract's orders and roundings; keeps its KV cache between calls."""

    def __init__(
        self,
        model: Model,
        kv_type: str = "f16",
        *,
        n_ctx: int | None = None,
        keep_bytes: int = _KEEP_BYTES,
    ) -> None:
        if kv_type not in KV_TYPES:
            raise ReferenceModelError(f"KV type {kv_type!r}, wanted one of {', '.join(KV_TYPES)}")
        self.hyper = model.hyper
        self.n_vocab = len(model.vocabulary.tokens)
        self.kv_type = kv_type
        self._rules, self._rope = rules_of(model), rope_of(model, n_ctx)
        self._local_rope = local_rope_of(model, self._rope)
        n_weights = sum(t.n_cols * t.n_rows for t in model.tensors.values())
        keep = n_weights * _PREPARED_BYTES <= keep_bytes
        self._vectors: dict[str, F32] = {}
        self._matrices: dict[str, Matrix] = {}
        for name, tensor in model.tensors.items():
            if len(tensor.shape) == 1:
                self._vectors[name] = model.vector(name)
            else:
                self._matrices[name] = Matrix(model, name, keep=keep)
        self._cache = KvCache(self.hyper, np.float32)

    def forward(self, ids: Sequence[int], pos: int, *, last: int | None = None) -> F32:
        """Logits (rows, n_vocab_rows) of the last `last` tokens (all of them when None).

        The tokens take positions pos..; whatever the cache holds from pos on is forgotten.
        """
        h = self.hyper
        self._cache.rewind(pos)
        positions, rules = range(pos, pos + len(ids)), self._rules
        tables = [rope_table(positions, rope) for rope in (self._rope, self._local_rope)]
        x = self._matrices["token_embd.weight"].rows(list(ids))
        x = x * np.float32(rules.embedding_scale)
        for layer in range(h.n_layer):
            x = self._add(x, self._attention(x, layer, pos, tables), layer, "post_attention_norm")
            if last is not None and layer == h.n_layer - 1:
                x = x[len(x) - last :]
            x = self._add(x, self._feed_forward(x, layer), layer, "post_ffw_norm")
        name = "output.weight" if "output.weight" in self._matrices else "token_embd.weight"
        logits = self._matrices[name].dot(Activation(self._norm(x, "output_norm")))
        logits = logits * np.float32(1.0 / rules.logit_divisor)
        return softcap(logits, rules.logit_cap) if rules.logit_cap else logits

    def _attention(self, x: F32, layer: int, pos: int, tables: list[tuple[F32, F32]]) -> F32:
        h, blk, n = self.hyper, f"blk.{layer}.", len(x)
        window = self._rules.windows[layer] if self._rules.windows else 0
        cos, sin = tables[1 if window else 0]
        normed = Activation(self._norm(x, blk + "attn_norm"))
        qkv = self._several(blk, normed, ("attn_q", "attn_k", "attn_v"), "attn_qkv")
        joined = np.concatenate(qkv, axis=1).reshape(n, -1, h.head_size)
        q, k, v = np.split(joined, [h.n_head, h.n_head + h.n_head_kv], axis=1)
        if blk + "attn_q_norm.weight" in self._vectors:
            q, k = self._norm(q, blk + "attn_q_norm"), self._norm(k, blk + "attn_k_norm")
        q = rotate(q, cos, sin, halves=self._rope.halves)
        q = q * np.float32(self._rules.attention_scale)
        k = rotate(k, cos, sin, halves=self._rope.halves)
        self._cache.append(layer, pos, to_kv_type(k, self.kv_type), to_kv_type(v, self.kv_type))
        keys, values = self._cache.view(layer, pos + n)
        cap = self._rules.attention_cap
        att = attention(q, keys, values, pos, window=window, cap=cap)
        return self._linear(blk + "attn_output", Activation(att.reshape(n, -1)))

    def _feed_forward(self, x: F32, layer: int) -> F32:
        blk = f"blk.{layer}."
        normed = Activation(self._norm(x, blk + "ffn_norm"))
        both = self._several(blk, normed, ("ffn_gate", "ffn_up"), "ffn_up")
        gate, up = np.split(np.concatenate(both, axis=1), 2, axis=1)
        return self._linear(blk + "ffn_down", Activation(self._act(gate) * up))

    def _act(self, x: F32) -> F32:
        return gelu(x) if self._rules.gelu else silu(x)

    def _several(self, blk: str, x: Activation, names: tuple[str, ...], joined: str) -> list[F32]:
        """Products by these matrices, or by the one whose rows are all of theirs."""
        apart = blk + names[0] + ".weight" in self._matrices
        return [self._linear(blk + name, x) for name in (names if apart else (joined,))]

    def _add(self, x: F32, branch: F32, layer: int, norm: str) -> F32:
        name = f"blk.{layer}.{norm}"
        if name + ".weight" in self._vectors:
            branch = self._norm(branch, name)
        return x + branch * np.float32(self._rules.residual_scale)

    def _norm(self, x: F32, name: str) -> F32:
        return rmsnorm(x, self._vectors[name + ".weight"], self.hyper.rms_eps)

    def _linear(self, name: str, x: Activation) -> F32:
        """W x, and the bias where the model has one."""
        out = self._matrices[name + ".weight"].dot(x)
        bias = self._vectors.get(name + ".bias")
        return out if bias is None else out + bias
