"""What a finished run leaves: three GGUF files, the loss curve and a model card."""

import dataclasses
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.train import corpus
from harness.train.checkpoint import Progress
from harness.train.config import TrainConfig
from harness.train.export import FILE_TYPES, write_gguf
from harness.train.hardware import Choice, Hardware
from harness.train.memory import MIB, n_params
from harness.train.model import Weights
from harness.train.quantise import F32
from harness.train.vocabulary import TokenTable


@dataclass(frozen=True)
class Facts:
    """The numbers of a card."""

    valid_loss: float
    baseline_loss: float
    planned_bytes: int
    peak_bytes: int


def to_numpy(weights: Weights) -> dict[str, F32]:
    """Float32 copies on the host."""
    return {
        name: np.asarray(tensor.detach().float().cpu().numpy(), np.float32)
        for name, tensor in weights.items()
    }


def export(
    out: Path, config: TrainConfig, weights: Mapping[str, F32], vocabulary: TokenTable
) -> dict[str, str]:
    """NAME-F32.gguf and so on in the run directory; file name -> sha256."""
    files = {}
    for quant in FILE_TYPES:
        path = out / f"{config.name}-{quant}.gguf"
        files[path.name] = write_gguf(
            path, weights, config.hyper, vocabulary,
            quant=quant, name=config.name, licence=config.licence,
        )  # fmt: skip
    return files


def write_card(
    out: Path,
    config: TrainConfig,
    progress: Progress,
    hardware: Hardware,
    choice: Choice,
    facts: Facts,
    files: Mapping[str, str],
) -> Path:
    """NAME.md: what it is, how to make it again, how good it is, and what its files hash to."""
    lines = [
        f"# {config.name}", "",
        f"{n_params(config.model):,} parameters, llama architecture, trained by `python -m harness "
        f"train`. Licence: {config.licence}.", "",
        "| | |", "| --- | --- |",
        f"| validation loss | {facts.valid_loss:.4f} nats per token |",
        f"| 5-gram baseline, {config.data.ngram_tokens:,} tokens of the same text | "
        f"{facts.baseline_loss:.4f} |",
        f"| steps | {progress.step} of {progress.n_steps or '?'} |",
        f"| tokens read, learnt | {progress.tokens:,}, {progress.learnt:,} |",
        f"| time, tokens/s | {progress.elapsed_s / 60:.1f} min, "
        f"{progress.tokens / max(progress.elapsed_s, 1e-9):,.0f} |",
        f"| seed | {config.seed} |",
        f"| machine | {hardware.cores} cores, {' '.join(hardware.simd)} {hardware.cuda} |",
        f"| used as | {choice.device}, {choice.threads} threads, {choice.dtype}, micro-batch "
        f"{choice.micro_batch}, compiled: {'yes' if choice.compile else 'no'} |",
        f"| peak memory, plan | {facts.peak_bytes / MIB:.0f} MiB, "
        f"{facts.planned_bytes / MIB:.0f} MiB |",
        "", "## Files", "", "| file | bytes | sha256 |", "| --- | --- | --- |",
        *(
            f"| {name} | {(out / name).stat().st_size:,} | `{digest}` |"
            for name, digest in files.items()
        ),
        "", "## To make it again", "",
        again(progress), "",
        "```toml", to_toml(repeatable(config, progress)), "```", "",
        "![loss](loss.png)", "",
    ]  # fmt: skip
    path = out / f"{config.name}.md"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def corpus_sha256() -> str:
    """Of the text generator's sources: with other sources the same seed writes other text."""
    digest = hashlib.sha256()
    folder = Path(corpus.__file__).parent
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".txt"):
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_repeatable(progress: Progress) -> bool:
    """Whether a run of just these steps has the learning rates of this one."""
    return progress.step == progress.n_steps and not progress.replanned


def again(progress: Progress) -> str:
    """What the configuration below it gives."""
    sources = f"(the generator's sources: `{corpus_sha256()}`)"
    if is_repeatable(progress):
        return (
            "On the same machine this configuration gives the same weights, bit for bit, as long "
            f"as the generator writes the same text {sources}. `steps` is what a budget of minutes "
            "became."
        )
    why = f"its learning rates were those of {progress.n_steps} steps, and minutes cut it short"
    if progress.replanned:
        why = "its budget was changed on the way, and its learning rates with it"
    return (
        f"This configuration trains as many steps on the same text {sources}, but gives other "
        f"weights than this run: {why}."
    )


def repeatable(config: TrainConfig, progress: Progress) -> TrainConfig:
    """The same number of steps, as steps instead of minutes."""
    return dataclasses.replace(config, budget=type(config.budget)(steps=progress.step))


def to_toml(config: TrainConfig) -> str:
    """A file that `load_config` reads back to the same."""
    plain: list[str] = []
    tables: list[str] = []
    for key, value in dataclasses.asdict(config).items():
        if isinstance(value, dict):
            tables += ["", f"[{key}]", *(f"{name} = {_toml(item)}" for name, item in value.items())]
        else:
            plain.append(f"{key} = {_toml(value)}")
    text = "\n".join([*plain, *tables])
    assert tomllib.loads(text) == dataclasses.asdict(config)
    return text


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)
