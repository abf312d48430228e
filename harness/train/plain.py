"""What somebody who knows PyTorch would write first: the loop that `train` is compared with.

The same network as model.py in ordinary modules, all logits, AdamW, the batch as it comes; torch,
its threads' waiting and malloc as they are by default, and nothing deterministic. It shares no code
with the trainer, so that what the trainer does for its own speed or repeatability is not in it.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import nn

from harness.gguf import HyperParameters
from harness.train.config import Recipe
from harness.train.packing import NO_LOSS, Windows


class Layer(nn.Module):  # type: ignore[misc]  # without torch installed it is Any
    """Attention and feed-forward, each behind its norm; parameters are named as GGUF names them."""

    def __init__(self, hyper: HyperParameters) -> None:
        super().__init__()
        n, n_kv = hyper.n_head * hyper.head_size, hyper.n_head_kv * hyper.head_size
        self.head_size = hyper.head_size
        self.attn_norm = nn.RMSNorm(hyper.n_embd, eps=hyper.rms_eps)
        self.attn_q = nn.Linear(hyper.n_embd, n, bias=False)
        self.attn_k = nn.Linear(hyper.n_embd, n_kv, bias=False)
        self.attn_v = nn.Linear(hyper.n_embd, n_kv, bias=False)
        self.attn_output = nn.Linear(n, hyper.n_embd, bias=False)
        self.ffn_norm = nn.RMSNorm(hyper.n_embd, eps=hyper.rms_eps)
        self.ffn_gate = nn.Linear(hyper.n_embd, hyper.n_ff, bias=False)
        self.ffn_up = nn.Linear(hyper.n_embd, hyper.n_ff, bias=False)
        self.ffn_down = nn.Linear(hyper.n_ff, hyper.n_embd, bias=False)

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """(batch, n, n_embd) -> the same shape; cos and sin: (n, head_size / 2)."""
        h = self.attn_norm(x)
        q, k, v = (
            matrix(h).unflatten(-1, (-1, self.head_size)).transpose(1, 2)
            for matrix in (self.attn_q, self.attn_k, self.attn_v)
        )
        q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.attn_output(out.transpose(1, 2).flatten(2))
        h = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(h)) * self.ffn_up(h))


class PlainLlama(nn.Module):  # type: ignore[misc]
    """ids (batch, n) -> logits (batch, n, n_vocab)."""

    def __init__(self, hyper: HyperParameters, n_ctx: int, *, tied: bool) -> None:
        super().__init__()
        self.token_embd = nn.Embedding(hyper.n_vocab_rows, hyper.n_embd)
        self.blk = nn.ModuleList(Layer(hyper) for _ in range(hyper.n_layer))
        self.output_norm = nn.RMSNorm(hyper.n_embd, eps=hyper.rms_eps)
        self.output = nn.Linear(hyper.n_embd, hyper.n_vocab_rows, bias=False)
        if tied:
            self.output.weight = self.token_embd.weight
        exponent = torch.arange(0, hyper.head_size, 2) / hyper.head_size
        angle = torch.outer(torch.arange(n_ctx), hyper.rope_freq_base**-exponent)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """The whole network."""
        n = ids.shape[1]
        x = self.token_embd(ids)
        for layer in self.blk:
            x = layer(x, self.cos[:n], self.sin[:n])
        return self.output(self.output_norm(x))


def rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rope on the pairs (2i, 2i+1); x: (batch, heads, n, head_size)."""
    a, b = x[..., ::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2)


class PlainLoop:
    """A model and its AdamW."""

    def __init__(
        self,
        hyper: HyperParameters,
        recipe: Recipe,
        n_ctx: int,
        weights: Mapping[str, torch.Tensor],
        device: str = "cpu",
    ) -> None:
        """weights: as model.py names them; copied."""
        self.model = PlainLlama(hyper, n_ctx, tied="output.weight" not in weights).to(device)
        self.model.load_state_dict(dict(weights), strict=False)  # a tied output has no own entry
        self.clip, self.device = recipe.clip, device
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=recipe.lr,
            betas=(recipe.beta1, recipe.beta2),
            weight_decay=recipe.weight_decay,
            fused=True,
        )

    def step(self, batch: Windows) -> float:
        """Forward, backward, update; the mean loss per learnt token before it."""
        ids = torch.from_numpy(batch.ids).long().to(self.device)
        targets = torch.from_numpy(batch.targets).long().to(self.device)
        logits = self.model(ids)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=NO_LOSS)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        return float(loss.detach())
