"""`bench`: executed instructions per token, by phase; a baseline, and a check against it."""

import argparse
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.bench.baseline import Baseline, changes, counts_of, read_baseline
from harness.bench.kernels import kernels_table, products_table
from harness.bench.mca import as_json, mca_table
from harness.bench.profile import Profile, Weights, weights_of
from harness.bench.table import tables
from harness.cli.bench_kernels import count_kernels
from harness.cli.bench_latency import bench_latency
from harness.cli.bench_mca import model_loops
from harness.cli.bench_runs import measure, usable_contexts, usable_cores
from harness.cli.bench_speed import bench_speed
from harness.cli.manifest import keep_json, require_manifest
from harness.cli.options import (
    BuildOptions,
    add_build,
    add_model,
    add_where,
    build_options,
    positive,
)
from harness.cli.pipeline import Built, built_from
from harness.cli.progress import note
from harness.cli.report import print_report
from harness.cli.serial_port import SerialPort
from harness.compile.sources import ROOT
from harness.errors import BenchError
from harness.gguf import read_gguf

BASELINE = ROOT / "tests" / "bench" / "baseline.json"
CPUS, CORES, CONTEXTS, N_DECODE = ("cortex-a72",), (1, 2, 4), (16, 128, 1024), 4
# What a baseline holds: short enough for every run of the tests.
BASELINE_CPUS, BASELINE_CORES, BASELINE_CONTEXTS = ("cortex-a72", "max"), (1, 4), (16, 128)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, what to run, what to do with the counts."""
    add_model(parser, image_dir=True)
    add_build(parser)
    group = parser.add_argument_group("runs")
    group.add_argument("--cpu", type=names, metavar="A,B", help="QEMU's CPU models")
    group.add_argument("--smp", type=numbers, metavar="1,2,4", help="numbers of cores")
    group.add_argument("--ctx-list", type=numbers, metavar="16,128,1024", help="prompt lengths")
    group.add_argument("-n", "--n-decode", type=positive, metavar="N", help="tokens to decode")
    add_where(group)
    group = parser.add_argument_group("other questions")
    group.add_argument(
        "--latency", type=numbers, metavar="8,32,128",
        help="P50 and P95 of texts of so many tokens, in instructions; of embedding models too",
    )  # fmt: skip
    group.add_argument(
        "--repeat", type=positive, metavar="N", help="texts of each length (default: 20)"
    )
    group.add_argument("--kernels", action="store_true", help="portable against NEON, by operation")
    group.add_argument("--mca", action="store_true", help="cycles of hot loops, by llvm-mca")
    group = parser.add_argument_group("what to do with the counts")
    group.add_argument("--json", action="store_true", help="one JSON object on stdout")
    group.add_argument("--functions", action="store_true", help="name the functions of each row")
    group.add_argument("--plot", type=Path, metavar="FILE.png", help="a picture of the table")
    for flag, summary in (
        ("--save", "keep the counts as baseline"),
        ("--check", "measure what the baseline holds; exit 1 when a count grew by over 3 %%"),
    ):
        group.add_argument(
            flag, type=Path, nargs="?", const=BASELINE, metavar="FILE.json",
            help=f"{summary} (default: tests/bench/baseline.json)",
        )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Build, boot each combination under the plugin, print, plot, save, compare."""
    if isinstance(args.target, SerialPort):
        return bench_speed(args, built_from(replace(build_options(args), cpu=None)), args.target)
    if args.repeat and not args.latency:
        raise BenchError("--repeat is how many texts --latency takes", hint="--latency 8,32,128")
    if args.latency:
        built = built_from(replace(build_options(args), cpu=None))
        return bench_latency(args, built, compiler_of(built))
    baseline = read_baseline(args.check) if args.check else None
    _settle(args, baseline)
    options = replace(build_options(args), cpu=None)
    built = built_from(options, makes="text")
    if args.kernels:
        return _kernels(args, replace(options, model=built.model_path), built)
    weights = weights_of(read_gguf(built.model_path))
    if args.mca:
        return _mca(args, built, weights)
    n_ctx = require_manifest(built.directory)["n_ctx"]
    cores = usable_cores(args.smp)
    contexts = usable_contexts(args.ctx_list, args.n_decode, n_ctx)
    if not cores or not contexts:
        raise BenchError("nothing is left to run", hint="smaller numbers for --smp and --ctx-list")
    profiles = measure(built, cpus=args.cpu, cores=cores, contexts=contexts, n_decode=args.n_decode)
    report = _report(built, weights, profiles)
    print_report(
        json.dumps(report) if args.json else tables(profiles, weights, functions=args.functions)
    )
    keep_json(built.directory / "bench.json", report)
    if args.plot:
        _plot(profiles, built, args.plot)
    if args.save:
        _save(args, built, profiles, cores, contexts)
    return _judge(baseline, built, profiles) if baseline else 0


