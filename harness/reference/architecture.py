"""What the architectures add to llama's forward pass, read from the file by a table of its own.

The reader has such a table too (harness/gguf); this one is written from the same description of
the models, so that a fault in either shows as a difference. Only the sizes are the reader's: of
heads, layers and vectors, and the norms' epsilon.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.gguf import HyperParameters, Model
from harness.reference.fma import F64

_NEIGHBOURS = {"llama", "granite"}  # whose rope turns pairs (2i, 2i + 1); all others: halves


@dataclass(frozen=True)
class Rope:
    """Pair i of position p turns by p * frequency[i]; cos and sin times magnitude."""

    frequency: tuple[float, ...]
    magnitude: float
    halves: bool


@dataclass(frozen=True)
class Rules:
    """The constants of a forward pass; 1 and 0 leave llama's as it is."""

    embedding_scale: float
    attention_scale: float
    residual_scale: float = 1.0
    logit_divisor: float = 1.0
    attention_cap: float = 0.0
    logit_cap: float = 0.0
    gelu: bool = False
    windows: tuple[int, ...] = ()  # per layer, keys that a token sees; 0: all before it
    local_rope_base: float = 0.0  # of layers with a window; 0: no other one
    reaches: tuple[float, ...] = ()  # of encoders: per layer, how far a token sees on either side
    causal: bool = False  # of encoders: only back
    pooling: str = ""  # of encoders: mean, cls or last; "": the file names none


def rules_of(model: Model) -> Rules:
    """The constants that this model's keys ask for."""
    key = _Keys(model.metadata, model.architecture)
    usual = 1.0 / math.sqrt(model.hyper.head_size)
    if model.architecture == "granite":
        return Rules(
            embedding_scale=key.number("embedding_scale", 0.0) or 1.0,
            attention_scale=key.number("attention.scale", 0.0) or usual,
            residual_scale=key.number("residual_scale", 0.0) or 1.0,
            logit_divisor=key.number("logit_scale", 1.0),
        )
    if model.architecture == "bert":
        everything = (math.inf,) * model.hyper.n_layer
        return Rules(1.0, usual, gelu=True, reaches=everything, pooling=_pooling(key))
    if model.architecture == "gemma-embedding":
        return _gemma_embedding(key, model.hyper)
    if model.architecture in ("gemma2", "gemma3"):
        return _gemma(key, model.hyper, second=model.architecture == "gemma2")
    if model.architecture == "qwen3":
        everything = (math.inf,) * model.hyper.n_layer
        return Rules(1.0, usual, reaches=everything, causal=True, pooling=_pooling(key))
    return Rules(1.0, usual)


def _gemma(key: "_Keys", h: HyperParameters, *, second: bool) -> Rules:
    """Gemma 2 alternates local and global layers, Gemma 3 has five local ones to a global one."""
    largest = h.n_layer == (46 if second else 62)
    window = int(key.number("attention.sliding_window", 4096 if second else 0))
    pattern = 2 if second else key.pattern("attention.sliding_window_pattern", 6)
    local = (
        [layer % pattern != pattern - 1 for layer in range(h.n_layer)]
        if isinstance(pattern, int)
        else pattern
    )
    return Rules(
        embedding_scale=math.sqrt(h.n_embd),
        attention_scale=1.0 / math.sqrt(h.n_embd / h.n_head if largest else h.head_size),
        attention_cap=key.number("attn_logit_softcapping", 50.0) if second else 0.0,
        logit_cap=key.number("final_logit_softcapping", 30.0 if second else 0.0),
        gelu=True,
        windows=tuple(window if here else 0 for here in local),
        local_rope_base=0.0 if second else key.number("rope.freq_base_swa", 10000.0),
    )


