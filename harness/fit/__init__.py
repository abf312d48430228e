"""Model x Board -> Fit: whether it fits, with how long a context, and how fast it may be."""

from harness.fit.advice import Ceiling, Fit, advise

__all__ = ["Ceiling", "Fit", "advise"]
