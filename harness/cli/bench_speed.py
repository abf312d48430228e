"""`bench --target serial:PORT`: the board's own clock instead of QEMU's counter."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from harness.bench.speed import Conditions, Speed, speed_table
from harness.cli.bench_runs import FIRST_ID, STRIDE, usable_contexts
from harness.cli.manifest import keep_json, require_manifest
from harness.cli.options import TargetOptions
from harness.cli.pipeline import Built
from harness.cli.progress import bar
from harness.cli.report import print_report
from harness.cli.serial_port import SerialPort
from harness.cli.target import running
from harness.errors import BenchError
from harness.link.messages import SamplingParams
from harness.link.prompt import Prompt
from harness.link.session import Session

REPETITIONS = 3
CONTEXTS, N_DECODE = (16, 128), 16  # enough tokens for a clock, few enough for a slow board
COUNTS_ONLY = ("cpu", "smp", "kernels", "mca", "latency", "functions", "plot", "save", "check")


def bench_speed(args: argparse.Namespace, built: Built, serial: SerialPort) -> int:
    """Ask the board, print the table, keep it."""
    given = [name for name in COUNTS_ONLY if getattr(args, name)]
    if given:
        raise BenchError(
            f"--{given[0]} is about instructions that QEMU counts, not about a board",
            hint=f"leave --{given[0]} out, or --target qemu",
        )
    n_decode = args.n_decode or N_DECODE
    n_ctx = require_manifest(built.directory)["n_ctx"]
    contexts = usable_contexts(args.ctx_list or CONTEXTS, n_decode, n_ctx)
    if not contexts:
        raise BenchError("nothing is left to run", hint="smaller numbers for --ctx-list")
    options = TargetOptions(None, None, icount=False, twin=False, serial=serial)
    with running(built, options) as session:
        target = session.welcome.description
        speeds = measure_speed(session, contexts, n_decode)
    report = {
        "model": built.model_path.stem,
        "target": target,
        "clock": options.clock,
        "runs": [speed.as_dict() for speed in speeds],
    }
    print_report(json.dumps(report) if args.json else speed_table(speeds, target))
    keep_json(built.directory / "bench-board.json", report)
    return 0


def measure_speed(session: Session, contexts: Sequence[int], n_decode: int) -> list[Speed]:
    """Each prompt length REPETITIONS times, each time from its first token on."""
    # The first token comes out of the prefill; each further one is a pass of its own.
    params = SamplingParams(n_predict=n_decode + 1, temp=0.0, ignore_eog=True)
    n_ids = session.welcome.n_vocab_rows - FIRST_ID
    speeds = []
    with bar("measuring", len(contexts) * REPETITIONS, "runs") as shown:
        for n_prompt in contexts:
            prefill, decode = [], []
            for repetition in range(REPETITIONS):
                # Another first token: nothing of the run before is in the KV cache.
                ids = [FIRST_ID + (repetition + i * STRIDE) % n_ids for i in range(n_prompt)]
                stats = session.generate(Prompt.of_ids(ids), params).stats
                if stats is None or stats.n_generated <= n_decode:
                    raise BenchError("interrupted: nothing to show")
                prefill.append(_rate(n_prompt, stats.prefill_s))
                decode.append(_rate(n_decode, stats.decode_s))
                shown.advance(1)
            conditions = Conditions(**asdict(session.sensors()))
            speeds.append(Speed(n_prompt, n_decode, tuple(prefill), tuple(decode), conditions))
    return speeds


def _rate(tokens: int, seconds: float) -> float:
    if seconds <= 0:
        raise BenchError(
            "the board's clock stood still during a run",
            hint="its firmware must set the generic timer's frequency",
        )
    return tokens / seconds
