"""The error of this layer."""

from harness.errors import HarnessError


class TrainError(HarnessError):
    """A model cannot be trained or exported as asked."""
