"""What tells the architectures apart: a row each, on top of the skeleton that all of them share.

The skeleton is llama's: pre-norm attention and a gated feed-forward, RMS norms, rotary positions.
A row says what a file of that name has beyond it; the numbers themselves are keys of the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

ATTENTION_BIASES: Final = ("attn_q", "attn_k", "attn_v")
ALL_BIASES: Final = (*ATTENTION_BIASES, "attn_output", "ffn_gate", "ffn_up", "ffn_down")


@dataclass(frozen=True)
class Architecture:
    """One value of general.architecture."""

    name: str
    rope_halves: bool = False  # rope turns the pairs (i, i + n_rot/2), not (2i, 2i + 1)
    whole_rope: bool = False  # n_rot must be the head size
    activation: Literal["silu", "gelu"] = "silu"  # of the feed-forward; gelu: tanh's form
    biases: tuple[str, ...] = ()  # tensors that have one in every file
    optional_biases: tuple[str, ...] = ()  # that have one in all layers or in none
    scales: bool = False  # granite's four keys
    qk_norm: bool = False  # an RMS norm of each head of q and k, before rope
    rope_freqs: bool = False  # may hold rope_freqs.weight, divisors of the frequencies
    rope_factors: bool = False  # may hold two sets of divisors, one for contexts beyond the first
    fused: bool = False  # q, k and v in one matrix, gate and up in another


ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    row.name: row
    for row in (
        Architecture("llama", whole_rope=True, optional_biases=ALL_BIASES, rope_freqs=True),
        Architecture("granite", scales=True, optional_biases=ALL_BIASES, rope_freqs=True),
        Architecture("qwen2", rope_halves=True, biases=ATTENTION_BIASES),
        Architecture("qwen3", rope_halves=True, qk_norm=True),
        Architecture("phi3", rope_halves=True, rope_factors=True, fused=True),
    )
}
LLAMA: Final = ARCHITECTURES["llama"]
