"""How far random weights must spread so that the model computes something sensible."""

from math import sqrt
from typing import Final

from harness.gguf import HyperParameters

LOGIT_STD: Final = 5.0  # trained and gold models: 4 to 7
SCORE_STD: Final = 1.5  # of q.k/sqrt(head_size): attention that prefers, yet mixes


def weight_std(name: str, hyper: HyperParameters, tied: bool) -> float:
    """The spread of a matrix's weights that makes every stage's output as large as wanted.

    A normalised input has components of about 1, so a row of n weights of deviation s yields
    s*sqrt(n). Two ways for greedy decoding to get stuck are kept away from:
    - Attention averages over the context, which hardly changes from token to token: were it
      the larger part of the stream, the same token would win again and again. So it adds 0.4 of
      what the feed-forward adds, and in the first layer no more than half the embedding.
    - With tied embeddings a token answers with itself, as the output matrix looks for the
      embedding that the stream still holds: by embedding^2*n/rms(x) = LOGIT_STD^2/rms(x). A stream
      of rms 10 drowns that echo in half a deviation of the other logits.
    Measured over seeds and presets: 51 to 64 different tokens among the first 64.

    Factors of the architecture are made up for: the stream and the scores are llama's.
    """
    n_in = sqrt(hyper.n_embd)
    output = LOGIT_STD / n_in / hyper.logit_scale
    tied = tied and not hyper.makes_vectors  # no logits, no echo
    embedding = output if tied else 1.0 / hyper.embedding_scale
    stream = embedding * hyper.embedding_scale  # where it begins
    feed_forward = (10.0 * n_in / LOGIT_STD if tied else 1.5) * stream / sqrt(hyper.n_layer)
    attention = 0.4 * feed_forward
    if name.startswith("blk.0."):
        attention = min(attention, 0.5 * stream)
    feed_forward /= hyper.residual_scale
    attention /= hyper.residual_scale
    score = sqrt(SCORE_STD / (hyper.attn_scale * sqrt(hyper.head_size)))
    return {
        "token_embd": embedding,
        "output": output,
        "position_embd": 0.5,
        "token_types": 0.5,
        "dense_2": 1.0 / n_in,
        "dense_3": 1.0 / sqrt(max(hyper.n_dense, 1)),
        "attn_q": score / n_in,
        "attn_k": score / n_in,
        "attn_v": 1.0 / n_in,
        # The average of 20 values with such scores is about half as large as one of them.
        "attn_qkv": 1.0 / n_in,
        "attn_output": 2.0 * attention / sqrt(hyper.n_head * hyper.head_size),
        "ffn_gate": 1.5 / n_in,
        "ffn_up": 1.5 / n_in,
        # silu(1.5 z) * 1.5 z' of normal z and z' has an rms of about 1.4.
        "ffn_down": feed_forward / (1.4 * sqrt(hyper.n_ff)),
    }.get(name.split(".")[-2], 1.0)
