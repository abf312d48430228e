"""harness/link/session.py against a device in Python: answers, faults, silence, Ctrl-C."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from harness.errors import LinkError, TargetError
from harness.link.console import TargetPanic
from harness.link.generation import Token
from harness.link.messages import ErrorCode, Msg, Prefill, SamplingParams
from harness.link.prompt import Prompt, Segment
from harness.link.session import Session
from harness.link.stream import ByteStream
from tests.harness.link.fake_device import BUILD_ID, N_ROWS, Script, fake_device
from tests.harness.link.faulty import FaultyStream


@pytest.fixture(autouse=True)
def unscaled_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_TIMEOUT_SCALE", raising=False)


GREEDY = SamplingParams(n_predict=4, temp=0)


def connected(stream: ByteStream, timeout_s: float = 5.0) -> Session:
    session = Session(stream, timeout_s=timeout_s, resend_s=0.05)
    session.connect()
    return session


def test_welcome_arrives_after_boot_text_and_late_boot() -> None:
    seen: list[str] = []
    script = Script(boot_output=b"U-Boot 2023\r\n\0\x03garbage\0\xff\0", boot_s=0.7)
    with fake_device(script) as (stream, _):
        session = Session(stream, on_console=seen.append)
        welcome = session.connect(expected_build_id=BUILD_ID)
    assert (welcome.n_vocab_rows, welcome.ticks_per_s) == (N_ROWS, 1000)
    assert welcome.description == "fake device"
    assert "".join(seen).startswith("U-Boot 2023\r\n")


def test_another_build_is_refused_with_both_ids() -> None:
    with fake_device() as (stream, _), pytest.raises(TargetError) as error:
        Session(stream).connect(expected_build_id=0xABC)
    assert "0123456789abcdef" in str(error.value)
    assert "0000000000000abc" in str(error.value)


def test_requests_before_connect_are_refused() -> None:
    with fake_device() as (stream, _), pytest.raises(LinkError, match="not connected"):
        Session(stream).generate("x")


def test_generation_holds_tokens_text_logits_and_times() -> None:
    tokens: list[Token] = []
    prefills: list[Prefill] = []
    with fake_device() as (stream, device):
        result = connected(stream).generate(
            "Hi", GREEDY, want_logits=True, on_token=tokens.append, on_prefill=prefills.append
        )
        assert device.prompt == b"Hi"
    assert result.prompt_ids == (72, 105)
    assert result.ids == (100, 101, 102, 103)
    assert result.text == "Once upon a time" == "".join(t.text for t in tokens)
    assert (result.stop, result.eog_id) == ("length", None)
    assert prefills == [Prefill(1, 2)]
    assert result.logits is not None
    assert result.logits.shape == (4, N_ROWS)
    assert result.logits.dtype == np.float32
    assert result.logits[3, 512] == 3.5
    assert result.stats is not None
    assert (result.stats.receive_s, result.stats.prefill_s, result.stats.decode_s) == (0.5, 1, 2)


def test_the_token_that_ends_the_sequence_is_kept_apart() -> None:
    with fake_device(Script(eog_after=2)) as (stream, _):
        result = connected(stream).generate("Hi", GREEDY, want_logits=True)
    assert (result.stop, result.ids, result.text) == ("eos", (100, 101), "Once upon")
    assert result.eog_id == 2
    assert result.logits is not None
    assert result.logits.shape == (2, N_ROWS)
    assert result.eog_logits is not None
    assert result.eog_logits[0] == 2


def test_long_prompts_travel_in_pieces() -> None:
    text = "word " * 1000
    segments = (Segment("<s>", parse_special=True), Segment(text), Segment(""))
    with fake_device() as (stream, device):
        session = connected(stream)
        assert session.tokenize(Prompt(segments)) == list(("<s>" + text).encode())
        ids = list(range(1000))
        assert session.tokenize(ids) == ids
        assert device.prompt_ids == ids
        flags = [m.payload[0] for m in device.requests if m.type == Msg.PROMPT_TEXT]
    assert flags == [1 | 2 | 8, 0, 0, 0, 0, 2, 2]


def test_memory_is_read_in_pieces() -> None:
    with fake_device() as (stream, _):
        data = connected(stream).read_memory(0x1000, 3000)
    assert data == bytes(i & 0xFF for i in range(3000))


def test_pieces_with_broken_utf8_never_print_half_characters() -> None:
    parts: list[str] = []
    pieces = ["é".encode()[:1], "é".encode()[1:], b"\xff", b"\xe2\x82"]
    with fake_device(Script(pieces=pieces)) as (stream, _):
        result = connected(stream).generate([1], GREEDY, on_token=lambda t: parts.append(t.text))
    assert parts == ["", "é", "\ufffd", ""]
    assert result.text == "é\ufffd\ufffd"
    assert result.pieces == tuple(pieces)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_noisy_line_changes_nothing(seed: int) -> None:
    with fake_device() as (stream, _):
        session = connected(FaultyStream(stream, 0.0005, seed))
        result = session.generate(
            "Once " * 300, SamplingParams(n_predict=12, temp=0), want_logits=True
        )
        assert session.read_memory(0, 2000) == bytes(i & 0xFF for i in range(2000))
    assert result.ids == tuple(range(100, 112))
    assert result.logits is not None
    assert np.array_equal(result.logits[:, 0], np.arange(12))


def test_a_panic_in_mid_answer_raises_its_report_at_once() -> None:
    start = time.monotonic()
    with (
        fake_device(Script(panic_after=2)) as (stream, _),
        pytest.raises(TargetPanic) as error,
    ):
        connected(stream, timeout_s=60).generate("Hi", GREEDY)
    assert error.value.report.splitlines()[1:] == ["x0 0x1", "END PANIC"]
    assert time.monotonic() - start < 5


@pytest.mark.slow
def test_a_panic_without_end_is_raised_after_silence() -> None:
    script = Script(panic_after=0, panic=b"\0PANIC cpu=3 a.c:1: no en")
    with fake_device(script) as (stream, _), pytest.raises(TargetPanic) as error:
        connected(stream, timeout_s=60).generate("Hi", GREEDY)
    assert error.value.report == "PANIC cpu=3 a.c:1: no en"


@pytest.mark.slow
def test_a_silent_target_is_an_error_with_its_last_lines() -> None:
    with (
        fake_device(Script(mute_after=1)) as (stream, _),
        pytest.raises(TargetError, match=r"no byte from the target for 1 s(?s:.*)boot") as error,
    ):
        connected(stream, timeout_s=1.2).generate("Hi", GREEDY)
    assert "HARNESS_TIMEOUT_SCALE" in error.value.hint


@pytest.mark.slow
def test_a_slow_target_that_keeps_talking_is_waited_for() -> None:
    with fake_device(Script(token_s=0.5)) as (stream, _):
        assert connected(stream, timeout_s=1.5).generate("Hi", GREEDY).stop == "length"


def test_a_target_that_ends_is_an_error_with_its_last_lines() -> None:
    with (
        fake_device(Script(die_after=2)) as (stream, _),
        pytest.raises(TargetError, match=r"the fake device has ended(?s:.*)lines:\nboot"),
    ):
        connected(stream).generate("Hi", GREEDY)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (Script(skip_logits_of=1), "token 1 came with 0 logits, expected 600"),
        (Script(skip_token=1), "logits of token 2, expected 1"),
    ],
)
def test_gaps_in_the_answer_are_noticed(script: Script, words: str) -> None:
    with fake_device(script) as (stream, _), pytest.raises(TargetError, match=words):
        connected(stream).generate("Hi", GREEDY, want_logits=True)


def test_a_refusal_is_an_error_with_a_hint_and_the_session_lives_on() -> None:
    script = Script(error=(2, b"prompt of 300 tokens, the context holds 256"))
    with fake_device(script) as (stream, device):
        session = connected(stream)
        with pytest.raises(LinkError, match=r"300 tokens, the context holds 256") as error:
            session.generate("Hi", GREEDY)
        assert "--ctx" in error.value.hint
        assert error.value.exit_code == 2
        device.script.error = None
        assert session.generate("Hi", GREEDY).stop == "length"


def test_ctrl_c_ends_a_generation_cleanly() -> None:
    params = SamplingParams(n_predict=1000)
    with fake_device(Script(token_s=0.02)) as (stream, _):
        session = connected(stream)
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        result = session.generate("Hi", params, want_logits=True)
        timer.join()
        assert result.stop == "abort"
        assert 0 < len(result.ids) < 1000
        assert result.logits is not None
        assert len(result.logits) == len(result.ids)
        assert session.generate("Hi", GREEDY).stop == "length"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_in_a_callback_ends_a_generation_cleanly() -> None:
    def interrupt(token: Token) -> None:
        if token.index == 1:
            raise KeyboardInterrupt

    with fake_device(Script(token_s=0.02)) as (stream, _):
        session = connected(stream)
        result = session.generate("Hi", SamplingParams(n_predict=1000), on_token=interrupt)
    assert result.stop == "abort"
    assert len(result.ids) >= 2


def test_a_second_interrupt_is_raised_and_the_session_lives_on() -> None:
    def interrupt(token: Token) -> None:
        raise KeyboardInterrupt

    with fake_device(Script(token_s=0.02, obeys_abort=False)) as (stream, device):
        session = connected(stream)
        with pytest.raises(KeyboardInterrupt):
            session.generate("Hi", SamplingParams(n_predict=1000), on_token=interrupt)
        device.script.token_s = 0
        assert session.generate("Hi", GREEDY).ids == (100, 101, 102, 103)


def test_abort_before_the_first_token_returns_an_empty_answer() -> None:
    with fake_device() as (stream, device):
        session = connected(stream)
        device.script.token_s = 10

        def interrupt(prefill: Prefill) -> None:
            session.abort()

        result = session.generate("Hi", GREEDY, on_prefill=interrupt)
        assert (result.stop, result.ids) == ("abort", ())
        assert session.tokenize("Hi") == [72, 105]


def test_abort_while_the_prompt_is_sent_does_not_ask_for_tokens() -> None:
    with fake_device() as (stream, device):
        session = connected(stream)
        session.generate([1], GREEDY)
        device.requests.clear()
        prompt = Prompt.of_ids(range(60_000))
        timer = threading.Timer(0.1, session.abort)
        timer.start()
        result = session.generate(prompt, GREEDY)
        timer.join()
        assert result.stop == "abort"
        assert Msg.GENERATE not in {m.type for m in device.requests}
        assert session.generate("Hi", GREEDY).stop == "length"


def test_after_a_pause_the_kernel_is_greeted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.link.session.FRESH_S", 0.0)
    with fake_device() as (stream, _):
        session = connected(stream)
        first = session.welcome
        session.generate("Hi", GREEDY)
        assert session.welcome.nonce != first.nonce


def test_poweroff_waits_for_the_line_to_end() -> None:
    with fake_device() as (stream, device):
        session = connected(stream)
        start = time.monotonic()
        session.poweroff()
        assert time.monotonic() - start < 3
        assert device.requests[-1].type == Msg.POWEROFF


@pytest.mark.parametrize("text", ["0", "x", "-1", "nan", "inf"])
def test_a_wrong_timeout_scale_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_TIMEOUT_SCALE", text)
    with fake_device() as (stream, _), pytest.raises(LinkError, match="HARNESS_TIMEOUT_SCALE"):
        Session(stream)


@pytest.mark.parametrize("code", [ErrorCode.PROMPT_TOO_LONG, ErrorCode.TEXT_FULL])
def test_a_text_that_is_too_long_for_a_vector_is_not_wished_as_ids(code: ErrorCode) -> None:
    """`embed` takes texts alone; of a prompt ids are another way."""
    with fake_device(Script(error=(code, b"too long"))) as (stream, _):
        session = connected(stream)
        with pytest.raises(LinkError, match="too long") as told:
            session.embed(["a text"])
        assert told.value.hint == "shorten the text, or build with a larger --ctx"
        with pytest.raises(LinkError, match="too long") as told:
            session.generate("a prompt", GREEDY)
        assert ("token ids" in told.value.hint) == (code == ErrorCode.TEXT_FULL)
