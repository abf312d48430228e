"""Off, or at the prompt."""

import enum
from typing import Any

import attr
from labgrid.factory import target_factory
from labgrid.step import step
from labgrid.strategy import Strategy, StrategyError


class Status(enum.Enum):
    """States of a target."""

    unknown = 0
    off = 1
    ready = 2


@target_factory.reg_driver
@attr.s(eq=False)
class BarewordStrategy(Strategy):
    """transition("ready"): power cycled, kernel answering; transition("off")."""

    bindings = {  # noqa: RUF012 (labgrid's interface)
        "power": "PowerProtocol",
        "console": "ConsoleProtocol",
        "bareword": "BarewordDriver",
    }

    status = attr.ib(default=Status.unknown)

    @step(args=["status"])
    def transition(self, status: Any, *, step: Any) -> None:
        """To `off` or `ready`, by name or as Status."""
        wanted = status if isinstance(status, Status) else Status[status]
        if wanted is Status.unknown:
            raise StrategyError("no target can be made unknown: off or ready")
        if wanted is self.status:
            step.skip("nothing to do")
            return
        self.status = Status.unknown  # until it is there
        self.target.deactivate(self.bareword)
        self.target.deactivate(self.console)
        self.target.activate(self.power)
        if wanted is Status.off:
            self.power.off()
        else:
            self.target.activate(self.console)  # before the first byte
            self.power.cycle()
            self.target.activate(self.bareword)
        self.status = wanted
