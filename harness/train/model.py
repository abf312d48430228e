"""The llama architecture as a function of named weights; the names are GGUF's, so are the shapes.

Weights are a plain dict, `blk.0.attn_q.weight` and so on, each matrix stored (n_out, n_in) as a
GGUF stores it. Nothing is permuted between training, export and the kernel.
"""

from collections.abc import Callable
from math import sqrt
from typing import Final

import torch
import torch.nn.functional as F

from harness.gguf import HyperParameters
from harness.gguf.tensors import expected_shapes
from harness.train.packing import NO_LOSS

Weights = dict[str, torch.Tensor]

INIT_STD: Final = 0.02
LOGIT_ROWS: Final = 1024


def shapes_of(hyper: HyperParameters, *, tied: bool) -> dict[str, tuple[int, ...]]:
    """Name -> (n_in, n_out), as GGUF lists it; `output.weight` only when it is not tied."""
    shapes = expected_shapes(hyper)
    if not tied:
        shapes["output.weight"] = shapes["token_embd.weight"]
    return shapes


def init_weights(hyper: HyperParameters, *, tied: bool, seed: int) -> Weights:
    """Normal with GPT-2's deviations: what a layer adds shrinks with the number of layers."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes_of(hyper, tied=tied).items():
        if len(shape) == 1:
            weights[name] = torch.ones(shape)
            continue
        adds = name.endswith(("attn_output.weight", "ffn_down.weight"))
        std = INIT_STD / sqrt(2 * hyper.n_layer) if adds else INIT_STD
        weights[name] = torch.randn(shape[::-1], generator=generator) * std
    return weights


def rope_table(hyper: HyperParameters, n_ctx: int) -> tuple[torch.Tensor, torch.Tensor]:
    """cos and sin of p * base^(-2i/n_rot), (n_ctx, n_rot/2), from float64 angles."""
    exponent = torch.arange(0, hyper.n_rot, 2, dtype=torch.float64) / hyper.n_rot
    theta = torch.arange(n_ctx, dtype=torch.float64)[:, None] * hyper.rope_freq_base**-exponent
    return theta.cos().float(), theta.sin().float()


class Llama:
    """The forward pass over a dict of weights, for windows of up to n_ctx tokens."""

    def __init__(self, hyper: HyperParameters, weights: Weights, n_ctx: int) -> None:
        self.hyper = hyper
        self.weights = weights
        device = weights["token_embd.weight"].device
        cos, sin = rope_table(hyper, n_ctx)
        self._cos, self._sin = cos.to(device), sin.to(device)
        self._run: Callable[[torch.Tensor], torch.Tensor] = self._hidden

    def compile(self) -> None:
        """Fuse what lies between the products: on a CPU it costs more time than they do."""
        self._run = torch.compile(self._hidden, dynamic=False)

    def logits(self, ids: torch.Tensor) -> torch.Tensor:
        """(batch, n) ids -> (batch, n, n_vocab)."""
        return self._output(self._run(ids))

    def loss(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The sum of -log p(target) over all targets that are not NO_LOSS.

        Logits are made only where they are needed: the output matrix is a tenth of the work.
        """
        learnt = (targets != NO_LOSS).reshape(-1).nonzero().squeeze(1)
        hidden = self._run(ids).reshape(-1, self.hyper.n_embd).index_select(0, learnt)
        wanted = targets.reshape(-1).index_select(0, learnt)
        # Few different sizes: a heap in which every step leaves other gaps would grow and grow.
        extra = -len(wanted) % LOGIT_ROWS
        hidden, wanted = F.pad(hidden, (0, 0, 0, extra)), F.pad(wanted, (0, extra), value=NO_LOSS)
        return F.cross_entropy(self._output(hidden).float(), wanted, reduction="sum")

    def _hidden(self, ids: torch.Tensor) -> torch.Tensor:
        x = F.embedding(ids, self.weights["token_embd.weight"])
        for layer in range(self.hyper.n_layer):
            x = x + self._attention(self._norm(x, f"blk.{layer}.attn_norm"), f"blk.{layer}.")
            x = x + self._feed_forward(self._norm(x, f"blk.{layer}.ffn_norm"), f"blk.{layer}.")
        return x

    def _output(self, x: torch.Tensor) -> torch.Tensor:
        tied = self.weights["token_embd.weight"]
        return F.linear(self._norm(x, "output_norm"), self.weights.get("output.weight", tied))

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        weight = self.weights[name + ".weight"]
        return F.rms_norm(x, weight.shape, weight, self.hyper.rms_eps)

    def _attention(self, h: torch.Tensor, blk: str) -> torch.Tensor:
        """Causal within the window; head i uses kv head i // (n_head / n_head_kv)."""
        hyper, (batch, n, _) = self.hyper, h.shape
        q, k, v = self._joined(h, blk, "attn_q", "attn_k", "attn_v")
        q = self._rope(q.view(batch, n, hyper.n_head, hyper.head_size)).transpose(1, 2)
        k = self._rope(k.view(batch, n, hyper.n_head_kv, hyper.head_size)).transpose(1, 2)
        v = v.view(batch, n, hyper.n_head_kv, hyper.head_size).transpose(1, 2)
        group = hyper.n_head // hyper.n_head_kv
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        out = _causal_attention(q, k, v)
        return F.linear(
            out.transpose(1, 2).reshape(batch, n, -1), self.weights[blk + "attn_output.weight"]
        )

    def _feed_forward(self, h: torch.Tensor, blk: str) -> torch.Tensor:
        gate, up = self._joined(h, blk, "ffn_gate", "ffn_up")
        return F.linear(F.silu(gate) * up, self.weights[blk + "ffn_down.weight"])

    def _joined(self, h: torch.Tensor, blk: str, *names: str) -> tuple[torch.Tensor, ...]:
        """Several matrices times one input, as one product: larger tiles, one pass over h."""
        matrices = [self.weights[f"{blk}{name}.weight"] for name in names]
        sizes = [len(matrix) for matrix in matrices]
        joined: tuple[torch.Tensor, ...] = F.linear(h, torch.cat(matrices)).split(sizes, dim=-1)
        return joined

    def _rope(self, x: torch.Tensor) -> torch.Tensor:
        """Rotate the pairs (2i, 2i+1) of each head; x: (batch, n, heads, head_size)."""
        n = x.shape[1]
        cos, sin = self._cos[:n, None].to(x.dtype), self._sin[:n, None].to(x.dtype)
        a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
        return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2)


def _causal_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """On a CPU in float32: torch's kernel is a fifth faster in it than in BF16 (2.13, AMX)."""
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    with torch.autocast("cpu", enabled=False):
        out = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True)
    return out.to(q.dtype)
