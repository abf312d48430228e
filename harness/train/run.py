"""A run from its configuration to the trained weights: prepared, continued, stopped, saved."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch

from harness.train.checkpoint import Checkpoint, Progress, load_checkpoint, save_checkpoint
from harness.train.config import TrainConfig
from harness.train.data import Stream, make_vocabulary, valid_windows
from harness.train.hardware import Choice, Hardware, choose
from harness.train.metrics import Metrics
from harness.train.model import init_weights
from harness.train.ngram import NGram
from harness.train.packing import Source, Windows
from harness.train.step import Learner, rate_share
from harness.train.vocabulary import Tokenizer

VOCABULARY: Final = "vocabulary.model"  # in the run directory
CHECKPOINT_S: Final = 45.0  # a kill loses less than a minute, the writing included
# A budget of minutes becomes a number of steps once a step's time is known, so that the run can be
# repeated from that number. Until then warm-up does not depend on it.
CALIBRATE_AFTER: Final = 0.06  # of the minutes
CALIBRATE_SHARE: Final = 0.93  # of what remains; the rest is for a machine that becomes busier


@dataclass(frozen=True)
class Status:
    """What a progress line shows."""

    step: int
    n_steps: int
    loss: float
    valid_loss: float | None
    tokens_per_s: float
    elapsed_s: float


@dataclass(frozen=True)
class Result:
    """A run that ended, or was interrupted, after a checkpoint."""

    learner: Learner
    progress: Progress
    finished: bool
    valid_loss: float
    train_tokens: int


@dataclass(frozen=True)
class Prepared:
    """What is made once per run directory."""

    tokenizer: Tokenizer
    valid: Windows


def prepare(config: TrainConfig, out: Path, source: Source, *, resume: bool) -> Prepared:
    """The vocabulary (kept in the run directory) and the validation windows."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / VOCABULARY
    if not (resume and path.is_file()):
        data, model = config.data, config.model
        path.write_bytes(make_vocabulary(source, config.seed, data.vocabulary_chars, model.n_vocab))
    tokenizer = Tokenizer.load(path)
    return Prepared(
        tokenizer, valid_windows(source, tokenizer, config.model.n_ctx, config.data.valid_windows)
    )


