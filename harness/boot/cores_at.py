"""Where each core of a QEMU machine is: what there is to say of a kernel that says nothing."""

import re

from harness.boot.qmp import Qmp
from harness.errors import CoreAt

CORE = re.compile(r"CPU#(\d+)(.*?)(?=CPU#|\Z)", re.S)
REGISTER = re.compile(r"\b(PC|X30)=([0-9a-f]{16})")


def cores_at(qmp: Qmp) -> tuple[CoreAt, ...]:
    """Each core of the machine; QmpError when QEMU does not answer."""
    text = qmp.execute("human-monitor-command", {"command-line": "info registers -a"})
    found = []
    for core, registers in CORE.findall(str(text)):
        values = {name: int(value, 16) for name, value in REGISTER.findall(registers)}
        if values.keys() == {"PC", "X30"}:
            found.append(CoreAt(int(core), values["PC"], values["X30"]))
    return tuple(found)
