"""Guessing ahead changes no token, no bit of a logit, no stop; only how often is computed."""

import dataclasses
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from harness.board import load_board
from harness.boot.twin import boot_twin
from harness.codegen import render_headers, write_headers
from harness.compile import compile_twin
from harness.gguf import read_gguf
from harness.image import pack_blob
from harness.link.generation import Generation, Token
from harness.link.messages import SamplingParams
from harness.link.session import Session
from harness.plan import plan_memory
from harness.synth import synthesize

pytestmark = pytest.mark.slow

N_CTX = 1200
DRAFT = 8
LOOP = [1, *([300, 41, 77, 250, 12] * 8)]
GREEDY = SamplingParams(n_predict=40, temp=0.0, ignore_eog=True)
SEEDED = SamplingParams(n_predict=40, temp=0.9, repeat_penalty=1.1, seed=3, ignore_eog=True)
# Seeded, and sharp enough that there is something to guess.
CIRCLING = SamplingParams(n_predict=40, temp=0.05, seed=5, ignore_eog=True)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("guessing")
    with session_of(synthesize("micro", quant="Q8_0", path=folder / "m.gguf", seed=1)) as session:
        yield session


@contextmanager
def session_of(path: Path) -> Iterator[Session]:
    folder, model = path.parent, read_gguf(path)
    board = load_board("virt")
    plan = plan_memory(model, board, n_ctx=N_CTX)
    assert plan.n_logit_rows == 1 + DRAFT
    headers = render_headers(model, board, plan)
    write_headers(headers, folder)
    blob = pack_blob(model, plan, headers.build_id, folder / "model.blob")
    program: Path = compile_twin(folder, folder, sanitize=True)
    with boot_twin(program, blob.path) as target:
        session = Session(target.stream)
        session.connect()
        yield session


def generate(
    session: Session, prompt: list[int], params: SamplingParams, *, append: bool = False
) -> Generation:
    if not append:  # nothing of an earlier answer stays cached
        session.generate([2], dataclasses.replace(GREEDY, n_predict=0))
    return session.generate(prompt, params, append=append, want_logits=True)


def guessing(params: SamplingParams, n_draft: int = DRAFT) -> SamplingParams:
    return dataclasses.replace(params, n_draft=n_draft)


def same(one: Generation, other: Generation) -> None:
    """All that an answer says, but for its times and the counts of guesses."""
    assert (one.ids, one.stop, one.eog_id) == (other.ids, other.stop, other.eog_id)
    assert (one.probs, one.pieces, one.text) == (other.probs, other.pieces, other.text)
    assert one.logits is not None
    assert other.logits is not None
    np.testing.assert_array_equal(one.logits.view(np.uint32), other.logits.view(np.uint32))
    assert one.stats is not None
    assert other.stats is not None
    for count in ("n_prompt", "n_reused", "n_generated", "n_past"):
        assert getattr(one.stats, count) == getattr(other.stats, count), count


def saved(answer: Generation) -> int:
    assert answer.stats is not None
    assert answer.stats.n_accepted <= answer.stats.n_drafted
    return answer.stats.n_accepted


@pytest.mark.parametrize("params", [GREEDY, SEEDED, CIRCLING], ids=["greedy", "seeded", "circling"])
def test_a_thousand_tokens_are_the_same(session: Session, params: SamplingParams) -> None:
    params = dataclasses.replace(params, n_predict=1000)
    plain = generate(session, LOOP, params)
    ahead = generate(session, LOOP, guessing(params))
    assert len(plain.ids) == 1000
    assert saved(plain) == 0
    same(ahead, plain)
    if params is not SEEDED:
        assert saved(ahead) > 0, ahead.stats


@pytest.mark.parametrize("n_draft", [1, 2, 3, 5, 2**32 - 1])
def test_the_length_of_a_guess_changes_nothing(session: Session, n_draft: int) -> None:
    params = dataclasses.replace(CIRCLING, n_predict=150)
    plain = generate(session, LOOP, params)
    ahead = generate(session, LOOP, guessing(params, n_draft))
    same(ahead, plain)
    assert saved(ahead) > 0


