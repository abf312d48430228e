"""Errors, exit codes and the shape of the command line; nothing here boots an image."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main as cli
from harness.cli.main import main
from harness.errors import HarnessError, TargetError
from harness.synth import synthesize

ROOT = Path(__file__).resolve().parents[3]
MODEL = ("-m", "missing.gguf")

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesize("micro", quant="F16", path=tmp_path_factory.mktemp("cli") / "micro.gguf")


def failed(argv: list[str], capsys: Capture, exit_code: int = 2) -> str:
    """stderr of a command that fails as it should: one error, no traceback, no output."""
    assert main(argv) == exit_code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert "Traceback" not in err
    return err


def test_no_verb_lists_what_is_wrong(capsys: Capture) -> None:
    assert "required: VERB" in failed([], capsys)


@pytest.mark.parametrize("word", ["flsah", "benhc"])
def test_unknown_verb_names_the_known(word: str, capsys: Capture) -> None:
    err = failed([word], capsys)
    assert word in err
    for verb in cli.VERBS:
        assert verb in err


def test_help_lists_all_verbs(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"    {verb} " in out for verb in cli.VERBS)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help(verb: str, capsys: Capture) -> None:
    assert main([verb, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m harness {verb}")


@pytest.mark.parametrize("verb", ["build", "run", "verify", "inspect", "symbols"])
def test_a_missing_model_is_named_with_a_hint(verb: str, capsys: Capture) -> None:
    prompt = ["-p", "x"] if verb in ("run", "verify") else []
    err = failed([verb, *MODEL, *prompt], capsys)
    assert "missing.gguf" in err
    assert "\n  hint: " in err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--smp", "0"], "--smp 0: the kernel uses 1 to 8 cores\n  hint: --smp 1"),
        (["--smp", "9"], "--smp 9: the kernel uses 1 to 8 cores\n  hint: --smp 8"),
        (["--smp", "2", "--icount"], "--icount --smp 2: QEMU counts"),
        (["--ram", "lots"], "'lots' is not a size like 512M or 2G"),
        (["--ctx", "0"], "0 is not between 1 and"),
        (["--ctx", "many"], "'many' is not a whole number"),
        (["-n", "-2"], "-2 is not between -1 and"),
        (["--seed", str(1 << 64)], "is not between -1 and"),
        (["--repeat-penalty", "0"], "0 is not above 0"),
        (["--temp", "1e300"], "1e300 is not a finite number"),
        (["--kv", "q8"], "invalid choice: 'q8'"),
        (["--prompt-ids", "1,x"], "'1,x' is not a list like 1,2,3"),
        (["--prompt-ids", "-1"], "--prompt-ids"),
        (["--prompt-ids", "1,-1"], "not a list of token ids"),
        (["--temp", "nan"], "nan is not a finite number"),
        (["--top-k", "1.5"], "'1.5' is not a whole number"),
        (["--prompt", "x", "--prompt-ids", "1"], "not allowed with"),
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
    ],
)
def test_a_wrong_argument_says_what_is_wrong(argv: list[str], says: str, capsys: Capture) -> None:
    assert says in failed(["run", *MODEL, *argv], capsys)


def test_run_without_a_prompt_asks_for_one(capsys: Capture) -> None:
    assert "no prompt" in failed(["run", *MODEL], capsys)


def test_a_prompt_file_that_is_not_there_is_an_error(capsys: Capture) -> None:
    assert "cannot read the prompt" in failed(["run", *MODEL, "-f", "missing.txt"], capsys)


def test_a_directory_that_is_no_image_is_refused(tmp_path: Path, capsys: Capture) -> None:
    assert "not an image directory" in failed(["run", "-m", str(tmp_path), "-p", "x"], capsys)


def test_an_unknown_board_is_answered_with_the_known(tiny: Path, capsys: Capture) -> None:
    err = failed(["inspect", "-m", str(tiny), "--board", "toaster"], capsys)
    assert "toaster" in err
    assert "virt" in err


def test_a_missing_compiler_is_named_with_what_to_install(
    tiny: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("HARNESS_QEMU_PATH", raising=False)
    err = failed(["build", "-m", str(tiny), "-o", str(tmp_path)], capsys)
    assert "no AArch64 compiler found\n  looked for: " in err
    assert "\n  hint: apt install clang" in err


def test_a_plan_that_does_not_fit_names_the_flag(tiny: Path, capsys: Capture) -> None:
    assert "--ctx" in failed(["inspect", "-m", str(tiny), "--ctx", "1000000"], capsys)


def test_inspect_prints_facts_and_plan(tiny: Path, capsys: Capture) -> None:
    assert main(["inspect", "-m", str(tiny)]) == 0
    out = capsys.readouterr().out
    assert "parameters" in out
    assert "kv_cache" in out


def test_inspect_json_is_one_object(tiny: Path, capsys: Capture) -> None:
    assert main(["inspect", "-m", str(tiny), "--json", "--ctx", "64"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["model"]["n_layer"] == 5
    assert facts["plan"]["n_ctx"] == 64
    assert facts["fit"]["fits"] is True
    assert facts["fit"]["n_ctx"] == 64
    assert facts["fit"]["largest_ctx"] == facts["model"]["n_ctx_train"]


def test_inspect_predicts_what_a_board_may_do(tiny: Path, capsys: Capture) -> None:
    assert main(["inspect", "-m", str(tiny), "--board", "pi5-8g", "--json"]) == 0
    fit = json.loads(capsys.readouterr().out)["fit"]
    assert (fit["board"], fit["fits"], fit["smallest_board"]) == ("pi5-8g", True, "pi5-2g")
    assert fit["is_prediction"] is True
    assert all(ceiling["tokens_per_s"] > 0 for ceiling in fit["ceilings"])
    assert main(["inspect", "-m", str(tiny), "--board", "pi5-3g"]) == 2
    assert "pi5-2g, pi5-4g, pi5-8g, pi5-16g" in capsys.readouterr().err


def test_inspect_says_what_it_knows_of_a_model_that_does_not_fit(
    tiny: Path, capsys: Capture
) -> None:
    assert main(["inspect", "-m", str(tiny), "--ram", "4M", "--json"]) == 2
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert facts["plan"] is None
    assert facts["fit"]["fits"] is False
    assert facts["fit"]["refusal"] in said.err
    assert facts["model"]["n_layer"] == 5
    assert main(["inspect", "-m", str(tiny), "--ram", "4M"]) == 2
    out = capsys.readouterr().out
    assert "on virt     no, with a context of 2,048 tokens" in out
    assert "kv_cache" not in out, "there is no plan to show"


def test_synth_writes_what_inspect_reads(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "model.gguf"
    assert main(["synth", "--like", "micro", "--quant", "Q8_0", "-o", str(path)]) == 0
    assert main(["inspect", "-m", str(path)]) == 0
    assert "Q8_0" in capsys.readouterr().out


def test_synth_names_an_unknown_shape(tmp_path: Path, capsys: Capture) -> None:
    assert "gigantic" in failed(["synth", "--like", "gigantic", "-o", str(tmp_path / "x")], capsys)


def test_doctor_reports_every_finding(capsys: Capture) -> None:
    code = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == (0 if report["ok"] else 2)
    assert {"python", "cross compiler", "serial"} <= {f["name"] for f in report["findings"]}


def test_doctor_lists_all_that_path_lacks(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("HARNESS_QEMU_PATH", raising=False)
    assert main(["doctor"]) == 2
    out = capsys.readouterr().out
    assert "MISSING  cross compiler" in out
    assert "MISSING  qemu" in out


class Raising:
    """Stands in for a verb's module."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def add_arguments(self, _parser: object) -> None:
        pass

    def run(self, _args: object) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("error", "exit_code", "says"),
    [
        (HarnessError("it is wrong", hint="do it right"), 2, "error: it is wrong\n  hint: do it"),
        (TargetError("it died"), 3, "error: it died\n"),
        (ZeroDivisionError("oops"), 70, "error: ZeroDivisionError: oops\n  hint: this is a bug"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(13, "Permission denied", "/x"), 2, "error: /x: Permission denied\n"),
        (ModuleNotFoundError("no", name="gguf.quants"), 2, "package gguf.quants is not installed"),
    ],
)
def test_exceptions_become_sentences(
    error: BaseException,
    exit_code: int,
    says: str,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.cli.main.importlib.import_module", lambda _name: Raising(error))
    assert main(["doctor"]) == exit_code
    err = capsys.readouterr().err
    assert says in err
    assert "Traceback" not in err


def test_a_traceback_is_shown_on_request(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAREWORD_DEBUG", "1")
    monkeypatch.setattr(
        "harness.cli.main.importlib.import_module", lambda _: Raising(ValueError("oops"))
    )
    assert main(["doctor"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_reader_that_goes_away_is_no_error(tiny: Path) -> None:
    command = f"{sys.executable} -m harness inspect -m {tiny} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=os.environ, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_doctor_runs_without_any_package() -> None:
    """-S -I: the standard library and this checkout only."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from harness.cli.main import main\nsys.exit(main(['doctor']))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "MISSING  python numpy" in done.stdout
    assert done.stderr == ""


def test_other_verbs_name_the_missing_package() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from harness.cli.main import main\nsys.exit(main(['inspect']))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the Python package numpy is not installed\n  hint: ")


def test_an_interrupt_while_modules_load_is_only_an_interrupt() -> None:
    code = (
        "import os, signal, sys, harness.__main__ as start; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # ignored in a background job
        "os.kill(os.getpid(), signal.SIGINT); "
        "sys.exit(start.main(['inspect', '-m', 'missing.gguf']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
