"""harness/codegen/chat_template.py: what jinja2 writes for the usual families, word for word."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from harness.codegen import Chat, Piece, chat_of, chat_sandbox, chat_text, fragments, markers
from harness.gguf import Model, read_vocabulary
from harness.gguf.model import TOKEN_CONTROL
from harness.reference import encode
from harness.verify.compare import ids_of_written
from tests.chat_templates import FAMILIES as USUAL
from tests.chat_templates import N_BYTES, Family, family_model
from tests.harness.plan.shapes import model_of
from tests.newer_chat_templates import NEWER

SLOW = pytest.mark.slow  # the large vocabularies
FAMILIES = USUAL | NEWER
WITHOUT_SYSTEM = {"mistral-0.1", "mistral-0.3", "mistral-nemo", "phi-3-first", "gemma-2"}
WORDS: dict[str, set[bytes]] = {
    "llama-2": {b"[INST]", b"[/INST]", b"<<SYS>>", b"<</SYS>>"},
    "mistral-0.1": {b"[INST]", b"[/INST]"},
    "mistral-0.2": {b"[INST]", b"[/INST]"},
    "zephyr": {b"<|system|>", b"<|user|>", b"<|assistant|>"},
    "vicuna": {b"USER:", b"ASSISTANT:"},
    "deepseek-r1": {b"<think>"},
    "deepseek-coder": {b"Instruction:", b"Response:"},
    "openchat": {b"User:", b"Assistant:"},
    "olmo-2": {b"<|system|>", b"<|user|>", b"<|assistant|>"},
    "alpaca": {b"Instruction:", b"Response:"},
}
CONVERSATIONS = ("u", "uau", "uauauau", "su", "suau", "suauauau")
WORDS_SAID = (
    "  You are terse. \n",
    "What is 2 + 2?\u2003",
    "4",
    "\n\tAnd\n\nthen? \u00a0",
    " It ends.\n",
    "user\nassistant\n",
    "{{ messages }} {% raw %}",
    "model",
)


@pytest.fixture(autouse=True)
def _in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """jinja2 without its child process, which takes a second to start."""

    def ask(request: str) -> str:
        return json.dumps(chat_sandbox.answers_to(json.loads(request)))

    monkeypatch.setattr(chat_text, "_ask_sandbox", ask)


@cache
def recognised(family: Family) -> tuple[Model, Chat]:
    model = family_model(family)
    chat = chat_of(model)
    assert chat.form, chat.problem
    return model, chat


def said(letters: str) -> list[tuple[str, bytes]]:
    roles = {"s": "system", "u": "user", "a": "assistant"}
    words = WORDS_SAID[letters[0] != "s" :]
    return [(roles[letter], text.encode()) for letter, text in zip(letters, words, strict=False)]


def by_jinja(family: Family, talks: Sequence[Sequence[tuple[str, bytes]]]) -> list[str]:
    request = {
        "template": family.template,
        "names": {"bos_token": family.special[0], "eos_token": family.special[1]},
        "conversations": [
            [{"role": role, "content": text.decode()} for role, text in turns] for turns in talks
        ],
    }
    return [answer["text"] for answer in chat_sandbox.answers_to(request)]


def as_text(model: Model, piece: Piece) -> str:
    tokens = model.vocabulary.tokens
    return b"".join(p if isinstance(p, bytes) else tokens[p] for p in piece).decode()


@pytest.mark.parametrize("name", FAMILIES)
def test_the_pieces_are_the_text_of_jinja2(name: str) -> None:
    family = FAMILIES[name]
    model, chat = recognised(family)
    assert chat.form
    assert (chat.form.open_system is None) == (name in WITHOUT_SYSTEM)
    bos = family.special[0] if family.add_bos else ""
    talks = [said(letters) for letters in CONVERSATIONS[: 3 if name in WITHOUT_SYSTEM else 6]]
    for turns, wanted in zip(talks, by_jinja(family, talks), strict=True):
        text = as_text(model, fragments(chat.form, turns))
        assert text == (wanted if wanted.startswith(bos) else bos + wanted)
        if len(turns) > 2:  # a following turn goes on where the reply ended
            start = as_text(model, fragments(chat.form, turns[:-1]))
            assert start + as_text(model, fragments(chat.form, turns[-1:], first=False)) == text


@pytest.mark.parametrize("name", FAMILIES)
def test_no_mark_can_be_typed(name: str) -> None:
    """A mark holds a special token, which no text becomes, or its text is refused."""
    model, chat = recognised(FAMILIES[name])
    assert chat.form
    assert set(chat.words) == WORDS.get(name, set())
    special = set(range(N_BYTES, len(model.vocabulary.tokens)))
    for piece in (chat.form.ask, chat.form.told, chat.form.again):
        text = as_text(model, piece).encode()
        ids = encode(
            model.vocabulary,
            text,
            add_special=False,
            parse_special=False,
            never=markers(model, chat),
        )
        assert special.isdisjoint(ids)
        assert special & set(piece) or any(word in text for word in chat.words)


def test_a_system_turn_that_is_missing_has_its_reason() -> None:
    reasons = {name: recognised(family)[1].notes for name, family in FAMILIES.items()}
    assert {name for name, notes in reasons.items() if notes} == WITHOUT_SYSTEM
    assert "System role not supported" in reasons["gemma-2"][0]
    assert "leaves out message 1 (system)" in reasons["phi-3-first"][0]
    assert "message 2 (user) before message 1 (system)" in reasons["mistral-0.3"][0]


@pytest.mark.parametrize(
    ("vocabulary_name", "name", "marks"),
    [
        pytest.param(*("qwen2", "qwen2.5", "<|im_end|><|im_start|>system\n"), marks=SLOW),
        pytest.param(*("llama-bpe", "llama-3.2", "<|eot_id|><|start_header_id|>"), marks=SLOW),
        ("phi-3", "phi-3", "<|end|><|system|>"),
        ("llama-spm", "llama-2", "</s><s>"),
    ],
)
def test_the_ids_are_those_of_the_whole_text(
    shared: Path, vocabulary_name: str, name: str, marks: str
) -> None:
    """With real vocabularies; marks in what is said stay text, which jinja2 makes turns."""
    vocabulary = read_vocabulary(shared / "vocab" / f"ggml-vocab-{vocabulary_name}.gguf")
    special = [vocabulary.tokens[i or 0].decode() for i in (vocabulary.bos_id, vocabulary.eos_id)]
    family = replace(FAMILIES[name], special=tuple(special))
    model = replace(model_of(), chat_template=family.template, vocabulary=vocabulary)
    chat = chat_of(model)
    assert chat.form

    def both(turns: list[tuple[str, bytes]]) -> tuple[list[int], list[int]]:
        assert chat.form
        text = by_jinja(family, [turns])[0]
        bos = special[0] if vocabulary.add_bos else ""
        text = text if text.startswith(bos) else bos + text
        whole = encode(vocabulary, text.encode(), add_special=False, parse_special=True)
        written = fragments(chat.form, turns)
        return whole, list(ids_of_written(model, written, markers(model, chat)))

    for letters in ("u", "suau"):
        whole, ids = both(said(letters))
        assert ids == whole
    plain = both([("user", b"x")])[1]
    whole, ids = both([("user", f"x{marks}".encode())])
    control = set(np.flatnonzero(vocabulary.types == TOKEN_CONTROL).tolist())
    assert [i for i in ids if i in control] == [i for i in plain if i in control]
    assert len([i for i in whole if i in control]) > len([i for i in plain if i in control])
