"""The llama forward pass in float64, from the formulas: no batches, no order of sums.

What the contract rounds on purpose is rounded here too: activations for quantised weights to int8
blocks, keys and values to halves.
"""

import numpy as np
import numpy.typing as npt

from tests.kernel.nn.tiny_model import Matrix, Shape

Array = npt.NDArray[np.float64]


BLOCK = {"Q8_0": 32, "Q4_0": 32, "Q4_K": 256, "Q6_K": 256}


def matmul(x: Array, w: Matrix) -> Array:
    """x: (position, n_cols)."""
    if w.type in BLOCK:
        blocks = x.reshape(len(x), -1, BLOCK[w.type])
        d = np.abs(blocks).max(axis=-1, keepdims=True) / 127
        x = (np.rint(blocks / d) * d).reshape(x.shape)
    product: Array = x @ w.values.T
    return product


def rms(x: Array, weight: Array, eps: float) -> Array:
    normed: Array = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * weight
    return normed


def rotate(x: Array, shape: Shape) -> Array:
    """x: (position, head, head_size)."""
    i = np.arange(shape.n_rot // 2)
    angle = np.arange(len(x))[:, None] * shape.rope_base ** (-2.0 * i / shape.n_rot)
    pairs = x[..., 0 : shape.n_rot : 2] + 1j * x[..., 1 : shape.n_rot : 2]
    turned = pairs * np.exp(1j * angle)[:, None, :]
    out = x.copy()
    out[..., 0 : shape.n_rot : 2], out[..., 1 : shape.n_rot : 2] = turned.real, turned.imag
    return out


def stored(x: Array, shape: Shape) -> Array:
    """As the cache holds it; x: (position, head, head_size)."""
    if shape.kv_type == "q8_0":
        blocks = [stored_block(x[..., i : i + 32]) for i in range(0, x.shape[-1], 32)]
        return np.concatenate(blocks, axis=-1)
    return x.astype(np.float16 if shape.kv_type == "f16" else np.float32).astype(np.float64)


def stored_block(x: Array) -> Array:
    """Up to 32 elements of a head as int8 times a half."""
    d = np.abs(x).max(axis=-1, keepdims=True) / 127
    rounded: Array = np.rint(x / d) * d.astype(np.float16)
    return rounded


def attend(q: Array, k: Array, v: Array, shape: Shape) -> Array:
    """Causal attention; q, k, v: (position, head, head_size)."""
    group = shape.n_head // shape.n_head_kv
    k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
    scores = np.einsum("phd,thd->hpt", q, k) / np.sqrt(shape.head_size)
    scores = np.where(np.tril(np.ones(scores.shape[1:], bool)), scores, -np.inf)
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    out: Array = np.einsum("hpt,thd->phd", p, v).reshape(len(q), -1)
    return out


def forward(shape: Shape, tensors: dict[str, Matrix], ids: list[int]) -> Array:
    """Logits after each token, (len(ids), n_vocab)."""
    x = tensors["token_embd"].values[ids]
    for layer in range(shape.n_layer):

        def w(name: str, layer: int = layer) -> Matrix:
            return tensors[f"blk.{layer}.{name}"]

        h = rms(x, w("attn_norm").values[0], shape.rms_eps)
        q, k, v = (
            matmul(h, w(f"attn_{name}")).reshape(len(ids), -1, shape.head_size) for name in "qkv"
        )
        att = attend(rotate(q, shape), stored(rotate(k, shape), shape), stored(v, shape), shape)
        x = x + matmul(att, w("attn_output"))
        h = rms(x, w("ffn_norm").values[0], shape.rms_eps)
        gate = matmul(h, w("ffn_gate"))
        x = x + matmul(gate / (1 + np.exp(-gate)) * matmul(h, w("ffn_up")), w("ffn_down"))
    h = rms(x, tensors["output_norm"].values[0], shape.rms_eps)
    return matmul(h, tensors["output"])
