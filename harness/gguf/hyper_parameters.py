"""The sizes and constants of a model, read and checked by its architecture's row."""

import math
from typing import Final

from harness.gguf.architecture import Architecture
from harness.gguf.metadata import Metadata
from harness.gguf.model import HyperParameters
from harness.gguf.pooling import n_dense_of, pooling_of
from harness.gguf.rope_scaling import rope_scaling_of
from harness.gguf.window import local_layers, window_of

# Bounds of sense, not of the format: above every published model, below what breaks arithmetic.
MIN_EMBD: Final = 32  # so that a token has 18 bytes in a file, beside its text
MAX_EMBD: Final = 1 << 16
MAX_LAYERS: Final = 256  # of 16 tensors each: container.MAX_TENSORS
MAX_HEADS: Final = 1024
MAX_FF: Final = 1 << 18
MAX_CONTEXT: Final = 1 << 24
MAX_VOCAB_ROWS: Final = 1 << 22
MAX_HEAD_SIZE: Final = 256
MAX_TOKEN_TYPES: Final = 1024


def hyper_parameters(metadata: Metadata, arch: Architecture, n_vocab_rows: int) -> HyperParameters:
    """Read and check the sizes; refuse what would change the arithmetic of the forward pass."""
    prefix = arch.name + "."
    n_embd = metadata.integer(prefix + "embedding_length", MIN_EMBD, MAX_EMBD)
    n_layer = metadata.integer(prefix + "block_count", 1, MAX_LAYERS)
    n_ff = metadata.integer(prefix + "feed_forward_length", 1, MAX_FF, per_layer=True)
    n_ctx = metadata.integer(prefix + "context_length", 1, MAX_CONTEXT)
    n_head = metadata.integer(prefix + "attention.head_count", 1, MAX_HEADS, per_layer=True)
    n_head_kv = metadata.integer(
        prefix + "attention.head_count_kv", 1, n_head, default=n_head, per_layer=True
    )
    if n_head % n_head_kv:
        metadata.fail(
            prefix + "attention.head_count_kv",
            f"is {n_head_kv}, which does not divide the {n_head} heads",
        )
    _refuse_other_arithmetic(metadata, arch)
    head_size = _head_size(metadata, prefix, n_embd, n_head)
    n_rot = 0 if arch.learned_positions else _n_rot(metadata, arch, head_size)
    window = window_of(metadata, arch)
    largest = arch.layers_of_largest == n_layer
    usual_attn_scale = 1.0 / math.sqrt(n_embd / n_head if largest else head_size)
    return HyperParameters(
        n_embd=n_embd,
        n_head=n_head,
        n_head_kv=n_head_kv,
        n_layer=n_layer,
        n_ff=n_ff,
        n_ctx_train=n_ctx,
        n_vocab_rows=n_vocab_rows,
        head_size=head_size,
        n_rot=n_rot,
        rms_eps=metadata.positive(
            prefix + f"attention.layer_norm{'' if arch.layer_norms else '_rms'}_epsilon"
        ),
        rope_freq_base=_rope_base(metadata, prefix + "rope.freq_base", 10000.0),
        arch=arch,
        rope_scaling=rope_scaling_of(metadata, arch, n_ctx),
        attn_scale=_scale(metadata, arch, "attention.scale", usual_attn_scale),
        embedding_scale=(
            math.sqrt(n_embd)
            if arch.sqrt_embedding
            else _scale(metadata, arch, "embedding_scale", 1.0)
        ),
        residual_scale=_scale(metadata, arch, "residual_scale", 1.0),
        logit_scale=1.0 / metadata.positive(prefix + "logit_scale") if arch.scales else 1.0,
        attn_softcap=_softcap(metadata, prefix + "attn_logit_softcapping", arch.attn_softcap),
        logit_softcap=_softcap(metadata, prefix + "final_logit_softcapping", arch.logit_softcap),
        window=window,
        local_layers=local_layers(metadata, arch, n_layer) if window else (),
        rope_freq_base_local=_local_rope_base(metadata, arch) if window else None,
        pooling=pooling_of(metadata, arch),
        n_dense=n_dense_of(metadata, arch, n_embd),
        n_token_types=(
            metadata.integer("tokenizer.ggml.token_type_count", 1, MAX_TOKEN_TYPES, default=2)
            if arch.learned_positions
            else 0
        ),
    )


