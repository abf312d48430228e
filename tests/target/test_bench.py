"""What `bench` counts: the same each time, all of it known, and no more than the baseline."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.bench.baseline import counts_of, read_baseline
from harness.bench.kernels import per_multiply_add, ratio
from harness.bench.profile import weights_of
from harness.cli.bench import BASELINE, compiler_of
from harness.cli.bench_kernels import count_kernels
from harness.cli.bench_runs import measure
from harness.cli.default_model import default_model
from harness.cli.main import main
from harness.cli.options import BuildOptions
from harness.cli.pipeline import Built, build
from harness.gguf import read_gguf
from tests.target.machine import needs_qemu

pytestmark = pytest.mark.target


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> BuildOptions:
    out = tmp_path_factory.mktemp("bench")
    return BuildOptions(default_model(out), "virt", None, "f16", None, None, out)


@pytest.fixture(scope="module")
def built(options: BuildOptions) -> Built:
    needs_qemu()
    return build(options)


def test_counts_repeat_to_the_instruction_and_nearly_all_of_them_are_known(built: Built) -> None:
    def once() -> list[dict[str, int]]:
        profiles = measure(built, cpus=["max"], cores=[1], contexts=[8], n_decode=2)
        return list(counts_of(profiles).values())

    prefill, decode = once()
    assert once() == [prefill, decode]
    weights = weights_of(read_gguf(built.model_path))
    assert 0.1 < decode["total"] / weights.total < 1
    for counts in (prefill, decode):
        assert {"matmul q4_k", "matmul q6_k", "attention", "output head"} <= set(counts)
        assert sum(counts.values()) - counts["total"] == pytest.approx(counts["total"], abs=20)
        assert counts.get("other", 0) < 0.01 * counts["total"]


def test_no_count_is_above_the_saved_baseline(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = read_baseline(BASELINE)
    compiler = compiler_of(built)
    if compiler not in baseline.compilers:
        pytest.skip(f"no baseline for {compiler}; `python -m harness bench --save` makes one")
    run = ["bench", "-m", str(built.model_path), "-o", str(built.directory.parents[1])]
    assert main([*run, "--check"]) == 0, capsys.readouterr().err
    assert "verdict: PASS" in capsys.readouterr().err

    # The same check fails when the baseline was better by more than the limit.
    short = replace(baseline, cpus=("max",), contexts=(16,))
    better = {
        run: {kind: n * 95 // 100 for kind, n in kinds.items()}
        for run, kinds in baseline.compilers[compiler].items()
        if run.startswith("max") and "context 16" in run
    }
    replace(short, compilers={compiler: better}).save(tmp_path / "better.json")
    assert main([*run, "--check", str(tmp_path / "better.json")]) == 1
    assert "REGRESSION: max, 1 core, context 16, decode: total" in capsys.readouterr().err


# Instructions per weight and token that a product may take; what others take is in the README.
MOST = {
    ("q4_k", "token_neon"): 0.35,
    ("q4_k", "token_dotprod"): 0.22,
    ("q6_k", "token_neon"): 0.47,
    ("q6_k", "token_dotprod"): 0.30,
    ("q8_0", "token_neon"): 0.38,
    ("q8_0", "token_dotprod"): 0.20,
    ("q4_k", "batch_neon"): 0.28,
    ("q4_k", "batch_dotprod"): 0.13,
    ("q4_k", "batch_i8mm"): 0.10,
}


def test_operations_by_themselves_take_few_instructions_on_every_tier(
    options: BuildOptions, built: Built
) -> None:
    found = count_kernels(options, built, "max")
    counted = per_multiply_add(found)
    assert {run: counted[run] for run, most in MOST.items() if counted[run] > most} == {}

    assert {o.n_blocks for o in found if o.name == "dot"} == {32, 128, 512}
    for type_name in ("q4_k", "q6_k"):
        for name in ("dequantize_multiply", "dot"):
            assert ratio(found, type_name, name, 512) >= 10


def test_latency_repeats_to_the_instruction_and_grows_with_the_text(
    built: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    def once() -> list[dict[str, Any]]:
        run = ["bench", "-m", str(built.directory), "--cpu", "max", "--json"]
        assert main([*run, "--latency", "4,8", "--repeat", "3", "-n", "1"]) == 0
        return list(json.loads(capsys.readouterr().out)["latency"])

    short, long = once()
    assert once() == [short, long]
    assert (short["n_tokens"], long["n_tokens"], long["makes"]) == (4, 8, "logits")
    for facts in (short, long):
        assert len(facts["texts"]) == 3
        assert facts["texts_percentiles"]["p50"] == sorted(facts["texts"])[1]
        assert facts["texts_percentiles"]["p95"] == max(facts["texts"])
        assert len(facts["decoded"]) == 3
        # What depends on the values is little.
        assert max(facts["texts"]) < 1.05 * min(facts["texts"])
    assert 1.5 < min(long["texts"]) / max(short["texts"]) < 2.5


@pytest.mark.parametrize(
    "wrong", [("--repeat", "3"), ("--latency", "8", "--check"), ("--latency", "100000")]
)
def test_latency_by_itself(
    built: Built, wrong: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "-m", str(built.directory), *wrong]) == 2
    assert "hint:" in capsys.readouterr().err
