"""The stream of training windows: every shard once, in order, each with text of its own."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

pytest.importorskip("sentencepiece", reason="training needs the extra [train]: sentencepiece")

from harness.train import data
from harness.train.data import Stream, _tokens, make_vocabulary, shard_seed, valid_windows
from harness.train.packing import Pieces, Split
from harness.train.variety import Variety, count_variety
from harness.train.vocabulary import Tokenizer
from tests.harness.train.standin import CONFIG, source

N_CTX = 48


class Asked:
    """The stand-in's text, and what was asked of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, Split]] = []

    def __call__(self, seed: int, split: Split) -> Iterator[Pieces]:
        self.calls.append((seed, split))
        return source(seed, split)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(make_vocabulary(source, 1, 20_000, 400))


@pytest.fixture(autouse=True)
def short_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "SHARD_DOCUMENTS", 20)


def test_no_two_shards_and_no_two_seeds_share_their_text(tokenizer: Tokenizer) -> None:
    assert len({shard_seed(seed, shard) for seed in range(4) for shard in range(50)}) == 200
    first, second = (Stream(source, tokenizer, 3, N_CTX, shard).next_batch(4) for shard in (0, 1))
    other = Stream(source, tokenizer, 4, N_CTX).next_batch(4)
    assert not np.array_equal(first.ids, second.ids)
    assert not np.array_equal(first.ids, other.ids)


def test_a_stream_reads_every_window_of_every_shard_in_order(tokenizer: Tokenizer) -> None:
    asked = Asked()
    stream = Stream(asked, tokenizer, 3, N_CTX)
    batches = [stream.next_batch(5) for _ in range(20)]
    assert stream.shard >= 3
    shards = [
        Stream(source, tokenizer, 3, N_CTX, shard)._windows(shard)
        for shard in range(stream.shard + 1)
    ]
    wanted = np.concatenate([windows.ids for windows in shards])[:100]
    assert np.array_equal(np.concatenate([batch.ids for batch in batches]), wanted)
    assert asked.calls == [(shard_seed(3, shard), "train") for shard in range(len(shards))]


def test_a_stream_goes_on_from_any_place(tokenizer: Tokenizer) -> None:
    stream = Stream(source, tokenizer, 3, N_CTX)
    stream.next_batch(17)
    again = Stream(source, tokenizer, 3, N_CTX, stream.shard, stream.window)
    assert np.array_equal(stream.next_batch(9).ids, again.next_batch(9).ids)


def test_validation_is_of_the_held_out_text_and_the_vocabulary_is_not(tokenizer: Tokenizer) -> None:
    asked = Asked()
    valid_windows(asked, tokenizer, N_CTX, 8)
    assert [split for _, split in asked.calls] == ["valid"]
    asked = Asked()
    make_vocabulary(asked, 1, 20_000, 400)
    assert [split for _, split in asked.calls] == ["train"]


def test_the_project_s_own_text_comes_in_both_splits() -> None:
    generator = data.default_source()
    train, valid = (list(islice(generator(1, split), 30)) for split in ("train", "valid"))
    assert train != valid


def test_a_document_that_comes_again_is_no_variety(tokenizer: Tokenizer) -> None:
    def ten(seed: int, split: Split) -> Iterator[Pieces]:
        for pieces in islice(source(1, split), 10):
            yield from [pieces] * 2

    distinct = {tuple(_tokens(pieces, tokenizer).ids) for pieces in islice(source(1, "train"), 10)}
    n_windows = len(Stream(ten, tokenizer, CONFIG.seed, N_CTX)._windows(0))
    steps = 1 + n_windows // CONFIG.recipe.batch  # a little of the second shard is read too
    found = count_variety(CONFIG, ten, tokenizer, steps)
    assert (found.documents, found.distinct) == (40, len(distinct))
    assert found.distinct_tokens == sum(map(len, distinct))
    assert found.tokens == 2 * 2 * sum(
        len(_tokens(pieces, tokenizer).ids) for pieces in islice(source(1, "train"), 10)
    )
    assert count_variety(CONFIG, ten, tokenizer, 0) == Variety()
