"""`train`: a language model of our own, from a configuration to GGUF files and a card."""

import argparse
import dataclasses
import importlib.util
import json
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.progress import bar, note
from harness.errors import EXIT_INTERRUPTED
from harness.train.config import TrainConfig, load_config
from harness.train.errors import TrainError
from harness.train.hardware import (
    Choice,
    Hardware,
    choose,
    detect,
    load_lazily_imported,
    prepare_process,
)
from harness.train.memory import (
    MIB,
    MemoryPlan,
    check_fits,
    n_params,
    plan_memory,
    resident_bytes,
)

if TYPE_CHECKING:  # these need torch, which only the extra [train] installs
    from harness.train.packing import Source
    from harness.train.run import Prepared, Result, Run, Status

NEEDED = ("torch", "sentencepiece", "matplotlib")
REDRAW_S = 0.5
REPORT_S = 60.0  # between lines where nobody watches a terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Configuration, where to put things, and what to do instead of training."""
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="see images/models/")
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help="default: build/train/NAME")
    parser.add_argument("--resume", action="store_true", help="go on from DIR/checkpoint.pt")
    parser.add_argument(
        "--measure", action="store_true", help="compare tokens/s with a plain loop, do not train"
    )
    parser.add_argument(
        "--variety", action="store_true", help="count the text that it reads, do not train"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Plan, train, export, describe."""
    config = load_config(args.config)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise TrainError(
            f"training needs {', '.join(missing)}", hint="install them: pip install -e '.[train]'"
        )
    prepare_process()
    from harness.train.data import default_source
    from harness.train.finish import corpus_sha256
    from harness.train.run import VOCABULARY, Run, baseline_loss, prepare

    out = args.out or Path("build") / "train" / config.name
    hardware = detect()
    choice = choose(hardware, config)
    plan = _plan(config, hardware, choice)
    source = default_source()
    note("making the vocabulary and the validation windows")
    prepared = prepare(config, out, source, resume=args.resume)
    if args.measure:
        return _measure(config, choice, out / VOCABULARY, args.json)
    if args.variety:
        return _variety(config, source, prepared, args.json)
    shutil.copyfile(args.config, out / "config.toml")
    note("counting the n-gram baseline")
    baseline = baseline_loss(config, source, prepared)
    note(f"5-gram baseline: validation loss {baseline:.4f}")
    training = Run(
        config, out, source, prepared, hardware, text_digest=corpus_sha256(), resume=args.resume
    )
    result = _train(training)
    if not result.finished:
        note(f"interrupted at step {result.progress.step}; go on with --resume")
        return EXIT_INTERRUPTED
    return _finish(config, out, hardware, plan, prepared, result, baseline, as_json=args.json)


def _plan(config: TrainConfig, hardware: Hardware, choice: Choice) -> MemoryPlan:
    note(
        f"{config.name}: {n_params(config.model):,} parameters\n"
        f"machine: {hardware.cores} cores, {' '.join(hardware.simd) or 'no known SIMD'}, "
        f"{hardware.memory_bytes / MIB:.0f} MiB ({hardware.available_bytes / MIB:.0f} available)"
        f"{', ' + hardware.cuda if hardware.cuda else ''}\n"
        f"using: {choice.device}, {choice.threads} threads, {choice.dtype}, micro-batch "
        f"{choice.micro_batch} of {config.recipe.batch}, compiled: {choice.compile}"
    )
    on_cuda = choice.device == "cuda"
    load_lazily_imported(choice)
    plan = plan_memory(
        config,
        dtype=choice.dtype,
        micro_batch=choice.micro_batch,
        base_bytes=0 if on_cuda else resident_bytes(),
    )
    note("memory plan:\n" + plan.table())
    held = plan.parts["process before training"]
    check_fits(plan, hardware.cuda_bytes if on_cuda else hardware.available_bytes + held)
    return plan


def _train(training: "Run") -> "Result":
    """Ctrl-C and SIGTERM end the run after the present step; a second Ctrl-C ends it at once."""

    def stop(number: int, frame: object) -> None:
        training.stop()
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    kept = {name: signal.signal(name, stop) for name in (signal.SIGINT, signal.SIGTERM)}
    line = ProgressLine()
    try:
        return training.train(line.show)
    finally:
        line.clear()
        for name, handler in kept.items():
            signal.signal(name, handler)


def _finish(
    config: TrainConfig,
    out: Path,
    hardware: Hardware,
    plan: MemoryPlan,
    prepared: "Prepared",
    result: "Result",
    baseline: float,
    *,
    as_json: bool,
) -> int:
    from harness.train.finish import Facts, export, to_numpy, write_card
    from harness.train.metrics import Metrics
    from harness.train.plot import plot_losses

    peak = result.learner.peak_bytes()
    note(f"memory: peak {peak / MIB:.0f} MiB, planned {plan.total_bytes / MIB:.0f} MiB")
    files = export(out, config, to_numpy(result.learner.weights), prepared.tokenizer.table())
    plot_losses(Metrics(out / "metrics.jsonl").rows(), baseline, config.name, out / "loss.png")
    facts = Facts(result.valid_loss, baseline, plan.total_bytes, peak)
    card = write_card(out, config, result.progress, hardware, result.learner.choice, facts, files)
    note(
        f"validation loss {result.valid_loss:.4f}, baseline {baseline:.4f}\n"
        f"{card}; the curve: {out / 'loss.png'}"
    )
    for name in files:
        note(f"{out / name}: {(out / name).stat().st_size:,} bytes")
    if as_json:
        print(
            json.dumps(
                {
                    "valid_loss": result.valid_loss, "baseline_loss": baseline,
                    "steps": result.progress.step, "tokens": result.progress.tokens,
                    "elapsed_s": result.progress.elapsed_s, "peak_bytes": peak,
                    "planned_bytes": plan.total_bytes, "sha256": files,
                }
            )
        )  # fmt: skip
    return 0


def _measure(config: TrainConfig, choice: Choice, vocabulary: Path, as_json: bool) -> int:
    from harness.train.data import default_source
    from harness.train.measure import measure

    found = measure(
        config, choice, vocabulary, default_source, report=lambda name: note(f"timing: {name}")
    )
    slowest = found[0].tokens_per_s
    for way in found:
        note(
            f"  {way.name:<52} {way.tokens_per_s:9,.0f} tokens/s  x{way.tokens_per_s / slowest:.2f}"
        )
    if as_json:
        print(json.dumps({way.name: way.tokens_per_s for way in found}))
    return 0


def _variety(config: TrainConfig, source: "Source", prepared: "Prepared", as_json: bool) -> int:
    from harness.train.variety import count_variety

    if not config.budget.steps:
        raise TrainError(
            "budget.minutes do not say how much text is read", hint="give budget.steps instead"
        )
    wanted = config.budget.steps * config.recipe.batch * config.model.n_ctx
    with bar("counting", wanted, "tokens") as shown:
        found = count_variety(
            config, source, prepared.tokenizer, config.budget.steps,
            report=lambda so_far: shown.set(min(so_far.tokens, wanted)),
        )  # fmt: skip
    note(
        f"{wanted:,} tokens are read, of shards that hold\n"
        f"  {found.documents:>12,} documents, {found.distinct:,} of them distinct\n"
        f"  {found.tokens:>12,} tokens, {found.distinct_tokens:,} of them in distinct documents"
    )
    if as_json:
        print(json.dumps(dataclasses.asdict(found)))
    return 0


class ProgressLine:
    """`training [###   ] 31%  step 310/1000  loss 2.31 (valid 2.40)  9,800 tokens/s  ETA 12:34`."""

    def __init__(self) -> None:
        self._tty = sys.stderr.isatty()
        self._shown = 0.0
        self._rate = 0.0
        self._loss = 0.0

    def show(self, status: "Status") -> None:
        """Redraw in place on a terminal, else write a line a minute."""
        first = self._rate == 0.0
        self._rate = status.tokens_per_s if first else 0.9 * self._rate + 0.1 * status.tokens_per_s
        self._loss = status.loss if first else 0.9 * self._loss + 0.1 * status.loss
        now = time.monotonic()
        if now - self._shown < (REDRAW_S if self._tty else REPORT_S):
            return
        self._shown = now
        text = self._text(status)
        if self._tty:
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            note(text)

    def clear(self) -> None:
        """Take the line off the screen."""
        if self._tty:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _text(self, status: "Status") -> str:
        share = min(status.step / status.n_steps, 1.0) if status.n_steps else 0.0
        left = (status.n_steps - status.step) * status.elapsed_s / status.step
        eta = f"ETA {int(left) // 60}:{int(left) % 60:02}" if status.n_steps else "ETA ?"
        valid = "" if status.valid_loss is None else f" (valid {status.valid_loss:.3f})"
        return (
            f"training [{'#' * round(20 * share):<20}] {share:4.0%}  "
            f"step {status.step}/{status.n_steps or '?'}  loss {self._loss:.3f}{valid}  "
            f"{self._rate:,.0f} tokens/s  {eta}"
        )
