"""`bench --latency 8,32,128`: what texts of these lengths take, each boot under the plugin."""

import argparse
import json
from collections.abc import Sequence

from harness.bench.latency import Latency, latencies, latency_table
from harness.cli.bench_runs import FIRST_ID, STRIDE, counting, usable_contexts, usable_cores
from harness.cli.manifest import keep_json, require_manifest
from harness.cli.options import TargetOptions
from harness.cli.pipeline import Built
from harness.cli.progress import bar
from harness.cli.report import print_report
from harness.cli.target import running
from harness.compile import Elf
from harness.errors import BenchError
from harness.link.messages import SamplingParams
from harness.link.prompt import Prompt
from harness.link.session import Session

CPUS, CORES, N_TEXTS, N_DECODE = ("cortex-a72",), (1,), 20, 2
NEXT_TEXT = 104_729  # a prime: each text has other tokens
OTHER_QUESTIONS = ("kernels", "mca", "functions", "ctx_list", "plot", "save", "check")


def bench_latency(args: argparse.Namespace, built: Built, compiler: str) -> int:
    """Boot each CPU and number of cores once, print, keep."""
    given = [name for name in OTHER_QUESTIONS if getattr(args, name)]
    if given:
        flag = "--" + given[0].replace("_", "-")
        raise BenchError(f"--latency and {flag} are two questions", hint=f"leave {flag} out")
    n_decode = 0 if built.vectors else args.n_decode or N_DECODE
    n_ctx = require_manifest(built.directory)["n_ctx"]
    lengths = usable_contexts(args.latency, n_decode, n_ctx)
    cores = usable_cores(args.smp or CORES)
    if not lengths or not cores:
        raise BenchError("nothing is left to run", hint="smaller numbers for --latency and --smp")
    runs = [(cpu, n) for cpu in args.cpu or CPUS for n in cores]
    found = [
        each
        for cpu, n_cores in runs
        for each in measure_latency(
            built, cpu, n_cores, lengths, repeat=args.repeat or N_TEXTS, n_decode=n_decode
        )
    ]
    report = {
        "model": built.model_path.stem,
        "compiler": compiler,
        "latency": [each.as_dict() for each in found],
    }
    print_report(json.dumps(report) if args.json else latency_table(found))
    keep_json(built.directory / "latency.json", report)
    return 0


def measure_latency(
    built: Built, cpu: str, n_cores: int, lengths: Sequence[int], *, repeat: int, n_decode: int
) -> list[Latency]:
    """One boot: `repeat` texts of each length, each from its first token on, one after another."""
    options = TargetOptions(cpu, None, icount=False, twin=False)
    with counting(Elf.read(built.elf), built.directory) as found:
        extra = [*found.arguments, "-smp", str(n_cores)]
        with (
            running(built, options, extra=extra) as session,
            bar("counting", len(lengths) * repeat, "texts") as shown,
        ):
            for i in range(len(lengths) * repeat):
                _ask(session, _text(session, i, lengths[i // repeat]), n_decode)
                shown.advance(1)
    return latencies(
        found.counts, cpu=cpu, cores=n_cores, lengths=lengths, repeat=repeat, n_decode=n_decode
    )


def _text(session: Session, number: int, n_tokens: int) -> Prompt:
    """Another one for each number, and the same one every time."""
    n_ids = session.welcome.n_vocab_rows - FIRST_ID
    return Prompt.of_ids(
        [FIRST_ID + (number * NEXT_TEXT + i * STRIDE) % n_ids for i in range(n_tokens)]
    )


def _ask(session: Session, text: Prompt, n_decode: int) -> None:
    if not n_decode:
        session.embed([text], pooling="mean")  # whichever: they take about the same
        return
    # The first token comes out of the text's own pass; each further one is a pass of its own.
    session.generate(text, SamplingParams(n_predict=n_decode + 1, temp=0.0, ignore_eog=True))
