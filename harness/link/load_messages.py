"""Message ids and constants between the host and the chainloader (kernel/loader).

Frames are those of the link, but each stands for itself: a request carries a number in `seq`, and
its answer the same number in `ack`. A request may be repeated; data is not answered.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from harness.errors import LinkError

LOAD_PROTOCOL = 1
SPACE_BYTES = 32 << 20  # memory that the loader's Image header asks for; its copy is the end of it
BLOCK_BYTES = 32  # what arrives or is missing; small, since a bad line breaks long frames
STATUS_BLOCKS = 512  # that one answer tells of: 64 bytes of map
FALL_BACK_MS = 1000  # silence after which a loader at another speed takes the first one again
SIZE_SILENCE_MS = 100  # after raspbootin's four bytes: a frame would have gone on
RAW_SILENCE_MS = 2000  # a kernel sent as raspbootin does it has ended early
ANNOUNCE_MS = 1000  # from one 03 03 03 to the next, while nobody is there


class LoadMsg(IntEnum):
    """Frame types besides the link's HELLO."""

    WELCOME = 0x40
    DONE = 0x41
    REFUSED = 0x42  # text: why
    MAP = 0x43  # u32 first, then a bit per block: it is there
    BAUD = 0x48  # u32 baud (0: the first speed again), u32 0
    BEGIN = 0x49  # u32 size, u32 CRC-32 of all
    DATA = 0x4A  # u32 first block, bytes
    STATUS = 0x4B  # u32 first, u32 count
    VERIFY = 0x4C  # u32 0, u32 0
    RUN = 0x4D  # u32 0, u32 0


def c_load_constants() -> Mapping[str, int]:
    """What the loader's gen/link.h has besides the link's own constants."""
    return {
        "LOAD_PROTOCOL": LOAD_PROTOCOL,
        "LOAD_SPACE_BYTES": SPACE_BYTES,
        "LOAD_BLOCK_BYTES": BLOCK_BYTES,
        "LOAD_STATUS_BLOCKS": STATUS_BLOCKS,
        "LOAD_FALL_BACK_MS": FALL_BACK_MS,
        "LOAD_SIZE_SILENCE_MS": SIZE_SILENCE_MS,
        "LOAD_RAW_SILENCE_MS": RAW_SILENCE_MS,
        "LOAD_ANNOUNCE_MS": ANNOUNCE_MS,
        **{f"LOAD_{member.name}": int(member) for member in LoadMsg},
    }


_WELCOME = struct.Struct("<IIIIQQ")
TWO_U32 = struct.Struct("<II")


@dataclass(frozen=True)
class LoaderWelcome:
    """What a loader says of itself; addresses as the board sees them."""

    nonce: int
    protocol: int
    baud_max: int  # 0: the line has one speed
    space_bytes: int  # the largest kernel
    address: int  # where it will lie
    firmware_x0: int  # what it will be given: the device tree, or 0
    description: str


def unpack_load_welcome(payload: bytes) -> LoaderWelcome:
    """The answer to HELLO."""
    if len(payload) < _WELCOME.size:
        raise LinkError(
            f"the loader's welcome has {len(payload)} bytes, expected {_WELCOME.size} and a name",
            hint="build the loader and the harness from one version",
        )
    text = payload[_WELCOME.size :].decode("utf-8", "replace")
    fields = (*_WELCOME.unpack_from(payload), text)
    return LoaderWelcome(*fields)
