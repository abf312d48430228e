"""The mixture: deterministic, varied, quick, and rendered for the packer."""

import re
import time
from functools import cache
from itertools import islice
from pathlib import Path

import pytest

from harness.train.corpus import WEIGHTS, Document, Turn, document, documents, evaluation, render

GOLDEN = Path(__file__).parent / "evaluation.txt"


@cache
def five_megabytes_of_documents() -> list[str]:
    texts, size = list[str](), 0
    for made in documents(3, split="train"):
        texts.append("".join(text for text, special in render(made) if not special))
        size += len(texts[-1])
        if size > 5_000_000:
            break
    return texts


def five_megabytes() -> str:
    return "\n".join(five_megabytes_of_documents())


@pytest.mark.slow
def test_hardly_a_document_comes_twice() -> None:
    """`train CONFIG.toml --variety` counts a whole run; its card has the figures."""
    texts = five_megabytes_of_documents()
    assert len(texts) > 5000
    assert len(set(texts)) > 0.98 * len(texts)


def test_a_slice_can_be_made_again() -> None:
    first = list(islice(documents(1, split="train"), 60))
    assert first == list(islice(documents(1, split="train"), 60))
    assert first[40:] == list(islice(documents(1, split="train", start=40), 20))
    assert first[17] == document(1, "train", 17)
    assert first != list(islice(documents(2, split="train"), 60))
    assert first != list(islice(documents(1, split="valid"), 60))


def test_every_kind_occurs_about_as_often_as_its_weight() -> None:
    kinds = [made.kind for made in islice(documents(1, split="train"), 4000)]
    for kind, weight in WEIGHTS.items():
        wanted = weight / sum(WEIGHTS.values())
        assert 0.7 * wanted < kinds.count(kind) / len(kinds) < 1.3 * wanted


@pytest.mark.slow
def test_stories_seldom_repeat_themselves() -> None:
    words = five_megabytes().split()
    grams = [hash(tuple(words[i : i + 8])) for i in range(len(words) - 7)]
    assert len(set(grams)) / len(grams) > 0.6


@pytest.mark.slow
def test_no_two_stories_are_alike() -> None:
    texts = [made.text for made in islice(documents(3, split="train"), 13000) if made.text]
    assert len(set(texts)) == len(texts) > 600


@pytest.mark.slow
def test_the_alphabet_is_plain() -> None:
    assert five_megabytes().isascii()
    assert set(re.findall(r"[^A-Za-z0-9 \n]", five_megabytes())) <= set(".,!?'\":;=+-*%_()")


def test_it_is_quick_enough() -> None:
    start = time.process_time()
    size = sum(len(t) for d in islice(documents(9, split="train"), 2000) for t, _ in render(d))
    assert size / (time.process_time() - start) > 200_000  # 2 MB/s on a desktop core


def test_a_story_renders_as_text_between_bos_and_eos() -> None:
    story = Document("story", text="A fox ran.")
    assert render(story) == [("<s>", True), ("A fox ran.", False), ("</s>", True)]


def test_a_dialogue_renders_in_the_chat_format() -> None:
    dialogue = Document("greeting", turns=(Turn("user", "Hi!"), Turn("assistant", "Hello!")))
    text = "".join(piece for piece, _ in render(dialogue))
    assert text == "<s><|user|>\nHi!<|end|>\n<|assistant|>\nHello!<|end|>\n"
    assert [p for p, special in render(dialogue) if special] == [
        *("<s>", "<|user|>", "<|end|>", "<|assistant|>", "<|end|>")
    ]


def test_there_are_fifty_cases_of_the_promised_kinds() -> None:
    cases = evaluation()
    kinds = [case.kind for case in cases]
    assert len(cases) == 50
    assert kinds.count("command") >= 20
    assert kinds.count("arithmetic") + kinds.count("clock") >= 15
    assert kinds.count("story") == 3
    for case in cases:
        assert case.turns[-1].role == "user"
        assert case.answer
        assert case.exact == (case.kind not in ("story", "greeting"))


def test_the_fifty_cases_are_the_ones_on_record() -> None:
    lines = []
    for case in evaluation():
        lines.append(f"# {case.kind}{' (exact)' if case.exact else ''}")
        lines += [f"{turn.role}: {turn.text}" for turn in case.turns]
        lines += [f"-> {case.answer}", ""]
    assert "\n".join(lines) == GOLDEN.read_text(encoding="ascii")
