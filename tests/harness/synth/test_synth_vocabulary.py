"""The synthetic vocabulary: valid, of any size, every token reachable, English readable."""

import heapq
from itertools import pairwise
from pathlib import Path

import pytest

from harness.errors import SynthError
from harness.gguf import read_vocabulary
from harness.gguf.model import TOKEN_BYTE, TOKEN_CONTROL, TOKEN_NORMAL, TOKEN_UNKNOWN
from harness.gguf.pre_tokenizer import PRE_TOKENIZERS
from harness.synth import synthesize
from harness.synth.metadata import TokenTable
from harness.synth.vocabulary import MIN_TOKENS, make_merges, make_vocabulary

SIZES = [MIN_TOKENS, 355, 512, 1354, 2048, 32000]


def merged(text: str, score: dict[str, float]) -> list[str]:
    """SentencePiece's rule: again and again the adjacent pair that makes the best token."""
    pieces = list(text)
    while True:
        pairs = [(-score[a + b], i) for i, (a, b) in enumerate(pairwise(pieces)) if a + b in score]
        if not pairs:
            return pieces
        _, i = heapq.nsmallest(1, pairs)[0]
        pieces[i : i + 2] = [pieces[i] + pieces[i + 1]]


def scores(table: TokenTable) -> dict[str, float]:
    return {
        text: score
        for text, score, kind in zip(table.texts, table.scores, table.types, strict=True)
        if kind == TOKEN_NORMAL
    }


@pytest.mark.parametrize("n_vocab", SIZES)
def test_vocabulary_has_the_wanted_size_and_unique_texts(n_vocab: int) -> None:
    table = make_vocabulary(n_vocab)
    assert len(table.texts) == len(table.scores) == len(table.types) == n_vocab
    assert len(set(table.texts)) == n_vocab


@pytest.mark.parametrize("n_vocab", SIZES)
def test_every_token_is_what_its_own_text_merges_to(n_vocab: int) -> None:
    score = scores(make_vocabulary(n_vocab))
    for text in list(score)[:: max(1, n_vocab // 2000)]:
        assert merged(text, score) == [text]
    # The reason, for all of them: every prefix is a token.
    assert all(text[:-1] in score for text in score if len(text) > 1)


@pytest.mark.parametrize("n_vocab", [262, 512, 32000])
def test_every_merge_makes_the_next_token_of_earlier_ones(n_vocab: int) -> None:
    table = make_merges(n_vocab, "llama-bpe")
    assert len(set(table.texts)) == len(table.types) == n_vocab
    known = set(table.texts[:256])
    for merge, text in zip(table.merges, table.texts[256:-5], strict=True):
        left, right = merge.split(" ")
        assert {left, right} <= known
        assert left + right == text
        known.add(text)


def test_a_model_with_merges_says_how_its_text_is_cut(tmp_path: Path) -> None:
    path = synthesize("micro", quant="F32", path=tmp_path / "bpe.gguf", pre="smollm")
    vocabulary = read_vocabulary(path)
    assert vocabulary.model == "gpt2"
    assert vocabulary.pre is PRE_TOKENIZERS["smollm"]
    assert [vocabulary.tokens[i] for i in vocabulary.eog_ids] == [
        b"<|end_of_text|>",
        b"<|eot_id|>",
    ]
    for kwargs, match in (
        ({"pre": "other"}, "--pre is 'other'"),
        ({"pre": "mpt", "n_vocab": 261}, "261"),
    ):
        with pytest.raises(SynthError, match=match):
            synthesize("micro", quant="F32", path=tmp_path / "no.gguf", **kwargs)


def test_special_and_byte_tokens_come_first() -> None:
    table = make_vocabulary(512)
    assert table.texts[:4] == ["<unk>", "<s>", "</s>", "<0x00>"]
    assert table.types[:4] == [TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_CONTROL, TOKEN_BYTE]
    assert table.texts[258] == "<0xFF>"
    assert table.types[259:] == [TOKEN_NORMAL] * (512 - 259)


def test_scores_fall_from_each_piece_to_the_next() -> None:
    pieces = make_vocabulary(2048).scores[259:]
    assert all(a > b for a, b in pairwise(pieces))


def test_english_is_made_of_words() -> None:
    score = scores(make_vocabulary(2048))
    text = " once upon a time there was a little girl".replace(" ", "▁")
    assert merged(text, score) == [
        "▁once", "▁upon", "▁a", "▁time", "▁there", "▁was", "▁a", "▁little", "▁girl",
    ]  # fmt: skip


def test_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(SynthError, match="353 tokens cannot hold the 354"):
        make_vocabulary(MIN_TOKENS - 1)


def test_reader_takes_the_vocabulary_unchanged(tmp_path: Path) -> None:
    table = make_vocabulary(1500)
    path = synthesize("micro", quant="F16", path=tmp_path / "m.gguf", n_vocab=1500)
    vocabulary = read_vocabulary(path)
    assert [text.decode() for text in vocabulary.tokens] == table.texts
    assert vocabulary.scores.tolist() == table.scores
    assert vocabulary.types.tolist() == table.types
    assert vocabulary.eog_ids == (1, 2)
