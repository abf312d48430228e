"""Packed texts and their index are what a tuple and a dict are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gguf.texts import TextIndex, Texts

lists = st.lists(st.binary(max_size=6), max_size=60)


@given(lists)
def test_texts_are_a_sequence_of_what_they_are_made_of(given_texts: list[bytes]) -> None:
    texts = Texts.of(iter(given_texts))
    assert list(texts) == given_texts
    assert [texts[i] for i in range(-len(texts), len(texts))] == given_texts * 2
    assert texts[1:5:2] == tuple(given_texts[1:5:2])
    assert texts.lengths().tolist() == [len(text) for text in given_texts]
    with pytest.raises(IndexError):
        texts[len(given_texts)]


@given(st.sets(st.binary(max_size=3)), st.lists(st.binary(max_size=3)))
def test_index_finds_what_is_there_and_nothing_else(there: set[bytes], asked: list[bytes]) -> None:
    texts = Texts.of(sorted(there))
    index = TextIndex(texts)
    assert index.again is None
    assert [index.get(text) for text in texts] == list(range(len(texts)))
    for text in asked:
        assert (text in index) == (text in there)
        assert index.get(text, -7) == (sorted(there).index(text) if text in there else -7)


def test_index_names_the_first_text_that_is_there_twice() -> None:
    texts = Texts.of([b"a", b"b", b"", b"b", b"a"])
    assert TextIndex(texts).again == (3, 1)
