"""Sends a kernel to the chainloader of a board, so that no card needs to be written for it."""

import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from harness.errors import BootError
from harness.link.load_messages import LoaderWelcome
from harness.link.loader import KernelRuns, Loader, Pushed
from harness.link.session import Session
from harness.link.stream import ByteStream, PrefixedStream, StreamEnded, TargetLost

BAUDS = (1_500_000, 921_600)  # that most USB adapters can do; the faster first
WORTH_S = 5.0  # less time on the line than this is not worth a change of speed
BACK_S = 60.0  # from a reboot to the loader, firmware included
IMAGE_SIZE = struct.Struct("<16xQ")  # of the arm64 Image header: memory that the kernel needs


@dataclass(frozen=True)
class Started:
    """A kernel that was sent and runs; `stream` is its line."""

    pushed: Pushed
    stream: ByteStream


@dataclass(frozen=True)
class Speed:
    """How the port's speed is changed; `base` is the one that the board begins with."""

    base: int
    set_host: Callable[[int], None]
    wanted: Sequence[int] = BAUDS


def chainload(
    stream: ByteStream,
    kernel: bytes,
    *,
    speed: Speed | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Started:
    """Reboot what runs into the loader, send it the kernel, verify it there, start it.

    BootError when the board does not get to a loader, or the kernel does not fit. TargetLost when
    the line falls silent.
    """
    loader = Loader(stream)
    welcome = _reach(loader, stream, say)
    say(f"{welcome.description}; kernel goes to {welcome.address:#x}")
    _check_fit(kernel, welcome)
    try:
        pushed = _push(loader, welcome, kernel, speed, on_progress, say)
        printed = loader.run()
    except StreamEnded:
        if speed is not None:
            with suppress(BootError):  # when the port is back, the loader has its first speed
                speed.set_host(speed.base)
        raise
    if speed is not None:
        speed.set_host(speed.base)
    return Started(pushed, PrefixedStream(printed, stream))


def _push(
    loader: Loader,
    welcome: LoaderWelcome,
    kernel: bytes,
    speed: Speed | None,
    on_progress: Callable[[int], None],
    say: Callable[[str], None],
) -> Pushed:
    """At the fastest speed that works; at the first one, if that is lost on the way."""
    baud = _speed_up(loader, welcome, len(kernel), speed, say) if speed is not None else 0
    try:
        return loader.push(kernel, on_progress)
    except StreamEnded:
        raise
    except TargetLost:
        if speed is None or baud == speed.base:
            raise
        # A pause makes the loader take its first speed again; what it has, it keeps.
        say(f"lost at {baud} baud: going on at {speed.base}")
        speed.set_host(speed.base)
        loader.find()
        return loader.push(kernel, on_progress)


def _reach(loader: Loader, stream: ByteStream, say: Callable[[str], None]) -> LoaderWelcome:
    try:
        return loader.find(BACK_S)
    except KernelRuns:
        say("a kernel runs: rebooting it")
    session = Session(stream)
    session.connect()
    session.reboot()
    try:
        return loader.find(BACK_S)
    except KernelRuns as exc:
        raise BootError(
            "after the reboot the board runs a kernel again, not the loader",
            hint="let it start the image of `build --loader`",
        ) from exc


def _check_fit(kernel: bytes, welcome: LoaderWelcome) -> None:
    if len(kernel) > welcome.space_bytes:
        raise BootError(
            f"the kernel has {len(kernel):,} bytes, the loader takes {welcome.space_bytes:,}",
            hint="a model so large belongs on the card: the loader sends kernels",
        )
    (needed,) = IMAGE_SIZE.unpack_from(kernel)
    behind = welcome.firmware_x0 - welcome.address
    if 0 <= behind < needed:
        raise BootError(
            f"the firmware has put the device tree {behind:,} bytes behind the kernel's start, and "
            f"the kernel needs {needed:,}: started by the firmware itself it may fit",
            hint="build with a smaller --ctx, or write the kernel to the card",
        )


def _speed_up(
    loader: Loader,
    welcome: LoaderWelcome,
    size_bytes: int,
    speed: Speed,
    say: Callable[[str], None],
) -> int:
    """The fastest speed that works, in baud."""
    bits_per_byte = 10  # with start and stop
    if size_bytes * bits_per_byte / speed.base < WORTH_S:
        return speed.base
    for baud in speed.wanted:
        if not speed.base < baud <= welcome.baud_max:
            continue
        try:
            if loader.change_baud(baud, speed.set_host, speed.base):
                say(f"sending at {baud} baud")
                return baud
        except BootError as error:  # the adapter's limit
            say(f"{error}")
            speed.set_host(speed.base)
            loader.find()
        say(f"{baud} baud does not work here")
    return speed.base
