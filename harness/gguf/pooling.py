"""How the vectors of a text's tokens become the vector of the text."""

from typing import Final

from harness.gguf.architecture import Architecture
from harness.gguf.metadata import Metadata
from harness.gguf.model import Pooling

MAX_DENSE: Final = 1 << 18
# llama.cpp's numbers; 0 gives a vector for each token.
_POOLINGS: Final[dict[int, Pooling | None]] = {0: None, 1: "mean", 2: "cls", 3: "last"}
_RANK: Final = 4


def pooling_of(metadata: Metadata, arch: Architecture) -> Pooling | None:
    """What the file asks for; None when it does not say, or wants no pooling.

    Where a causal model may pool, one that does is an embedding model.
    """
    if not arch.bidirectional and not arch.pools:
        return None
    key = arch.name + ".pooling_type"
    number = metadata.integer(key, 0, _RANK, default=0)
    if number == _RANK:
        metadata.fail(
            key,
            f"is {_RANK}: this model ranks pairs of texts, which is not supported",
            hint="use a model whose texts become vectors",
        )
    return _POOLINGS[number]


def n_dense_of(metadata: Metadata, arch: Architecture, n_embd: int) -> int:
    """Values between the two dense matrices, which a file may announce without holding them."""
    if not arch.dense:
        return 0
    prefix = arch.name + ".dense_"
    n_dense = metadata.integer(prefix + "2_feat_out", 0, MAX_DENSE, default=0)
    for key, wanted in (("2_feat_in", n_embd), ("3_feat_in", n_dense), ("3_feat_out", n_embd)):
        found = metadata.integer(prefix + key, 0, MAX_DENSE, default=wanted)
        if n_dense and found != wanted:
            metadata.fail(prefix + key, f"is {found}, wanted {wanted}")
    return n_dense
