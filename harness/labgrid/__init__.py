"""For labs: a labgrid driver and a strategy; `imports: [harness.labgrid]` in an environment."""

from harness.labgrid.driver import BarewordDriver
from harness.labgrid.strategy import BarewordStrategy

__all__ = ["BarewordDriver", "BarewordStrategy"]
