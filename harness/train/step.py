"""One optimizer step: a batch in pieces that fit, gradients summed, clipped, applied."""

from contextlib import AbstractContextManager
from math import cos, pi

import numpy as np
import torch

from harness.train.config import Recipe, TrainConfig
from harness.train.hardware import Choice
from harness.train.memory import peak_bytes
from harness.train.model import Llama, Weights
from harness.train.optimizer import Optimizer
from harness.train.packing import I32, Windows


def rate_share(recipe: Recipe, step: int, n_steps: int) -> float:
    """Of the full learning rates: linear warm-up, then a cosine down to lr_final at the last."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    rest = max(1, n_steps - recipe.warmup_steps)
    done = min(1.0, (step - recipe.warmup_steps) / rest)
    return recipe.lr_final + (1 - recipe.lr_final) * 0.5 * (1 + cos(pi * done))


class Learner:
    """Weights, model and optimizer of a run on the device chosen."""

    def __init__(self, config: TrainConfig, choice: Choice, weights: Weights) -> None:
        self.config, self.choice = config, choice
        self.weights = {
            name: tensor.to(choice.device).requires_grad_() for name, tensor in weights.items()
        }
        self.model = Llama(config.hyper, self.weights, config.model.n_ctx)
        if choice.compile:
            self.model.compile()
        self.optimizer = Optimizer(config.recipe, self.weights)

    def step(self, batch: Windows, share: float) -> tuple[float, float]:
        """Train on one batch at a share of the full rates.

        Returns the mean loss per learnt token, and the gradient's norm.
        """
        n_targets = max(1, batch.n_targets)
        total = 0.0
        for ids, targets in self._pieces(batch):
            with self._autocast():
                loss = self.model.loss(ids, targets) / n_targets
            loss.backward()
            total += float(loss.detach())
        norm = torch.nn.utils.clip_grad_norm_(self.weights.values(), self.config.recipe.clip)
        self.optimizer.step(share)
        return total, float(norm)

    def warm_up(self, windows: Windows) -> None:
        """Compile before the clock runs: both passes, and the one without gradients."""
        n = self.choice.micro_batch
        few = Windows(windows.ids[:n], windows.targets[:n])
        for ids, targets in self._pieces(few):
            with self._autocast():
                loss = self.model.loss(ids, targets)
            loss.backward()
        self.optimizer.zero_grad()
        self.loss(few)

    def loss(self, windows: Windows) -> float:
        """Mean loss per learnt token, nothing learnt."""
        total = 0.0
        with torch.no_grad(), self._autocast():
            for ids, targets in self._pieces(windows):
                total += float(self.model.loss(ids, targets))
        return total / max(1, windows.n_targets)

    def peak_bytes(self) -> int:
        """The most that was held so far, on the device that trains."""
        if self.choice.device == "cuda":
            return int(torch.cuda.max_memory_allocated())
        return peak_bytes()

    def _pieces(self, windows: Windows) -> list[tuple[torch.Tensor, torch.Tensor]]:
        n = self.choice.micro_batch
        return [
            (self._tensor(windows.ids[at : at + n]), self._tensor(windows.targets[at : at + n]))
            for at in range(0, len(windows), n)
        ]

    def _tensor(self, array: I32) -> torch.Tensor:
        return torch.from_numpy(array.astype(np.int64)).to(self.choice.device)

    def _autocast(self) -> AbstractContextManager[None]:
        context: AbstractContextManager[None] = torch.autocast(
            self.choice.device, torch.bfloat16, enabled=self.choice.dtype == "bf16"
        )
        return context