def _kernels(args: argparse.Namespace, options: BuildOptions, built: Built) -> int:
    counted = {cpu: count_kernels(options, built, cpu) for cpu in args.cpu}
    if args.json:
        print(json.dumps({cpu: [asdict(o) for o in counts] for cpu, counts in counted.items()}))
    else:
        tables = (
            make(*each) for each in counted.items() for make in (kernels_table, products_table)
        )
        print("\n\n".join(tables))
    return 0


def _mca(args: argparse.Namespace, built: Built, weights: Weights) -> int:
    loops = {cpu: model_loops(built, weights, cpu) for cpu in args.cpu}
    if args.json:
        print(json.dumps({cpu: as_json(found) for cpu, found in loops.items()}))
    else:
        for cpu, found in loops.items():
            print(f"loops that run on {cpu}, {compiler_of(built)}; {mca_table(found)}")
    return 0


def _settle(args: argparse.Namespace, baseline: Baseline | None) -> None:
    """Fill in what was not asked for: the baseline's runs, or the usual ones."""
    if baseline:
        if args.cpu or args.smp or args.ctx_list or args.n_decode:
            raise BenchError(
                "--check measures what the baseline holds",
                hint="leave out --cpu, --smp, --ctx-list and -n",
            )
        args.cpu, args.smp = list(baseline.cpus), list(baseline.cores)
        args.ctx_list, args.n_decode = list(baseline.contexts), baseline.n_decode
    args.cpu = args.cpu or list(BASELINE_CPUS if args.save else CPUS)
    args.smp = args.smp or list(BASELINE_CORES if args.save else CORES)
    args.ctx_list = args.ctx_list or list(BASELINE_CONTEXTS if args.save else CONTEXTS)
    args.n_decode = args.n_decode or N_DECODE


def _report(built: Built, weights: Weights, profiles: list[Profile]) -> dict[str, Any]:
    return {
        "model": built.model_path.stem,
        "compiler": compiler_of(built),
        "weights": {**weights.by_type, "head": weights.head, "total": weights.total},
        "runs": [profile.as_dict() for profile in profiles],
    }


def compiler_of(built: Built) -> str:
    """`clang 19`: other compilers make other code."""
    toolchain = require_manifest(built.directory)["toolchain"]
    match = re.match(r"(\w+ \d+)", toolchain)
    return match[1] if match else str(toolchain)


def _plot(profiles: list[Profile], built: Built, path: Path) -> None:
    from harness.bench.plot import plot_profiles  # needs matplotlib, which nothing else needs

    plot_profiles(profiles, f"{built.model_path.stem}, {compiler_of(built)}", path)
    note(f"wrote {path}")


def _save(
    args: argparse.Namespace,
    built: Built,
    profiles: list[Profile],
    cores: tuple[int, ...],
    contexts: tuple[int, ...],
) -> None:
    """Other compilers' counts stay as they are when the runs are the same."""
    new = Baseline(
        model=built.model_path.stem,
        cpus=tuple(args.cpu),
        cores=cores,
        contexts=contexts,
        n_decode=args.n_decode,
        compilers={},
    )
    old = read_baseline(args.save) if args.save.is_file() else new
    kept = old.compilers if replace(old, compilers={}) == new else {}
    compilers = {**kept, compiler_of(built): counts_of(profiles)}
    replace(new, compilers=compilers).save(args.save)
    note(f"wrote {args.save}: {', '.join(compilers)}")


def _judge(baseline: Baseline, built: Built, profiles: list[Profile]) -> int:
    """1 when a count grew by more than the limit."""
    compiler = compiler_of(built)
    if baseline.model != built.model_path.stem:
        raise BenchError(f"the baseline is of {baseline.model}, not of {built.model_path.stem}")
    if compiler not in baseline.compilers:
        raise BenchError(
            f"the baseline has counts of {', '.join(baseline.compilers)}, this is {compiler}",
            hint="--cc /path/to/that/compiler, or --save to add this one's",
        )
    found = changes(baseline.compilers[compiler], counts_of(profiles))
    for change in found:
        note(f"{'REGRESSION' if change.is_regression else 'better'}: {change}")
    if any(change.is_regression for change in found):
        note("verdict: FAIL")
        return 1
    better = "; --save makes the better counts the new baseline" if found else ""
    note(f"verdict: PASS{better}")
    return 0


def names(text: str) -> list[str]:
    """`a,b`: at least one word."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list like cortex-a53,max")
    return words


def numbers(text: str) -> list[int]:
    """`1,2,4`: at least one number, each from 1 on."""
    return [positive(word) for word in names(text)]
