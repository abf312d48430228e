"""How much of the text that a run reads is new: documents counted once however often they come."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from harness.train.config import TrainConfig
from harness.train.data import Stream
from harness.train.packing import Source
from harness.train.vocabulary import Tokenizer


@dataclass(frozen=True)
class Variety:
    """Of whole shards; a document's tokens include its BOS and markers."""

    documents: int = 0
    distinct: int = 0
    tokens: int = 0
    distinct_tokens: int = 0


def count_variety(
    config: TrainConfig,
    source: Source,
    tokenizer: Tokenizer,
    n_steps: int,
    report: Callable[[Variety], None] = lambda so_far: None,
) -> Variety:
    """Of the shards that `n_steps` of this configuration read from; `report` after each."""
    wanted = n_steps * config.recipe.batch
    stream = Stream(source, tokenizer, config.seed, config.model.n_ctx)
    seen: set[bytes] = set()
    found, shard = Variety(), 0
    while wanted > 0:
        tokens = distinct = distinct_tokens = 0
        documents = stream.documents(shard)
        for document in documents:
            tokens += len(document.ids)
            key = blake2b(np.asarray(document.ids, np.int32).tobytes(), digest_size=16).digest()
            if key not in seen:
                seen.add(key)
                distinct, distinct_tokens = distinct + 1, distinct_tokens + len(document.ids)
        found = Variety(
            found.documents + len(documents),
            found.distinct + distinct,
            found.tokens + tokens,
            found.distinct_tokens + distinct_tokens,
        )
        wanted -= len(stream.packed(shard, documents))
        shard += 1
        report(found)
    return found
