"""run, chat, verify, build and symbols on a small model, end to end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from harness.boot.qemu import find_qemu
from harness.compile.twin import native_compiler
from harness.errors import HarnessError
from harness.gguf import read_gguf
from harness.synth import synthesize
from toolchain import find_toolchain

ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.target


class Shell:
    """`python -m harness` on one model, artefacts in one folder."""

    def __init__(self, model: Path, out: Path) -> None:
        self.model = model
        self.out = out
        self.image = out / "virt" / model.stem

    def command(self, verb: str, *arguments: str) -> list[str]:
        where = ["-m", str(self.model), "-o", str(self.out), "--ctx", "256"]
        return [sys.executable, "-m", "harness", verb, *where, *arguments]

    def __call__(
        self, verb: str, *arguments: str, stdin: bytes = b"", exit_code: int = 0
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            self.command(verb, *arguments), input=stdin, cwd=ROOT, capture_output=True, timeout=300
        )
        assert done.returncode == exit_code, done.stderr.decode()
        assert b"Traceback" not in done.stderr
        return done


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    try:
        find_toolchain()
        native_compiler()
        find_qemu()
    except HarnessError as missing:
        pytest.skip(str(missing).splitlines()[0])
    folder = tmp_path_factory.mktemp("run")
    return Shell(synthesize("micro", quant="Q8_0", path=folder / "micro.gguf"), folder / "build")


def test_json_is_one_object_on_stdout(shell: Shell, tmp_path: Path) -> None:
    logits = tmp_path / "logits.npy"
    done = shell("run", "-p", "x", "-n", "5", "--temp", "0", "--json", "--logits", str(logits))
    answer = json.loads(done.stdout)
    assert set(answer) == {"prompt_ids", "ids", "text", "stop", "seed", "target", "timing"}
    assert len(answer["ids"]) == 5
    assert answer["stop"] == "length"
    assert answer["timing"]["decode_s"] > 0
    saved = np.load(logits)
    assert saved.shape == (5, 512)
    assert saved.dtype == np.float32
    assert saved.argmax(axis=1).tolist() == answer["ids"]
    assert json.loads((shell.image / "tokens.json").read_text()) == answer


def test_text_goes_to_stdout_and_statistics_to_stderr(shell: Shell) -> None:
    flags = ("-n", "8", "--seed", "7", "--ignore-eos")
    text = json.loads(shell("run", "-p", "x", *flags, "--json").stdout)["text"]
    done = shell("run", "-p", "x", *flags)
    assert done.stdout.decode() == text + "\n"
    assert b"seed: 7" in done.stderr
    assert b"tokens per second" in done.stderr


def test_prompt_from_stdin_file_and_argument_are_the_same(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text("little cat\n")
    flags = ("-n", "4", "--temp", "0", "--json", "--target", "twin")
    answers = [
        json.loads(shell("run", *flags, "-p", "little cat").stdout),
        json.loads(shell("run", *flags, "-p", "-", stdin=b"little cat\n").stdout),
        json.loads(shell("run", *flags, "-f", str(file)).stdout),
    ]
    by_ids = ",".join(map(str, answers[0]["prompt_ids"]))
    answers.append(json.loads(shell("run", *flags, "--prompt-ids", by_ids).stdout))
    assert len({(tuple(a["prompt_ids"]), tuple(a["ids"])) for a in answers}) == 1


def test_instructions_are_counted(shell: Shell) -> None:
    done = shell("run", "-p", "x", "-n", "4", "--ignore-eos", "--json", "--icount")
    counts = json.loads(done.stdout)["timing"]["instructions"]
    assert counts["boot"] > 10_000
    assert counts["decode"] >= 3 * counts["decode_per_token"] > 10_000


def test_image_directory_runs_without_the_model(shell: Shell) -> None:
    shell("build")
    image = Shell(shell.image, shell.out)
    away = shell.model.rename(shell.model.with_name("away"))
    try:
        done = image("run", "-p", "x", "-n", "2", "--ignore-eos", "--json")
    finally:
        away.rename(shell.model)
    assert len(json.loads(done.stdout)["ids"]) == 2


@pytest.mark.parametrize(
    ("flag", "value", "found"), [("--ctx", "128", "256"), ("--kv", "f32", "f16")]
)
def test_an_image_directory_is_not_silently_another_one(
    shell: Shell, flag: str, value: str, found: str
) -> None:
    shell("build")
    done = Shell(shell.image, shell.out)("run", "-p", "x", flag, value, exit_code=2)
    assert f"was built with {flag} {found}, wanted {value}" in done.stderr.decode()


def test_only_what_changed_is_made_again(shell: Shell) -> None:
    shell("build")
    assert b"nothing changed" in shell("build").stdout
    os.utime(shell.model)
    assert b"nothing changed" in shell("build").stdout  # the same bytes
    (shell.image / "model.blob").write_bytes(b"short")
    assert b"nothing changed" not in shell("build").stdout
    assert b"nothing changed" in shell("build").stdout


def test_interrupted_answer_ends_in_order(shell: Shell) -> None:
    # 2048 tokens take seconds, the signal milliseconds.
    shell("build", "--ctx", "2048")
    long = ("-p", "x", "-n", "-1", "--ignore-eos", "--temp", "0", "--ctx", "2048")
    command = shell.command("run", *long)
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        running.stdout.read(1)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert b"Traceback" not in err
    assert b"stop: abort" in err


def test_chat_remembers_earlier_turns(shell: Shell) -> None:
    script = b"one\ntwo\n/stats\n/reset\nthree\n/stats\n/nonsense\n/temp x\n/quit\nnever\n"
    done = shell("chat", "-n", "5", "--temp", "0", "--ignore-eos", stdin=script)
    contexts = [line for line in done.stderr.decode().splitlines() if "context =" in line]
    tokens = [int(line.split("=")[1].split()[0]) for line in contexts]
    assert tokens[0] > tokens[1] > 5  # two turns, then one after /reset
    assert b"/reset      forget" in done.stderr
    assert b"'x': not a number" in done.stderr


def test_chat_ends_with_its_input(shell: Shell) -> None:
    shell("chat", "-n", "2", stdin=b"one")


def test_chat_survives_a_turn_that_is_too_long(shell: Shell) -> None:
    script = b"a b c d e f g h " * 200 + b"\nxyz\n/stats\n"
    done = shell("chat", "-n", "2", "--ignore-eos", stdin=script)
    assert b"error: the kernel refused: the prompt has" in done.stderr
    assert b"context =" in done.stderr


def test_verify_passes_and_leaves_its_verdict(shell: Shell) -> None:
    done = shell("verify", "-n", "4", "--json")
    verdict = json.loads(done.stdout)
    assert verdict["ok"] is True
    assert json.loads((shell.image / "verdict.json").read_text()) == verdict
    assert b"verdict: PASS" in shell("verify", "-n", "2", "--target", "twin").stdout


def test_symbols_lists_every_promise(shell: Shell) -> None:
    report = json.loads(shell("symbols", "--json").stdout)
    promised = [o for o in report["operations"] if o["promised"]]
    assert len(promised) == 7
    assert all(o["reachable"] and o["neon_arithmetic"] and not o["fault"] for o in promised)
    assert shell("symbols").stdout.count(b" yes *") == 7


def test_symbols_tells_which_products_the_model_has_matrices_for(shell: Shell) -> None:
    """The image has those of common types, whatever its model multiplies with."""
    listed = json.loads(shell("symbols", "--json").stdout)["operations"]
    told = {o["symbol"]: o["in_model"] for o in listed}
    used = {symbol for symbol, in_model in told.items() if in_model}
    types = read_gguf(shell.model).matrix_types
    assert used
    assert {symbol.split("_", 1)[1].rsplit("_", 1)[0].upper() for symbol in used} == {
        kind.name for kind in types
    }
    assert told["matvec_q6_k_neon"] is False
    assert told["rmsnorm_neon"] is None


def test_damaged_blob_gives_a_symbolised_panic(shell: Shell, tmp_path: Path) -> None:
    shell("build")
    copy = tmp_path / "image"
    subprocess.run(["cp", "-r", shell.image, copy], check=True)
    kernel8 = copy / "kernel8.img"
    damaged = bytearray(kernel8.read_bytes())
    damaged[-1000] ^= 1
    kernel8.write_bytes(damaged)
    started = time.monotonic()
    done = Shell(copy, shell.out)("run", "-p", "x", exit_code=3)
    assert time.monotonic() - started < 30
    text = done.stderr.decode()
    assert "error: the kernel panicked\n  PANIC cpu=0 platform/blob.c:" in text
    assert "<kernel_main+0x" in text
    assert "hint: console: " in text


def test_a_terminated_build_leaves_no_half_image(shell: Shell) -> None:
    shell("build")
    manifest = shell.image / "manifest.json"
    with subprocess.Popen(shell.command("build", "--kv", "f32"), cwd=ROOT) as building:
        while json.loads(manifest.read_text())["complete"]:
            assert building.poll() is None, "it ended before it could be terminated"
            time.sleep(0.005)
        building.terminate()
    done = Shell(shell.image, shell.out)("run", "-p", "x", exit_code=2)
    assert b"not an image directory" in done.stderr
    assert b"kernel8.img" in shell("build").stdout


def test_an_image_of_another_version_is_named_as_such(shell: Shell) -> None:
    shell("build")
    path = shell.image / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({key: manifest[key] for key in manifest if key != "chat"}))
    try:
        done = Shell(shell.image, shell.out)("run", "-p", "x", exit_code=2)
    finally:
        path.write_text(json.dumps(manifest))
    assert b"another version" in done.stderr


@pytest.mark.parametrize("n_bytes", [0, 4000])
def test_a_damaged_image_is_named_and_made_again(shell: Shell, n_bytes: int) -> None:
    shell("build")
    for name in ("kernel8.img", "kernel.elf"):
        os.truncate(shell.image / name, n_bytes)
    done = Shell(shell.image, shell.out)("run", "-p", "x", exit_code=2)
    assert f"kernel8.img has {n_bytes} bytes, wanted" in done.stderr.decode()
    assert b"kernel.elf, kernel8.img" in shell("build").stdout
    shell("run", "-p", "x", "-n", "1", "--ignore-eos")


def test_less_ram_than_the_image_needs_is_refused(shell: Shell) -> None:
    shell("build")
    done = Shell(shell.image, shell.out)("run", "-p", "x", "--ram", "1M", exit_code=2)
    assert "bytes of RAM" in done.stderr.decode()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_verdict_is_an_exit_code_even_if_nobody_reads_it(shell: Shell, unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    code = (
        "import sys, harness.cli.verify as verb, harness.cli.main as cli; "
        "verb.compare = lambda *a, **k: type('V', (), {'ok': False, 'as_dict': lambda self: {}, "
        "'report': lambda self: 'verdict: FAIL'})(); sys.exit(cli.main(sys.argv[1:]))"
    )
    arguments = shell.command("verify", "-p", "x", "-n", "1", "--ignore-eos")[3:]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, stdout=writer, timeout=120, env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    os.close(writer)
    assert done.returncode == 1


def test_two_runs_at_once_both_answer(shell: Shell) -> None:
    shell("build")
    command = shell.command("run", "-p", "x", "-n", "4", "--temp", "0", "--ignore-eos", "--json")
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]
    answers = [json.loads(running.communicate(timeout=120)[0]) for running in both]
    assert answers[0]["ids"] == answers[1]["ids"]
    assert [running.returncode for running in both] == [0, 0]
    assert json.loads((shell.image / "tokens.json").read_text()) in answers


def test_chat_begins_with_the_prompt_of_the_command_line(shell: Shell) -> None:
    done = shell("chat", "-p", "one", "-n", "3", "--ignore-eos", stdin=b"/stats\n")
    assert b"context =" in done.stderr


def test_build_offers_only_what_it_records(shell: Shell) -> None:
    shell("build", "--cpu", "cortex-a53")
    assert json.loads((shell.image / "manifest.json").read_text())["cpu"] == "cortex-a53"
    for flag in (["--icount"], ["--target", "twin"], ["--smp", "2"]):
        assert b"unrecognized arguments" in shell("build", *flag, exit_code=2).stderr
