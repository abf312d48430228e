"""WordPiece of the reference: the rules of BERT's normaliser and of the longest match."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reference import decode, encode
from harness.reference.wordpiece import words
from tests.wordpiece_vocabulary import wordpiece_vocabulary

UNCASED = wordpiece_vocabulary()
CASED = wordpiece_vocabulary(lowercase=False, strip_accents=False)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Hello, World!", ["hello", ",", "world", "!"]),
        ("naïve CAFÉ e\u0301", ["naive", "cafe", "e"]),
        ("a\tb\r\n c\u3000d", ["a", "b", "c", "d"]),
        ("x\u200by\x00z\ufffd", ["xyz"]),  # what is not printed does not cut
        ("$5+½~", ["$", "5", "+", "½", "~"]),
        ("你好ok", ["你", "好", "ok"]),
        ("漢ﾞ", ["漢", "ﾞ"]),
    ],
)
def test_words_of_an_uncased_model(text: str, wanted: list[str]) -> None:
    assert words(text, UNCASED) == wanted


def test_a_cased_model_keeps_case_and_accents() -> None:
    assert words("Naïve É", CASED) == ["Naïve", "É"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("tokenizers", ["\u2581token", "izer", "s"]),  # the longest, not the first
        ("THE then", ["\u2581the", "\u2581then"]),
        ("2026", ["\u25812026"]),
        ("20266", ["\u25812026", "6"]),
        ("token?ize", ["\u2581token", "[UNK]", "\u2581i", "z", "e"]),
        ("theψ the", ["[UNK]", "\u2581the"]),  # nothing remains of a word that cannot be spelt
        ("hidden", ["\u2581h", "i", "d", "d", "e", "n"]),
    ],
)
def test_the_longest_token_first(text: str, wanted: list[str]) -> None:
    ids = encode(UNCASED, text, add_special=False, parse_special=False)
    assert [UNCASED.tokens[i].decode() for i in ids] == wanted


def test_every_text_stands_between_cls_and_sep() -> None:
    ids = encode(UNCASED, "the [SEP]", add_special=True, parse_special=True)
    assert [UNCASED.tokens[i] for i in ids] == [b"[CLS]", "\u2581the".encode(), b"[SEP]", b"[SEP]"]
    assert decode(UNCASED, ids) == b" the"


@given(st.text(alphabet="[CLSUNK]SEP hidden"))
def test_text_never_becomes_a_control_token(text: str) -> None:
    ids = encode(UNCASED, text, add_special=False, parse_special=False)
    assert not {UNCASED.tokens[i] for i in ids} & {b"[CLS]", b"[SEP]", b"[PAD]", b"hidden"}