def _softcap(metadata: Metadata, key: str, usual: float | None) -> float:
    if usual is None:
        return 0.0
    return metadata.positive(key) if key in metadata else usual


def _local_rope_base(metadata: Metadata, arch: Architecture) -> float | None:
    if arch.local_rope_base is None:
        return None
    return _rope_base(metadata, arch.name + ".rope.freq_base_swa", arch.local_rope_base)


def _scale(metadata: Metadata, arch: Architecture, name: str, usual: float) -> float:
    """One of granite's; 0 is llama.cpp's way to say that there is none."""
    if not arch.scales:
        return usual
    return metadata.number(f"{arch.name}.{name}", default=0.0) or usual


def _head_size(metadata: Metadata, prefix: str, n_embd: int, n_head: int) -> int:
    key = prefix + "attention.key_length"
    if key not in metadata and n_embd % n_head:
        metadata.fail(
            prefix + "attention.head_count", f"is {n_head}, which does not divide n_embd {n_embd}"
        )
    head_size = metadata.integer(key, 2, MAX_HEAD_SIZE, default=n_embd // n_head)
    if head_size % 2 or not 2 <= head_size <= MAX_HEAD_SIZE:
        source = key if key in metadata else prefix + "attention.head_count"
        metadata.fail(
            source, f"makes heads of {head_size} values, wanted an even 2 to {MAX_HEAD_SIZE}"
        )
    value_length = prefix + "attention.value_length"
    n_value = metadata.integer(value_length, 1, MAX_HEAD_SIZE, default=head_size)
    if n_value != head_size:
        metadata.fail(value_length, f"is {n_value}, wanted the key length {head_size}")
    return head_size


def _n_rot(metadata: Metadata, arch: Architecture, head_size: int) -> int:
    key = arch.name + ".rope.dimension_count"
    n_rot = metadata.integer(key, 0, MAX_HEAD_SIZE, default=head_size)
    if arch.whole_rope and n_rot != head_size:
        metadata.fail(key, f"is {n_rot}, wanted the head size {head_size}")
    if n_rot % 2 or not 2 <= n_rot <= head_size:
        metadata.fail(key, f"is {n_rot}, wanted an even 2 to the head size {head_size}")
    return n_rot


def _rope_base(metadata: Metadata, key: str, usual: float) -> float:
    base = metadata.number(key, default=usual)
    if base <= 1:
        metadata.fail(key, f"is {base}, wanted more than 1: later pairs turn more slowly")
    return base


def _refuse_other_arithmetic(metadata: Metadata, arch: Architecture) -> None:
    prefix = arch.name + "."
    # attention.sliding_window (Mistral 7B v0.1) is not among these: llama.cpp ignores it as well.
    key = prefix + "expert_count"
    if metadata.integer(key, 0, 1 << 32, default=0) > 0:
        metadata.fail(
            key,
            "is not 0: this is a mixture of experts, which is not supported",
            hint="use a dense model",
        )
    key = prefix + "attention.causal"
    causal = not arch.bidirectional
    if metadata.boolean(key, default=causal) != causal:
        metadata.fail(
            key,
            "is false: only causal models are supported"
            if causal
            else f"is true: the tokens of {arch.name} see what is behind them too",
        )
    key = prefix + "rope.scaling.finetuned"
    if arch.scales and not metadata.boolean(key, default=True):
        metadata.fail(key, "is false: a model without rope is not supported")