def test_a_text_that_never_repeats_costs_a_few_guesses(session: Session) -> None:
    params = dataclasses.replace(SEEDED, n_predict=400, temp=2.0, top_k=0, top_p=1.0, min_p=0.0)
    answer = generate(session, [1, 5, 9], guessing(params))
    assert answer.stats is not None
    rejected = answer.stats.n_drafted - answer.stats.n_accepted
    assert rejected <= 1 + 400 // 128 + answer.stats.n_accepted // 4


@pytest.mark.parametrize("n_predict", [1, 2, 3, 100, 101, 102])
def test_every_length_ends_where_it_should_and_goes_on(session: Session, n_predict: int) -> None:
    params = dataclasses.replace(CIRCLING, n_predict=n_predict)
    turns = [(LOOP, False), ([300, 41], True), ([9], True)]
    plain = [generate(session, ids, params, append=append) for ids, append in turns]
    ahead = [generate(session, ids, guessing(params), append=append) for ids, append in turns]
    for one, other in zip(ahead, plain, strict=True):
        same(one, other)


def test_a_full_context_stops_at_the_same_token(session: Session) -> None:
    prompt = [1, *([300, 41, 77, 250, 12] * 230)]
    params = dataclasses.replace(CIRCLING, n_predict=1000)
    plain = generate(session, prompt, params)
    ahead = generate(session, prompt, guessing(params))
    assert plain.stop == "context"
    same(ahead, plain)


def test_an_end_inside_a_guess_ends_there_and_the_conversation_goes_on(
    session: Session, tmp_path: Path
) -> None:
    """The same weights, and as end of sequence a token inside a stretch that repeats another."""
    ids = generate(session, LOOP, dataclasses.replace(GREEDY, n_predict=600)).ids
    grams = [ids[i - 6 : i] for i in range(6, len(ids))]  # grams[i] ends before ids[i + 6]
    again = [gram in grams[:i] for i, gram in enumerate(grams)]
    start = next(i for i in range(len(again)) if all(again[i : i + 14])) + 6
    prompt, following = [*LOOP, *ids[:start]], ids[start:]
    stop_after = next(k for k in range(3, 12) if following[k] not in following[:k])
    end = following[stop_after]
    path = synthesize("micro", quant="Q8_0", path=tmp_path / "m.gguf", seed=1)
    data, key = path.read_bytes(), b"tokenizer.ggml.eos_token_id" + struct.pack("<I", 4)
    at = data.index(key) + len(key)
    path.write_bytes(data[:at] + struct.pack("<I", end) + data[at + 4 :])
    params = dataclasses.replace(GREEDY, n_predict=100, ignore_eog=False)
    with session_of(path) as other:
        answers = []
        for way in (params, guessing(params)):
            answers.append(generate(other, prompt, way))
            answers.append(generate(other, [9, 8], way, append=True))
    plain, plain_after, ahead, ahead_after = answers
    assert (plain.stop, plain.eog_id, len(plain.ids)) == ("eos", end, stop_after)
    assert saved(ahead) > 0
    same(ahead, plain)
    same(ahead_after, plain_after)


def test_an_abort_inside_a_guess_leaves_the_session_as_it_is(session: Session) -> None:
    params = dataclasses.replace(CIRCLING, n_predict=600)
    plain = generate(session, LOOP, params)

    def stop(token: Token) -> None:
        if token.index == 120:
            session.abort()

    session.generate([2], dataclasses.replace(GREEDY, n_predict=0))
    ahead = session.generate(LOOP, guessing(params), on_token=stop)
    assert ahead.stop == "abort"
    n = len(ahead.ids)
    assert 120 < n < 600
    assert ahead.ids == plain.ids[:n]
    # The conversation goes on as after a plain answer of that length.
    after = session.generate([9, 8], guessing(GREEDY), append=True, want_logits=True)
    generate(session, LOOP, dataclasses.replace(params, n_predict=n))
    same(after, generate(session, [9, 8], GREEDY, append=True))
