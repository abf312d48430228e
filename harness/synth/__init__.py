"""Random-weight models of real shapes; the only place where GGUF files are written."""

from harness.synth.presets import PRESETS
from harness.synth.synthesize import synthesize

__all__ = ["PRESETS", "synthesize"]
