"""Documents become windows: nothing lost, nothing learnt that the user said."""

from itertools import islice

import numpy as np

from harness.train.ngram import NGram
from harness.train.packing import NO_LOSS, Tokens, Windows, pack, tokenise
from tests.harness.train.standin import source

SPECIAL = {"<s>": 1, "</s>": 2, "<|system|>": 3, "<|user|>": 4, "<|assistant|>": 5, "<|end|>": 6}


def encode(text: str) -> list[int]:
    return [10 + byte for byte in text.encode()]


def spoken(ids: list[int]) -> str:
    names = {v: k for k, v in SPECIAL.items()}
    return "".join(names[i] if i < 10 else chr(i - 10) for i in ids)


def test_of_a_dialogue_only_the_answers_and_their_ends_are_learnt() -> None:
    pieces = [
        ("<|user|>", True), ("\nhi", False), ("<|end|>", True), ("\n", False),
        ("<|assistant|>", True), ("\n", False), ("yes.", False), ("<|end|>", True), ("\n", False),
    ]  # fmt: skip
    tokens = tokenise(pieces, encode, SPECIAL)
    assert spoken(tokens.ids) == ("<s><|user|>\nhi<|end|>\n<|assistant|>\nyes.<|end|>\n")
    learnt = [i for i, learn in zip(tokens.ids, tokens.learn, strict=True) if learn]
    assert spoken(learnt) == "yes.<|end|>"


def test_of_a_story_all_is_learnt_but_its_beginning_mark() -> None:
    for pieces in ([("Once.", False)], [("<s>", True), ("Once.", False), ("</s>", True)]):
        tokens = tokenise(pieces, encode, SPECIAL)
        assert spoken(tokens.ids) == "<s>Once.</s>"
        assert tokens.learn == [False] + [True] * 6


def test_every_document_is_in_exactly_one_window_and_whole() -> None:
    documents = [tokenise(p, encode, SPECIAL) for p in islice(source(0, "train"), 200)]
    windows = pack(documents, 512, 2, np.random.default_rng(0))
    found = []
    for row, targets in zip(windows.ids, windows.targets, strict=True):
        last = targets[-1:] if targets[-1] != NO_LOSS else np.array([2])
        text = spoken([*row.tolist(), *last.tolist()])
        found += [part.removesuffix("</s>") for part in text.split("<s>") if part]
    # Padding is </s>, which ends a story too: compare without it.
    wanted = sorted(spoken(d.ids).split("<s>")[1].replace("</s>", "") for d in documents)
    assert sorted(text.replace("</s>", "") for text in found) == wanted
    used = sum(len(d.ids) for d in documents)
    assert used / (len(windows) * 513) > 0.9


def test_a_document_longer_than_a_window_is_cut_and_loses_nothing() -> None:
    long = Tokens(list(range(100, 150)), [True] * 50)
    windows = pack([long], 19, 2, np.random.default_rng(0))
    assert len(windows) == 3
    assert sorted(windows.ids[windows.ids >= 100].tolist()) == [
        i for i in range(100, 150) if i not in (119, 139)
    ]  # the last token of a window is only a target


def test_packing_is_the_same_for_the_same_seed() -> None:
    documents = [tokenise(p, encode, SPECIAL) for p in islice(source(0, "train"), 50)]
    a, b = (pack(documents, 64, 2, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(a.ids, b.ids)
    assert np.array_equal(a.targets, b.targets)


def test_ngram_probabilities_sum_to_one() -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 7, (20, 31)).astype(np.int32)
    model = NGram(Windows(ids[:, :-1], ids[:, 1:]), n_vocab=7)
    total = 0.0
    for token in range(7):
        window = Windows(ids[:1, :5], np.full((1, 5), NO_LOSS, np.int32))
        window.targets[0, 4] = token
        total += np.exp(-model.loss(window))
    assert abs(total - 1) < 1e-12


def test_ngram_learns_what_always_follows() -> None:
    ids = np.tile(np.arange(10, dtype=np.int32), (50, 4))
    windows = Windows(ids[:, :-1], ids[:, 1:])
    # After 4 known tokens p >= count/(count + kinds) with count in the hundreds.
    assert NGram(windows, n_vocab=100).loss(windows) < 0.2


def test_the_baseline_looks_four_tokens_back() -> None:
    """Of five tokens the last repeats the first: only a context of four foretells it."""
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 2, (400, 60)).astype(np.int32)
    for at in range(4, 60, 5):
        ids[:, at] = 2 + ids[:, at - 4]
    windows = Windows(ids[:, :-1], ids[:, 1:])
    fourth, fifth = (NGram(windows, n_vocab=4, order=n).loss(windows) for n in (4, 5))
    assert NGram(windows, n_vocab=4).loss(windows) == fifth
    # One token of five is a coin to order 4 (log 2) and certain to order 5: log(2) / 5 = 0.139.
    assert fourth - fifth > 0.1


def test_windows_and_the_documents_in_them_are_shuffled() -> None:
    """Best-fit puts the longest first: a model would read all stories, then all sums."""
    whole = [Tokens([1, 100 + i, *[50] * 18], [True] * 20) for i in range(40)]
    marks = pack(whole, 19, 2, np.random.default_rng(0)).ids[:, 1].tolist()
    assert sorted(marks) == list(range(100, 140))
    assert marks != sorted(marks)
    other = pack(whole, 19, 2, np.random.default_rng(1)).ids[:, 1].tolist()
    assert other != marks
    long_and_short = [Tokens([1, *[50] * 13], [True] * 14)] * 40 + [
        Tokens([1, 60], [True] * 2)
    ] * 40
    rows = pack(long_and_short, 15, 2, np.random.default_rng(0)).ids
    assert 0 < np.count_nonzero(rows[:, 1] == 50) < 40  # which of a window's two comes first
