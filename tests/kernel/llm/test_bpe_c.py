"""kernel/llm/bpe.c and pre_tokenizer.c against the reference's BPE.

The two share the GGUF reader and the regexes' text. llama.cpp's own ids: test_tokenizer_c.py.
"""

import random
from collections.abc import Callable

import numpy as np
import pytest

from harness.gguf import Vocabulary
from harness.reference.tokenizer import piece
from tests.bpe_vocabulary import CONTROL, bpe_vocabulary
from tests.kernel.llm.conftest import (
    ADD_SPECIAL,
    IN_TURN,
    MAX_TEXT_BYTES,
    PARSE_SPECIAL,
    Tokenizer,
    pieces,
    reference,
    tokenize,
)

pytestmark = pytest.mark.slow  # builds a program per vocabulary: seconds each

MakeTokenizer = Callable[[Vocabulary], Tokenizer]
# One name for each list of regexes.
N_RANDOM = 10_000
PRE = ("llama-bpe", "qwen2", "smollm", "gpt-2", "tekken", "default")
FRAGMENTS = (
    *(" ", "  ", "\t", "\n", "\r\n", "\n\n", " \n ", "\u00a0", "\u3000", "\u2028", "\x85", "\x1c"),
    *("the", "Hello", "hello", "WORLD", "don't", "I'LL", "'S", "'\u017f", "\u212a", "McDonald"),
    *("1", "12", "1234567", "\u00bd", "\u0663", "\u2168", "3.14", "$5", "a+b", "x<=y", "`", "^~|"),
    *(
        "é",
        "E\u0301",
        "ÉCOLE",
        "Жизнь",
        "你好",
        "世界",
        "한국어",
        "नमस्ते",
        "日本語",
        "ไทย",
        "\u01c5",
    ),
    *("😀", "👩\u200d👧", "\ufffd", "\u0378", "\ue000", "\U000e0041", "\U00010500", "\u200b"),
    *("<|x|>", "<|y|>", "x|", "<think>", "</s>", "!!!", "...", "//", "/\n", "_", "-", "\x00"),
)


def random_text(source: random.Random) -> str:
    """Fragments that the regexes care for, and characters from everywhere."""
    return "".join(
        source.choice(FRAGMENTS) if source.random() < 0.8 else any_character(source)
        for _ in range(source.randrange(24))
    )


def any_character(source: random.Random) -> str:
    """Any code point, the lower ones more often; no surrogate."""
    code_point = source.randrange(source.choice((0x80, 0x800, 0x3000, 0x10000, 0x110000)))
    return "\ud7ff" if 0xD800 <= code_point < 0xE000 else chr(code_point)


@pytest.mark.slow
@pytest.mark.parametrize("pre", PRE)
def test_random_texts_give_the_tokens_of_the_reference(
    make_tokenizer: MakeTokenizer, pre: str
) -> None:
    vocabulary = bpe_vocabulary(pre)
    source = random.Random(pre)
    cases = [(random_text(source).encode(), source.randrange(8)) for _ in range(N_RANDOM)]
    got = tokenize(make_tokenizer(vocabulary), cases)
    for (text, flags), ids in zip(cases, got, strict=True):
        assert ids == reference(vocabulary, text, flags), (text, flags)


@pytest.fixture(scope="module")
def llama3(make_tokenizer: MakeTokenizer) -> tuple[Vocabulary, Tokenizer]:
    vocabulary = bpe_vocabulary("llama-bpe")
    return vocabulary, make_tokenizer(vocabulary)


def test_texts_of_all_kinds_give_the_tokens_of_the_reference(
    llama3: tuple[Vocabulary, Tokenizer],
) -> None:
    vocabulary, tokenizer = llama3
    source = random.Random(1)
    texts = [random_text(source).encode() for _ in range(100)]
    texts += [source.randbytes(source.randrange(40)) for _ in range(100)]  # mostly no UTF-8
    texts += [b"", b"\xff\xfe bad \xc3( \xe2\x82", b"\xed\xa0\x80\xf4\x90\x80\x80\xc0\x80\xf1\x80"]
    cases = [(text, flags) for text in texts for flags in (0, ADD_SPECIAL, PARSE_SPECIAL, IN_TURN)]
    for (text, flags), ids in zip(cases, tokenize(tokenizer, cases), strict=True):
        assert ids == reference(vocabulary, text, flags), (text, flags)


def test_a_control_token_comes_of_its_text_only_where_that_is_asked_for(
    llama3: tuple[Vocabulary, Tokenizer],
) -> None:
    vocabulary, tokenizer = llama3
    control = set(np.flatnonzero(vocabulary.types == 3).tolist())
    texts = [text.encode() for text in ("".join(CONTROL), *CONTROL, "hello hello")]
    said = tokenize(tokenizer, [(text, flags) for text in texts for flags in (0, IN_TURN)])
    assert not control & {token for ids in said for token in ids}
    (parsed,) = tokenize(tokenizer, [("".join(CONTROL).encode(), PARSE_SPECIAL)])
    assert [vocabulary.tokens[token].decode() for token in parsed] == list(CONTROL)


def test_pieces_are_those_of_the_reference(llama3: tuple[Vocabulary, Tokenizer]) -> None:
    vocabulary, tokenizer = llama3
    everything = range(len(vocabulary.tokens))
    assert pieces(tokenizer, everything) == [piece(vocabulary, token) for token in everything]


def test_the_worst_texts_take_no_quadratic_time(llama3: tuple[Vocabulary, Tokenizer]) -> None:
    """All of a text in one piece, and texts whose matches look ahead. Such a text takes
    milliseconds; if each of its 20,000 bytes cost a look at all others, it would take minutes with
    the sanitizers."""
    vocabulary, tokenizer = llama3
    units = ("a", "the", " ", "\n ", "'", "!", "1", "é", "<|x|>", "A", "\u00a0", " " * 99 + "a")
    texts = [(unit * MAX_TEXT_BYTES)[:MAX_TEXT_BYTES].encode()[:MAX_TEXT_BYTES] for unit in units]
    got = tokenize(tokenizer, [(text, PARSE_SPECIAL) for text in texts])
    for text, ids in zip(texts, got, strict=True):
        assert ids == reference(vocabulary, text, PARSE_SPECIAL), text[:20]


def test_a_text_whose_replaced_bytes_do_not_fit_is_refused(
    llama3: tuple[Vocabulary, Tokenizer],
) -> None:
    vocabulary, tokenizer = llama3
    fits = b"\xff" * (MAX_TEXT_BYTES // 4)
    assert tokenize(tokenizer, [(fits, 0)]) == [reference(vocabulary, fits, 0)]
    with pytest.raises(AssertionError, match=r"-2147483648"):
        tokenize(tokenizer, [(b"\xff" * MAX_TEXT_BYTES, 0)])
