"""How a model stretches its rotary positions beyond the context that it was first trained on."""

from typing import Final

import numpy as np

from harness.errors import GgufError, quoted
from harness.gguf.architecture import Architecture
from harness.gguf.metadata import Metadata
from harness.gguf.model import Model, RopeScaling
from harness.gguf.tensors import ROPE_FREQS, ROPE_LONG, ROPE_SHORT

# Of factors and divisors: published ones lie between 0.1 and 100, and these keep angles finite.
SMALLEST, LARGEST = 1e-6, 1e6

# llama.cpp's own constants of YaRN; a file that asks for others computes something else.
_YARN_CONSTANTS: Final = {
    "rope.scaling.yarn_ext_factor": 1.0,
    "rope.scaling.yarn_attn_factor": 1.0,
    "rope.scaling.yarn_beta_fast": 32.0,
    "rope.scaling.yarn_beta_slow": 1.0,
    "rope.scaling.yarn_log_multiplier": 0.0,
}


def rope_scaling_of(metadata: Metadata, arch: Architecture, n_ctx_train: int) -> RopeScaling:
    """`none`, `linear` or `yarn`; a factor without a type is linear."""
    prefix = arch.name + "."
    kind_key = prefix + "rope.scaling.type"
    kind = metadata.text(kind_key, default="linear")
    # Phi-3's is a set of factors among the tensors.
    known = ("none", "linear", "yarn", *(["longrope"] if arch.rope_factors else []))
    if kind not in known:
        supported = ", ".join(map(repr, known))
        metadata.fail(
            kind_key, f"is {quoted(kind)}, which is not supported; supported: {supported}"
        )
    key = prefix + "rope.scaling.factor"
    if key not in metadata and prefix + "rope.scale_linear" in metadata:
        key = prefix + "rope.scale_linear"
    factor = metadata.number(key, default=1.0)
    if not SMALLEST <= factor <= LARGEST:
        metadata.fail(key, f"is {factor}, wanted {SMALLEST} to {LARGEST:g}")
    if kind == "yarn":
        if factor < 1:
            metadata.fail(key, f"is {factor}, wanted 1 or more: YaRN stretches")
        for name, usual in _YARN_CONSTANTS.items():
            value = metadata.number(prefix + name, default=usual)
            if value != usual:
                metadata.fail(prefix + name, f"is {value}; only {usual} is supported")
    return RopeScaling(
        kind="yarn" if kind == "yarn" else "linear",
        factor=factor if kind in ("linear", "yarn") else 1.0,
        n_ctx_original=metadata.integer(
            prefix + "rope.scaling.original_context_length", 1, 1 << 24, default=n_ctx_train
        ),
        attn_factor=_attn_factor(metadata, prefix + "rope.scaling.attn_factor"),
    )


def _attn_factor(metadata: Metadata, key: str) -> float:
    factor = metadata.positive(key, default=1.0)
    if not SMALLEST <= factor <= LARGEST:
        metadata.fail(key, f"is {factor}, wanted {SMALLEST} to {LARGEST:g}")
    return factor


def check_rope_divisors(model: Model) -> None:
    """Raise GgufError for a divisor of a frequency that would poison the table of angles."""
    for name in (ROPE_FREQS, ROPE_LONG, ROPE_SHORT):
        if name in model.tensors:
            values = model.vector(name)
            wrong = np.flatnonzero(~((values >= SMALLEST) & (values <= LARGEST)))
            if len(wrong):
                raise GgufError(
                    f"{name}[{wrong[0]}] is {values[wrong[0]]}, wanted {SMALLEST} to {LARGEST:g}: "
                    "a frequency is divided by it",
                    hint="the file is damaged, or was converted wrongly",
                )
