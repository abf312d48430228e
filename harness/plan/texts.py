"""Buffers of a pass over texts: in a model without a causal mask all their tokens go together.

A layer needs every key of a text before its first query, so there is no cutting a text into small
batches, and nothing is kept from one text to the next: keys and values live as long as a layer.
"""

from harness.gguf.model import HyperParameters
from harness.plan.buffers import Stack, scratch_size_bytes
from harness.plan.memory import CTX_ALIGN, MAX_TILE_ROWS, align_up

N_TEXTS_MAX = 64  # of one pass: short texts share the weights' way through the caches
KEY_TILE = 8  # positions whose keys are interleaved: KV_TILE of kernel/nn/kv_layout.h


def n_texts_of(n_ctx: int) -> int:
    """Texts that a pass may hold: each has a token at least."""
    return min(n_ctx, N_TEXTS_MAX)


def key_rows(n_ctx: int) -> int:
    """Places for keys of a pass: each text's begin with a tile."""
    return align_up(n_ctx + (KEY_TILE - 1) * n_texts_of(n_ctx), CTX_ALIGN)


def text_buffers(hyper: HyperParameters, quant_row_bytes: int, n_ctx: int) -> Stack:
    """Vectors of n_ctx tokens, keys and values of one layer in float32, then what becomes of texts.

    Attention, feed-forward and pooling follow one another, as in activation_buffers().
    """

    def tokens(n: int) -> int:
        return n_ctx * 4 * align_up(n, MAX_TILE_ROWS)

    n_texts = n_texts_of(n_ctx)
    n_q = hyper.n_head * hyper.head_size
    n_kv = hyper.n_head_kv * hyper.head_size
    stack = Stack("activations")
    stack.push("ACT_X", tokens(hyper.n_embd))
    stack.push("ACT_H", tokens(hyper.n_embd))
    stack.push("ACT_QUANT", n_ctx * quant_row_bytes)
    stack.push("ACT_KEYS", 4 * key_rows(n_ctx) * n_kv)
    stack.push("ACT_VALUES", 4 * key_rows(n_ctx) * n_kv)
    stack.push("ACT_VECTORS", n_texts * 4 * align_up(hyper.n_embd, MAX_TILE_ROWS))
    stack.push_sharing(
        {
            "ACT_ATT": tokens(n_q),
            "ACT_Q": tokens(n_q),
            "ACT_K": tokens(n_kv),
            "ACT_V": tokens(n_kv),
        },
        {"ACT_GATE": tokens(hyper.n_ff), "ACT_UP": tokens(hyper.n_ff) if hyper.arch.gated else 0},
        {"": max(tokens(n_q), tokens(hyper.n_ff)), "ACT_Y": tokens(hyper.n_embd)},
        {
            "ACT_POOLED": n_texts * 4 * align_up(hyper.n_embd, MAX_TILE_ROWS),
            "ACT_DENSE": n_texts * 4 * align_up(hyper.n_dense, MAX_TILE_ROWS),
        },
    )
    stack.push("ACT_LOGITS", 0)  # there are none
    stack.push("ACT_CANDIDATES", 0)
    stack.push_over("ACT_SCRATCH", scratch_size_bytes(n_ctx))
    return stack
