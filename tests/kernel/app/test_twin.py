"""kernel/app/serve.c as a host program: a person at the console, and programs on the link."""

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from harness.boot.target import FdStream
from harness.boot.twin import boot_twin
from harness.errors import LinkError
from harness.link.messages import SamplingParams, Stop
from harness.link.prompt import Prompt
from harness.link.session import Session
from harness.link.stream import ByteStream
from tests.harness.link.faulty import FaultyStream
from tests.kernel.app.conftest import N_CTX, Twin

pytestmark = pytest.mark.slow

STATS = re.compile(r"\[(\d+) prompt tokens.*; (\d+) generated.*; context (\d+) of 256; seed (\d+)")
WHOLE = SamplingParams(n_predict=40, temp=0.9, seed=7, ignore_eog=True)
GREEDY = SamplingParams(n_predict=16, temp=0.0, ignore_eog=True)


def type_lines(twin: Twin, *lines: str) -> str:
    """The screen after some lines; the program must end by itself and well."""
    done = subprocess.run(
        [str(twin.program), "--blob", str(twin.blob)],
        input="".join(line + "\r" for line in lines).encode(),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout.decode()


@contextmanager
def connected(
    twin: Twin, wrap: Callable[[ByteStream], ByteStream] = lambda s: s
) -> Iterator[Session]:
    with boot_twin(twin.program, twin.blob) as target:
        session = Session(wrap(target.stream))
        session.connect()
        yield session


def test_a_line_is_answered_and_the_same_seed_repeats_the_answer(twin: Twin) -> None:
    screen = type_lines(twin, "/seed 11", "/n 12", "go on", "/reset", "go on", "/poweroff")
    first, second = screen.split("> go on\r\n")[1:]
    assert first.split("[")[0] == second.split("[")[0]
    stats = [STATS.search(answer) for answer in (first, second)]
    assert all(match and match[4] == "11" for match in stats)


def test_a_second_line_continues_the_conversation_until_the_context_is_full(twin: Twin) -> None:
    lines = ["go on"] * 20
    screen = type_lines(twin, "/seed 3", "/n 12", *lines)
    contexts = [int(n) for n in re.findall(r"context (\d+) of", screen)]
    assert len(contexts) == len(lines)
    assert contexts[0] + 12 < contexts[1]
    assert "[context full: a new conversation]" in screen
    drops = [after for before, after in pairwise(contexts) if after < before]
    assert drops == [contexts[0]]  # begun anew once, as the first line was


def test_the_end_of_input_ends_the_program(twin: Twin) -> None:
    assert type_lines(twin) == "> "
    assert type_lines(twin, "/temp 0.5", "/seed 18446744073709551615", "") == (
        "> /temp 0.5\r\n> /seed 18446744073709551615\r\n> \r\n> "
    )


@pytest.mark.parametrize("line", ["/nonsense", "/temp", "/temp x", "/n -1", "/seed 1e3", "/help!"])
def test_a_wrong_command_says_so(twin: Twin, line: str) -> None:
    assert "Not understood" in type_lines(twin, line)


def test_what_is_not_understood_changes_nothing(twin: Twin) -> None:
    commands = ["/seed 11", "/seed 5x", "/temp 0", "/temp 9x", "/n 8"]
    screen = type_lines(twin, *commands, "go on", "/reset", "/seed 12", "go on")
    first, second = screen.split("> go on\r\n")[1:]
    assert screen.count("Not understood") == 2
    assert "seed 11]" in first
    assert first.split("[")[0] == second.split("\r\n[")[0] + "\r\n", "still greedy"


def test_typed_control_tokens_are_text(twin: Twin) -> None:
    screen = type_lines(twin, "/n 1", "<s></s>")
    match = STATS.search(screen)
    assert match
    assert int(match[1]) > 3  # BOS and the characters


def test_a_line_that_exceeds_the_context_is_refused(twin: Twin) -> None:
    assert "the context holds 256" in type_lines(twin, "q" * 400)


def test_ctrl_c_stops_the_answer_and_not_the_machine(twin: Twin) -> None:
    with boot_twin(twin.program, twin.blob) as target:
        target.stream.write(b"/n 200\rtell\r")
        screen = b""
        while b"tell\r\n" not in screen or len(screen.split(b"tell\r\n")[1]) < 8:
            screen += target.stream.read(10)
        target.stream.write(b"\x03")
        while not screen.endswith(b"]\r\n> "):
            screen += target.stream.read(10)
        assert b"^C\r\n[" in screen
        target.stream.write(b"/stats\r")
        assert target.stream.read(10) != b""


def test_an_answer_over_the_link_reports_everything(twin: Twin) -> None:
    with connected(twin) as session:
        ids = session.tokenize("some words")
        answer = session.generate("some words", WHOLE, want_logits=True)
        assert answer.prompt_ids == tuple(ids)
        assert len(answer.ids) == 40
        assert answer.logits is not None
        assert answer.logits.shape == (40, session.welcome.n_vocab_rows)
        assert answer.stats is not None
        assert answer.stats.n_prompt == len(ids)
        assert answer.stats.n_past == len(ids) + 40
        session.poweroff()


def test_reused_keys_and_values_change_no_token(twin: Twin) -> None:
    with connected(twin) as session:
        fresh = session.generate("one two three", GREEDY)
        session.generate("one two four", GREEDY)
        again = session.generate("one two three", GREEDY)
        whole = session.generate([*again.prompt_ids, *again.ids], GREEDY)
        appended = session.generate("one two three", GREEDY)
        appended = session.generate([appended.ids[-1]], GREEDY, append=True)
    assert again.stats
    assert whole.stats
    assert appended.stats
    assert again.ids == fresh.ids
    assert 0 < again.stats.n_reused < len(again.prompt_ids)
    assert whole.stats.n_reused == len(again.prompt_ids) + len(again.ids) - 1
    assert appended.stats.n_past == len(fresh.prompt_ids) + 16 + 1 + 16


def test_the_context_fills_up_and_then_refuses(twin: Twin) -> None:
    with connected(twin) as session:
        full = session.generate([5] * (N_CTX - 3), GREEDY)
        assert full.stop == "context"
        assert len(full.ids) == 4  # three go into the context, the last one has no room
        with pytest.raises(LinkError, match="256 tokens in the context and 1 of the prompt"):
            session.generate([5], GREEDY, append=True)
        with pytest.raises(LinkError, match="the prompt has 257 tokens, the context holds 256"):
            session.generate([5] * (N_CTX + 1), GREEDY)
        with pytest.raises(LinkError, match="token ids end at 511"):
            session.generate([512], GREEDY)
        with pytest.raises(LinkError, match="empty"):
            session.generate([], GREEDY)
        with pytest.raises(LinkError, match="not readable"):
            session.read_memory(0, 16)
        assert session.generate([5], GREEDY).stop == "length"


def test_an_abort_while_the_prompt_is_read_counts_what_was_computed(twin: Twin) -> None:
    with connected(twin) as session:
        cut = session.generate(
            Prompt.of_ids([1] * 200), GREEDY, on_prefill=lambda prefill: session.abort()
        )
        assert cut.stop == "abort"
        assert cut.stats
        assert 0 < cut.stats.n_prompt < 200
        assert cut.stats.n_past == 200
        after = session.generate(Prompt.of_ids([1] * 200), GREEDY)
        assert after.stats
        assert after.stats.n_reused == cut.stats.n_prompt


def test_abort_ends_an_answer_and_the_next_one_is_whole(twin: Twin) -> None:
    with connected(twin) as session:
        params = SamplingParams(n_predict=250, temp=0.0, ignore_eog=True)
        cut = session.generate("x", params, on_token=lambda token: session.abort())
        assert cut.stop == Stop.ABORT.label
        assert 0 < len(cut.ids) < 250
        assert len(session.generate("x", GREEDY).ids) == 16


def test_a_host_that_comes_back_in_the_middle_is_welcomed(twin: Twin) -> None:
    with boot_twin(twin.program, twin.blob) as target:
        first = Session(target.stream)
        first.connect()
        with pytest.raises(ZeroDivisionError):
            first.generate("x", WHOLE, on_token=lambda token: 1 // 0)  # type: ignore[arg-type]
        second = Session(target.stream)
        second.connect()
        assert len(second.generate("x", WHOLE).ids) == 40


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_bad_line_changes_no_token(twin: Twin, seed: int) -> None:
    prompt = "words " * 50
    with connected(twin) as session:
        clean = session.generate(prompt, WHOLE)
    with connected(twin, lambda stream: FaultyStream(stream, 0.002, seed)) as session:
        answer = session.generate(prompt, WHOLE)
    assert (answer.prompt_ids, answer.ids) == (clean.prompt_ids, clean.ids)


def test_garbage_before_hello_does_no_harm(twin: Twin) -> None:
    with boot_twin(twin.program, twin.blob) as target:
        assert isinstance(target.stream, FdStream)
        target.stream.write(bytes(range(256)) * 40)
        session = Session(target.stream)
        session.connect()
        assert len(session.generate("x", WHOLE).ids) == 40


def test_idle_waiting_costs_no_cpu_time(twin: Twin) -> None:
    with boot_twin(twin.program, twin.blob) as target:
        session = Session(target.stream)
        session.connect()
        process = next(
            int(entry.name)
            for entry in Path("/proc").glob("[0-9]*")
            if (entry / "cmdline").is_file()
            and (entry / "cmdline").read_bytes().startswith(str(twin.program).encode())
        )
        threading.Event().wait(0.4)  # the link listens for a moment after each frame
        before = time.clock_gettime(_cpu_clock(process))
        threading.Event().wait(0.5)
        assert time.clock_gettime(_cpu_clock(process)) - before < 0.05


def _cpu_clock(pid: int) -> int:
    """clock_getcpuclockid() on Linux."""
    return ~pid << 3 | 2


def damaged(blob: bytes, name: str) -> bytes:
    match name:
        case "truncated":
            return blob[:-64]
        case "payload":
            return blob[:5000] + bytes([blob[5000] ^ 1]) + blob[5001:]
        case "header":
            return blob[:20] + b"\xff" + blob[21:]
        case "magic":
            return b"GGUF" + blob[4:]
    return b""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("truncated", "expected"),
        ("payload", "is damaged"),
        ("header", "header is damaged"),
        ("magic", "not a model blob"),
        ("empty", "has 0 bytes"),
    ],
)
def test_a_wrong_blob_is_refused_with_a_sentence(
    twin: Twin, tmp_path: Path, name: str, message: str
) -> None:
    path = tmp_path / "wrong.blob"
    path.write_bytes(damaged(twin.blob.read_bytes(), name))
    done = subprocess.run([str(twin.program), "--blob", str(path)], capture_output=True, timeout=60)
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert done.stdout == b""
