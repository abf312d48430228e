"""What a decoded token costs in instructions, reckoned from counts that `bench` made once.

One core, clang 22, KV cache in halves. Counts depend on shapes a little: matrices of other widths
than those counted, and contexts that end within a tile of keys, are a few per cent off.
"""

from collections.abc import Mapping
from typing import Final

from harness.bench.profile import Weights
from harness.gguf import HyperParameters

# Per weight of a matrix times one token. Counted with `bench --smp 1 --ctx-list 16` of a synthetic
# model of TinyLlama's widths (2048, 256, 5632), four layers, each matrix of another type
# (`synth --quant every-type`), on cortex-a72 (neon) and cortex-a76 (dotprod). Matrices of 256
# columns take 2 to 3 per cent more: what a row costs at its end is spread over fewer weights.
PER_WEIGHT: Final[Mapping[str, Mapping[str, float]]] = {
    "neon": {
        "f32": 0.345, "f16": 0.571, "bf16": 0.571, "q4_0": 0.298, "q4_1": 0.317, "q5_0": 0.364,
        "q5_1": 0.407, "q8_0": 0.295, "q2_k": 0.360, "q3_k": 0.389, "q4_k": 0.290, "q5_k": 0.372,
        "q6_k": 0.361, "iq4_nl": 0.405, "iq4_xs": 0.380,
    },
    "dotprod": {
        "f32": 0.345, "f16": 0.571, "bf16": 0.571, "q4_0": 0.178, "q4_1": 0.198, "q5_0": 0.264,
        "q5_1": 0.286, "q8_0": 0.143, "q2_k": 0.269, "q3_k": 0.262, "q4_k": 0.166, "q5_k": 0.270,
        "q6_k": 0.245, "iq4_nl": 0.260, "iq4_xs": 0.240,
    },
}  # fmt: skip
# SMMLA multiplies batches only.
TIER_OF_DECODING: Final = {"neon": "neon", "dotprod": "dotprod", "i8mm": "dotprod"}

# The rest, the same on every tier. From tests/bench/baseline.json (5 layers of 256, 4 heads of 64,
# 2 for keys and values, feed-forward 512, vocabulary 2048), decode, cortex-a72, 1 core:
PER_QUANTISED: Final = 2.10  # "norm, quantise" 14,005: inputs of matrices, 5 * 1280 + 256
PER_ADDED: Final = 3.44  # "residual, SiLU" 17,610: 5 * (2 * 256 + 512)
PER_ROTATED: Final = 3.62  # "rope, KV append" 9,260: 5 * (256 + 2 * 128)
PER_EMBEDDED: Final = 6.37  # "embedding row" 1,631: 256
PER_LAYER: Final = 867  # "transformer" and "matmul, any type" 4,336: 5
PER_VOCABULARY: Final = 6.70  # "sampling" 13,716: 2048
# "attention" 37,192 at 16 tokens, 179,904 at 128: a query's element and key, and what a head costs
# before it sees its first key, in keys.
PER_KEY_ELEMENT: Final = 0.995  # (179,904 - 37,192) / 112 keys / 5 layers / 256
KEYS_OF_A_HEAD: Final = 10.7  # 37,192 / (0.995 * 5 * 256) - 18.5 keys, the mean of 17 to 20


def instructions_per_token(
    hyper: HyperParameters, weights: Weights, tier: str, n_context: int
) -> float:
    """Of one core that decodes alone, with n_context tokens in the KV cache."""
    costs = PER_WEIGHT[TIER_OF_DECODING[tier]]
    products = sum(n * costs[kind] for kind, n in weights.by_type.items())
    products += weights.head * costs[weights.head_type]
    n_q, n_kv = hyper.n_head * hyper.head_size, hyper.n_head_kv * hyper.head_size
    inputs = 2 * hyper.n_embd + n_q + hyper.n_ff
    per_layer = (
        PER_QUANTISED * inputs
        + PER_ADDED * (2 * hyper.n_embd + hyper.n_ff)
        + PER_ROTATED * (n_q + 2 * n_kv)
        + PER_LAYER
    )
    keys = sum(visible_keys(hyper, n_context)) + hyper.n_layer * KEYS_OF_A_HEAD
    return (
        products
        + hyper.n_layer * per_layer
        + PER_KEY_ELEMENT * n_q * keys
        + (PER_QUANTISED + PER_EMBEDDED) * hyper.n_embd
        + PER_VOCABULARY * hyper.n_vocab_rows
    )


def visible_keys(hyper: HyperParameters, n_context: int) -> list[int]:
    """Of each layer: how many positions a token attends to; windows of local layers end sooner."""
    local = hyper.local_layers or (False,) * hyper.n_layer
    return [min(n_context, hyper.window) if is_local else n_context for is_local in local]
