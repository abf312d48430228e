"""What the float64 reference may differ by, and why.

The contract reference has no limits: tokens and logits bits must be equal. These limits serve the
other question, whether the contract computes the model at all.
"""

import math
from dataclasses import dataclass

from harness.gguf import GGMLType, Model

PLAIN_TYPES = (GGMLType.F32, GGMLType.F16, GGMLType.BF16)

# A token may differ from float64 only where the two best logits are nearer than this many times
# the rms of the integer noise. Of 6504 measured steps 290 differed, the widest at 4.5.
NEAR_TIE_RMS = 6.0

# The kernel's distance from float64 against that of the contract reference, whose noise is of the
# same origin: ratios of independent implementations were measured between 0.78 and 1.44. KL grows
# with the square.
NOISE_RATIO = 2.0
# float32 rounding alone: at most 3e-5 measured over 18 models with logits of std 4 to 7; and the
# KL of logits that differ by so little.
FLOAT32_ABS = 1e-3
FLOAT32_KL = 1e-6


@dataclass(frozen=True)
class Limits:
    """Bounds on an Agreement with float64 logits."""

    cosine: float
    rms_per_std: float
    kl_mean: float


@dataclass(frozen=True)
class VectorLimits:
    """Bounds on vectors of length 1: the least cosine, and how far apart that lets them be."""

    cosine: float

    @property
    def apart(self) -> float:
        """|a - b|^2 = 2 - 2 cos of unit vectors; no component, nor a length, may be off by more."""
        return math.sqrt(2.0 * (1.0 - self.cosine))

    @property
    def text(self) -> str:
        """For a verdict."""
        return f">= {self.cosine}"


# llama.cpp's own integer path keeps a cosine of 0.9997 to its floats (0.99989 for Q8_0, measured on
# random weights); 0.9995 leaves room for deeper models. Keys, values and unquantised activations
# stay float32, whose sums differ by 5e-5 of a component at most: cosine 1 - 1e-9.
def vector_limits_for(model: Model) -> VectorLimits:
    """By what is rounded: nothing but float32 sums, or activations to 8 bits."""
    plain = all(t.type in PLAIN_TYPES for t in model.tensors.values() if len(t.shape) == 2)
    return VectorLimits(0.999999 if plain else 0.9995)


def limits_for(model: Model, kv_type: str = "f16") -> Limits:
    """Bounds by what is rounded to 8 bits: activations for quantised weights, keys and values."""
    plain = all(t.type in PLAIN_TYPES for t in model.tensors.values() if len(t.shape) == 2)
    return _PLAIN if plain and kv_type != "q8_0" else _QUANTISED


# Activations stay float32; only the F16 KV cache rounds, by at most 2^-11 = 4.9e-4 of a value:
# rms 2.4e-4 of the logits' std and 1 - cosine 1.7e-8 measured on a trained model. cosine
# 0.999999 is a relative error of sqrt(2e-6) = 1.4e-3; KL is about half its square times the
# variance of the logits (std 4 to 7, hence below 50): 5e-5.
_PLAIN = Limits(cosine=0.999999, rms_per_std=1.5e-3, kl_mean=5e-5)

# Activations are rounded to 8 bits. What that costs depends on the model: rms 0.8% of the std on a
# trained one, 1.8% to 4.4% on random ones of a few layers (llama.cpp's own integer path), 9.6% on
# a random one of 30 narrow layers. The errors that matter are larger: of the wrong formulas that
# a cosine can see, the mildest in a llama model gave 0.985, a relative error of 17%. The bound
# lies between, at 15%: cosine 1 - 0.15^2 / 2, and KL 0.15^2 / 2 * 25, the variance of such logits.
# The bound relative to the model's own noise is the sharper one. A q8_0 KV cache rounds in the same
# blocks of 32: by at most 1 / 254 of a block's largest value; rms 1.2% of the std on a trained
# model where nothing else rounds, and 2.6% became 2.8% on one of Q8_0 weights.
_QUANTISED = Limits(cosine=0.9888, rms_per_std=0.15, kl_mean=0.28)
