"""What tells the architectures apart: a row each, on top of the skeleton that all of them share.

The skeleton is llama's: pre-norm attention and a gated feed-forward, RMS norms, rotary positions.
A row says what a file of that name has beyond it; the numbers themselves are keys of the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

ATTENTION_BIASES: Final = ("attn_q", "attn_k", "attn_v")
ALL_BIASES: Final = (*ATTENTION_BIASES, "attn_output", "ffn_gate", "ffn_up", "ffn_down")
UNGATED_BIASES: Final = tuple(name for name in ALL_BIASES if name != "ffn_gate")


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
    post_norms: bool = False  # an RMS norm of what each branch adds
    sqrt_embedding: bool = False  # embeddings are multiplied by sqrt(n_embd)
    attn_softcap: float | None = None  # of scores, unless a key says otherwise; None: no key
    logit_softcap: float | None = None  # of logits likewise; 0: only if a key says so
    local_every: int = 0  # of so many layers the last is global, the others see a window; 0: none
    local_every_fixed: bool = False  # no key changes it
    window: int | None = None  # keys that a local layer sees, unless a key says otherwise
    local_rope_base: float | None = None  # of local layers; None: that of all layers
    layers_of_largest: int = 0  # the model of so many layers scales scores by its mean head size
    rope_freqs: bool = False  # may hold rope_freqs.weight, divisors of the frequencies
    rope_factors: bool = False  # may hold two sets of divisors, one for contexts beyond the first
    fused: bool = False  # q, k and v in one matrix, gate and up in another
    gated: bool = True  # the feed-forward is act(gate) * up; else act(up)
    layer_norms: bool = False  # with mean and bias, of each sum of stream and branch; no RMS norms
    learned_positions: bool = False  # a vector for each position and token type; no rope
    bidirectional: bool = False  # a token sees those behind it too; a text becomes a vector
    pools: bool = False  # a text becomes a vector in files that say how: Qwen3-Embedding
    window_around: bool = False  # a local layer's window reaches half as far, but both ways
    dense: bool = False  # may hold two matrices through which that vector goes


ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    row.name: row
    for row in (
        Architecture("llama", whole_rope=True, optional_biases=ALL_BIASES, rope_freqs=True),
        Architecture("granite", scales=True, optional_biases=ALL_BIASES, rope_freqs=True),
        Architecture("qwen2", rope_halves=True, biases=ATTENTION_BIASES),
        Architecture("qwen3", rope_halves=True, qk_norm=True, pools=True),
        Architecture("phi3", rope_halves=True, rope_factors=True, fused=True),
        Architecture(
            "gemma2",
            rope_halves=True,
            activation="gelu",
            post_norms=True,
            sqrt_embedding=True,
            attn_softcap=50.0,
            logit_softcap=30.0,
            local_every=2,
            local_every_fixed=True,
            window=4096,
            layers_of_largest=46,
        ),
        Architecture(
            "gemma3",
            rope_halves=True,
            activation="gelu",
            qk_norm=True,
            post_norms=True,
            sqrt_embedding=True,
            logit_softcap=0.0,
            local_every=6,
            window=0,
            local_rope_base=10000.0,
            layers_of_largest=62,
        ),
        Architecture(
            "gemma-embedding",
            rope_halves=True,
            activation="gelu",
            qk_norm=True,
            post_norms=True,
            sqrt_embedding=True,
            local_every=6,
            window=512,
            window_around=True,
            local_rope_base=10000.0,
            bidirectional=True,
            dense=True,
        ),
        Architecture(
            "bert",
            activation="gelu",
            biases=UNGATED_BIASES,
            gated=False,
            layer_norms=True,
            learned_positions=True,
            bidirectional=True,
        ),
    )
}
LLAMA: Final = ARCHITECTURES["llama"]
