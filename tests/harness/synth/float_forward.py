"""A small forward pass in float32 on the official package's dequantised weights: a witness."""

import gguf
import numpy as np
import numpy.typing as npt

from harness.gguf import Model

Array = npt.NDArray[np.float32]


class FloatForward:
    """Feeds one token at a time and keeps keys and values; formulas of any llama description."""

    def __init__(self, model: Model) -> None:
        self.hyper = model.hyper
        self.weights = {name: dequantised(model, name) for name, tensor in model.tensors.items()}
        self.keys: list[list[Array]] = [[] for _ in range(model.hyper.n_layer)]
        self.values: list[list[Array]] = [[] for _ in range(model.hyper.n_layer)]

    def greedy(self, prompt: list[int], n: int) -> tuple[list[int], Array]:
        """The n most likely tokens after the prompt, and the logits that chose each."""
        logits = [self.step(token) for token in prompt][-1:]
        ids = [int(logits[0].argmax())]
        while len(ids) < n:
            logits.append(self.step(ids[-1]))
            ids.append(int(logits[-1].argmax()))
        return ids, np.array(logits)

    def step(self, token: int) -> Array:
        """Logits after one more token."""
        hyper, w = self.hyper, self.weights
        x = w["token_embd.weight"][token]
        for i in range(hyper.n_layer):
            layer = {k: w[f"blk.{i}.{k}.weight"] for k in LAYER}
            h = self._norm(x, layer["attn_norm"])
            x = x + layer["attn_output"] @ self._attention(i, h, layer)
            h = self._norm(x, layer["ffn_norm"])
            gate = layer["ffn_gate"] @ h
            x = x + layer["ffn_down"] @ (gate / (1 + np.exp(-gate)) * (layer["ffn_up"] @ h))
        output = w.get("output.weight", w["token_embd.weight"])
        logits: Array = output @ self._norm(x, w["output_norm.weight"])
        return logits

    def _attention(self, i: int, h: Array, layer: dict[str, Array]) -> Array:
        hyper, position = self.hyper, len(self.keys[i])
        q = self._rope((layer["attn_q"] @ h).reshape(hyper.n_head, -1), position)
        k = self._rope((layer["attn_k"] @ h).reshape(hyper.n_head_kv, -1), position)
        self.keys[i].append(k)
        self.values[i].append((layer["attn_v"] @ h).reshape(hyper.n_head_kv, -1))
        group = hyper.n_head // hyper.n_head_kv
        keys = np.repeat(np.array(self.keys[i]), group, axis=1)
        values = np.repeat(np.array(self.values[i]), group, axis=1)
        scores = np.einsum("hd,thd->ht", q, keys) / np.float32(np.sqrt(hyper.head_size))
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        out: Array = np.einsum("ht,thd->hd", p, values).reshape(-1)
        return out

    def _norm(self, x: Array, weight: Array) -> Array:
        out: Array = x / np.sqrt(np.mean(x * x) + np.float32(self.hyper.rms_eps)) * weight
        return out

    def _rope(self, x: Array, position: int) -> Array:
        n = self.hyper.n_rot
        theta = position * self.hyper.rope_freq_base ** (-np.arange(0, n, 2) / n)
        a, b = x[:, 0::2], x[:, 1::2]
        c, s = np.cos(theta).astype(np.float32), np.sin(theta).astype(np.float32)
        return np.stack((a * c - b * s, a * s + b * c), axis=-1).reshape(x.shape)


LAYER = (
    "attn_norm",
    "attn_q",
    "attn_k",
    "attn_v",
    "attn_output",
    "ffn_norm",
    "ffn_gate",
    "ffn_up",
    "ffn_down",
)


def dequantised(model: Model, name: str) -> Array:
    """All weights of a tensor, out of the official package: (n_out, n_in) or (n,)."""
    tensor = model.tensor(name)
    rows = model.read_rows(name, 0, tensor.n_rows)
    values = gguf.quants.dequantize(rows, gguf.GGMLQuantizationType(tensor.type))
    matrix: Array = values.astype(np.float32, copy=False).reshape(tensor.shape[::-1])
    return matrix