def _gemma_embedding(key: "_Keys", h: HyperParameters) -> Rules:
    """Gemma 3's five local layers to a global one; a window lies around its token."""
    pattern = key.pattern("attention.sliding_window_pattern", 6)
    local = (
        [layer % pattern != pattern - 1 for layer in range(h.n_layer)]
        if isinstance(pattern, int)
        else pattern
    )
    half = int(key.number("attention.sliding_window", 512)) // 2
    return Rules(
        embedding_scale=math.sqrt(h.n_embd),
        attention_scale=1.0 / math.sqrt(h.head_size),
        gelu=True,
        windows=tuple(int(here) for here in local),
        local_rope_base=key.number("rope.freq_base_swa", 10000.0),
        reaches=tuple(half if here else math.inf for here in local),
        pooling=_pooling(key),
    )


def _pooling(key: "_Keys") -> str:
    return {1: "mean", 2: "cls", 3: "last"}.get(int(key.number("pooling_type", 0)), "")


def rope_of(model: Model, n_ctx: int | None) -> Rope:
    """The angles per position, from keys and factor tensors.

    n_ctx: the context that is allocated (None: the whole one), by which Phi-3 chooses its factors.
    """
    key = _Keys(model.metadata, model.architecture)
    n_rot = int(key.number("rope.dimension_count", model.hyper.head_size))
    base = key.number("rope.freq_base", 10000.0)
    frequency = _frequencies(base, n_rot)
    trained = key.number("context_length")
    original = key.number("rope.scaling.original_context_length", trained)
    length = "long" if (n_ctx or trained) > original else "short"
    for name in ("rope_freqs.weight", f"rope_factors_{length}.weight"):
        if name in model.tensors:
            divisors = model.vector(name).tolist()
            frequency = [f / d for f, d in zip(frequency, divisors, strict=True)]
    kind = key.text("rope.scaling.type", "linear")
    factor = key.number("rope.scaling.factor", key.number("rope.scale_linear", 1.0))
    magnitude = key.number("rope.scaling.attn_factor", 1.0)
    if kind == "linear":
        frequency = [f / factor for f in frequency]
    elif kind == "yarn":
        keep = _yarn_keeps(n_rot, base, original)
        frequency = [
            f / factor * (1.0 - ramp) + f * ramp for f, ramp in zip(frequency, keep, strict=True)
        ]
        magnitude *= 1.0 + 0.1 * math.log(factor)
    return Rope(tuple(frequency), magnitude, model.architecture not in _NEIGHBOURS)


def local_rope_of(model: Model, rope: Rope) -> Rope:
    """That of layers with a window: the same, or one of another base that nothing stretches."""
    base = rules_of(model).local_rope_base
    if not base:
        return rope
    return Rope(tuple(_frequencies(base, 2 * len(rope.frequency))), 1.0, rope.halves)


def _frequencies(base: float, n_rot: int) -> list[float]:
    return [base ** (-2.0 * i / n_rot) for i in range(n_rot // 2)]


def _yarn_keeps(n_rot: int, base: float, original: float) -> list[float]:
    """1 where a pair turns often within the original context, 0 where it hardly does."""
    lo, hi = (
        n_rot * math.log(original / (r * 2.0 * math.pi)) / (2.0 * math.log(base)) for r in (32, 1)
    )
    start, end = max(math.floor(lo), 0), min(math.ceil(hi), n_rot - 1)
    ramp = (np.arange(n_rot // 2) - start) / max(0.001, end - start)
    keep: F64 = 1.0 - np.clip(ramp, 0.0, 1.0)
    return [float(value) for value in keep]


class _Keys:
    """Metadata keys of the architecture."""

    def __init__(self, metadata: Mapping[str, object], architecture: str) -> None:
        self._metadata, self._prefix = metadata, architecture + "."

    def number(self, name: str, default: float | None = None) -> float:
        value = self._metadata.get(self._prefix + name, default)
        assert isinstance(value, int | float), name
        return value

    def pattern(self, name: str, default: int) -> int | list[bool]:
        """One layer of so many is global, or a flag of each layer: whether it is local."""
        value = self._metadata.get(self._prefix + name, default)
        if isinstance(value, np.ndarray):
            return [bool(flag) for flag in value]
        assert isinstance(value, int), name
        return value

    def text(self, name: str, default: str) -> str:
        return str(self._metadata.get(self._prefix + name, default))
