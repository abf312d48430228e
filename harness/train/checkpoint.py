"""All that a run needs to go on as if it had never stopped, in one file, never half written."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from harness.train.errors import TrainError
from harness.train.hardware import Choice
from harness.train.model import Weights


@dataclass(frozen=True)
class Progress:
    """Where a run is."""

    step: int = 0  # optimizer steps done
    n_steps: int = 0  # of the whole run; 0 = not known yet (a budget of minutes, too early)
    minutes: float = 0.0  # the budget that n_steps came from; 0 = it was given as steps
    replanned: bool = False  # n_steps changed when the rate already depended on it
    shard: int = 0
    window: int = 0
    tokens: int = 0  # read
    learnt: int = 0  # that counted in the loss
    elapsed_s: float = 0.0  # of training, over all sessions


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run between two steps."""

    digest: str
    text_digest: str
    choice: Choice
    progress: Progress
    weights: Weights
    optimizer: dict[str, Any]
    rng: torch.Tensor


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write beside it, then rename: a kill at any time leaves the old one or the new one."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        state = {
            "digest": checkpoint.digest,
            "text_digest": checkpoint.text_digest,
            "choice": asdict(checkpoint.choice),
            "progress": asdict(checkpoint.progress),
            "weights": {name: tensor.detach().cpu() for name, tensor in checkpoint.weights.items()},
            "optimizer": checkpoint.optimizer,
            "rng": checkpoint.rng,
        }
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def load_checkpoint(path: Path, digest: str, text_digest: str) -> Checkpoint:
    """Read it back; refuse one of another configuration or another text."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TrainError(f"{path} is not there", hint="start without --resume") from None
    except Exception as exc:  # torch raises whatever its unpickler and zip reader raise
        raise TrainError(f"{path} is no checkpoint: {exc}", hint="start without --resume") from exc
    if state["digest"] != digest:
        raise TrainError(
            f"{path} belongs to another configuration ({state['digest']}, this is {digest})",
            hint="only [budget] may change between sessions; start without --resume, or another -o",
        )
    if state.get("text_digest") != text_digest:
        known = "text_digest" in state
        what = "was trained on other text: the generator has changed" if known else "names no text"
        raise TrainError(
            f"{path} {what}",
            hint="start without --resume, or go back to the generator's sources of that run",
        )
    return Checkpoint(
        digest=digest,
        text_digest=text_digest,
        choice=Choice(**state["choice"]),
        progress=Progress(**state["progress"]),
        weights=state["weights"],
        optimizer=state["optimizer"],
        rng=state["rng"],
    )
