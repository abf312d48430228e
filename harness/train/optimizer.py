"""Muon for the matrices of the layers, AdamW for the embedding and the norms, as one optimizer.

Muon (Jordan et al. 2024) replaces a matrix's momentum by the nearest orthogonal matrix, so that no
direction of the weights is left behind: in a short run it needs about half of AdamW's steps.
"""

from collections.abc import Iterable, Mapping
from math import sqrt
from typing import Any, Final

import torch

from harness.train.config import Recipe

MOMENTUM: Final = 0.95
# A quintic that drives singular values of 0..1 towards 1 (Jordan's coefficients); after five rounds
# they lie between 0.7 and 1.2, which trains as well as exactly 1.
QUINTIC: Final = (3.4445, -4.7750, 2.0315)
ROUNDS: Final = 5


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """About U V^T of a matrix U S V^T, by Newton-Schulz rounds, in the matrix's own type.

    torch.optim.Muon makes them in BF16, which a CPU without BF16 products emulates: measured on one
    with AVX2, 90 times slower than this.
    """
    a, b, c = QUINTIC
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = wide / wide.norm().clamp(min=1e-7)  # Frobenius bounds the largest singular value by 1
    for _ in range(ROUNDS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


class Muon(torch.optim.Optimizer):  # type: ignore[misc]  # without torch installed it is Any
    """Momentum, made orthogonal; weight decay is decoupled, as in AdamW."""

    def __init__(self, matrices: Iterable[torch.Tensor], lr: float, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    def step(self, closure: None = None) -> None:
        """One update of every matrix that has a gradient."""
        with torch.no_grad():
            for group in self.param_groups:
                for weight in group["params"]:
                    if weight.grad is not None:
                        self._update(weight, group["lr"], group["weight_decay"])

    def _update(self, weight: torch.Tensor, lr: float, weight_decay: float) -> None:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        momentum = state["momentum"]
        momentum.lerp_(weight.grad, 1 - MOMENTUM)
        ahead = weight.grad.lerp(momentum, MOMENTUM)  # Nesterov
        # A tall matrix's update has the same norm per column as a square one's.
        scale = sqrt(max(1.0, weight.shape[0] / weight.shape[1]))
        weight.mul_(1 - lr * weight_decay)
        weight.add_(orthogonal(ahead), alpha=-lr * scale)


class Optimizer:
    """Who updates what; `lr` of a step is given as a share of the recipe's rates."""

    def __init__(self, recipe: Recipe, weights: Mapping[str, torch.Tensor]) -> None:
        self._recipe = recipe
        by_muon = [w for name, w in weights.items() if recipe.muon_lr > 0 and is_layer_matrix(name)]
        rest = [
            w for name, w in weights.items() if recipe.muon_lr <= 0 or not is_layer_matrix(name)
        ]
        self._parts: dict[str, torch.optim.Optimizer] = {
            "adamw": torch.optim.AdamW(
                [
                    {"params": [w for w in rest if w.dim() > 1]},
                    {"params": [w for w in rest if w.dim() == 1], "weight_decay": 0.0},
                ],
                lr=recipe.lr,
                betas=(recipe.beta1, recipe.beta2),
                weight_decay=recipe.weight_decay,
                fused=True,
            )
        }
        if by_muon:
            self._parts["muon"] = Muon(by_muon, recipe.muon_lr, recipe.weight_decay)

    def step(self, share: float) -> None:
        """Apply the gradients at `share` of the full learning rates, and forget them."""
        full = {"adamw": self._recipe.lr, "muon": self._recipe.muon_lr}
        for name, part in self._parts.items():
            for group in part.param_groups:
                group["lr"] = full[name] * share
            part.step()
            part.zero_grad(set_to_none=True)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self._parts.values():
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint of the same configuration."""
        for name, part in self._parts.items():
            part.load_state_dict(state[name])


def is_layer_matrix(name: str) -> bool:
    """Whether `name` is a product of a layer: not the embedding, not a norm."""
    return name.startswith("blk.") and "norm" not in name