def baseline_loss(config: TrainConfig, source: Source, prepared: Prepared) -> float:
    """The n-gram's validation loss, from the beginning of the same training stream."""
    stream = Stream(source, prepared.tokenizer, config.seed, config.model.n_ctx)
    n_windows = max(1, config.data.ngram_tokens // config.model.n_ctx)
    return NGram(stream.next_batch(n_windows), config.model.n_vocab).loss(prepared.valid)


class Run:
    """The training loop; `stop()` may be called from a signal handler."""

    def __init__(
        self,
        config: TrainConfig,
        out: Path,
        source: Source,
        prepared: Prepared,
        hardware: Hardware,
        *,
        text_digest: str,
        resume: bool,
    ) -> None:
        """text_digest: of the source; a checkpoint is continued with the same text only."""
        self.config, self.out, self.prepared = config, out, prepared
        self.text_digest = text_digest
        self.metrics = Metrics(out / "metrics.jsonl")
        self._stopping = False
        path = out / "checkpoint.pt"
        state = load_checkpoint(path, config.digest, text_digest) if resume else None
        choice = state.choice if state else choose(hardware, config)
        set_determinism(choice, config.seed)
        weights = init_weights(config.hyper, tied=config.model.tied, seed=config.seed)
        self.learner = Learner(config, choice, state.weights if state else weights)
        self.progress = state.progress if state else Progress()
        if state:
            self.learner.optimizer.load_state_dict(state.optimizer)
            torch.set_rng_state(state.rng)
        self.metrics.forget_after(self.progress.step if state else -1)
        self.stream = Stream(
            source, prepared.tokenizer, config.seed, config.model.n_ctx,
            self.progress.shard, self.progress.window,
        )  # fmt: skip
        self._plan_steps()

    def stop(self) -> None:
        """End after the present step, with a checkpoint."""
        self._stopping = True

    def train(self, report: Callable[[Status], None] = lambda status: None) -> Result:
        """Steps until the budget ends."""
        self.learner.warm_up(self.prepared.valid)
        saved = time.monotonic()
        valid_loss: float | None = None
        while not self._stopping and not self._done():
            start = time.monotonic()
            loss, n_tokens = self._step()
            valid_loss = self._validate(valid_loss)
            spent = time.monotonic() - start
            self.progress = replace(self.progress, elapsed_s=self.progress.elapsed_s + spent)
            self._calibrate()
            if time.monotonic() - saved >= CHECKPOINT_S:
                self.save()
                saved = time.monotonic()
            at = self.progress
            report(Status(at.step, at.n_steps, loss, valid_loss, n_tokens / spent, at.elapsed_s))
        self.save()
        final = self.learner.loss(self.prepared.valid)
        self._log_valid(final)
        return Result(self.learner, self.progress, self._done(), final, self.progress.tokens)

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(
            self.out / "checkpoint.pt",
            Checkpoint(
                self.config.digest, self.text_digest, self.learner.choice, self.progress,
                self.learner.weights, self.learner.optimizer.state_dict(), torch.get_rng_state(),
            ),
        )  # fmt: skip

    def _step(self) -> tuple[float, int]:
        recipe, at = self.config.recipe, self.progress
        batch = self.stream.next_batch(recipe.batch)
        share = rate_share(recipe, at.step, at.n_steps or 1 << 30)
        loss, norm = self.learner.step(batch, share)
        self.progress = replace(
            at,
            step=at.step + 1,
            shard=self.stream.shard,
            window=self.stream.window,
            tokens=at.tokens + batch.ids.size,
            learnt=at.learnt + batch.n_targets,
        )
        self.metrics.add(
            step=self.progress.step, tokens=self.progress.tokens, loss=loss,
            lr=recipe.lr * share, norm=norm, elapsed_s=round(at.elapsed_s, 3),
        )  # fmt: skip
        return loss, int(batch.ids.size)

    def _validate(self, last: float | None) -> float | None:
        if self.progress.step % self.config.data.valid_every:
            return last
        loss = self.learner.loss(self.prepared.valid)
        self._log_valid(loss)
        return loss

    def _log_valid(self, loss: float) -> None:
        self.metrics.add(step=self.progress.step, tokens=self.progress.tokens, valid_loss=loss)

    def _plan_steps(self) -> None:
        """n_steps for this session's budget, which may be another than the last session's."""
        before, budget = self.progress, self.config.budget
        if budget.steps:
            self.progress = replace(before, n_steps=budget.steps)
        elif budget.minutes != before.minutes:
            self.progress = replace(before, n_steps=0)
            self._calibrate()
        # In warm-up, and in the one step at the top, the rate does not depend on n_steps.
        level = self.config.recipe.warmup_steps + 1
        if self.progress.n_steps != before.n_steps and before.step > level:
            self.progress = replace(self.progress, replanned=True)

    def _calibrate(self) -> None:
        """Turn minutes into steps once some have been timed; never after warm-up is over."""
        at, budget_s = self.progress, self.config.budget.minutes * 60
        if at.n_steps or not budget_s or not at.step:
            return
        last_chance = at.step >= max(1, self.config.recipe.warmup_steps)
        if at.elapsed_s < CALIBRATE_AFTER * budget_s and not last_chance:
            return
        left = (budget_s - at.elapsed_s) / (at.elapsed_s / at.step)
        n_steps = at.step + max(1, int(CALIBRATE_SHARE * left))
        self.progress = replace(at, n_steps=n_steps, minutes=self.config.budget.minutes)

    def _done(self) -> bool:
        at, minutes = self.progress, self.config.budget.minutes
        if minutes and at.elapsed_s >= minutes * 60:
            return True
        return 0 < at.n_steps <= at.step


def set_determinism(choice: Choice, seed: int) -> None:
    """The same numbers every time on one machine: fixed threads, seeds and algorithms."""
    torch.set_num_threads(choice.threads)
    if choice.device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS asks for
    torch.use_deterministic_algorithms(True, warn_only=choice.device == "cuda")
    # Filling every fresh tensor finds bugs of others, and costs a tenth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.manual_seed(seed)
