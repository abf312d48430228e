"""What a board measures of itself: SENSORS and READINGS."""

import struct
from dataclasses import dataclass

from harness.link.messages import Msg, fields_of

_READINGS = struct.Struct("<III")
NOT_KNOWN = 0xFFFFFFFF  # of the flags; the other two are 0 then
# Flags of a Raspberry Pi's firmware: now, and 16 bits higher since it was switched on.
THROTTLING = ("undervoltage", "frequency capped", "throttled", "soft temperature limit")
PAST_SHIFT = 16


@dataclass(frozen=True)
class Readings:
    """At the moment of the question; None: the board does not tell.

    throttling: what slows the cores down now; was_throttled: anything did since it was switched on.
    """

    mhz: int | None = None
    celsius: float | None = None
    throttling: tuple[str, ...] | None = None
    was_throttled: bool | None = None


def unpack_readings(payload: bytes) -> Readings:
    """READINGS."""
    hz, millidegrees, flags = fields_of(Msg.READINGS, _READINGS, payload)
    known = flags != NOT_KNOWN
    now = tuple(word for bit, word in enumerate(THROTTLING) if flags >> bit & 1)
    return Readings(
        mhz=round(hz / 1e6) if hz else None,
        celsius=millidegrees / 1000 if millidegrees else None,
        throttling=now if known else None,
        was_throttled=bool(flags >> PAST_SHIFT) if known else None,
    )
