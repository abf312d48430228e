"""Errors a person can act on; only harness/cli turns them into text and an exit code."""

from dataclasses import dataclass

EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h: neither the user nor the target did anything wrong
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell says it
QUOTED_MAX = 80  # characters; a string of a file may have millions


def quoted(value: str | bytes) -> str:
    """The repr of a file's string for a message: its beginning, with nothing a terminal obeys."""
    return repr(value) if len(value) <= QUOTED_MAX else f"{value[:QUOTED_MAX]!r}..."


class HarnessError(Exception):
    """What happened (observed and wanted value), then what to do about it."""

    exit_code = 2

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class GgufError(HarnessError):
    """The model file is malformed or holds something that is not supported."""


class BoardError(HarnessError):
    """A board definition is missing or wrong."""


class PlanError(HarnessError):
    """The model does not fit the board."""


class FitError(PlanError):
    """There is a plan, but the board has too little RAM for it."""


class CodegenError(HarnessError):
    """A header cannot be generated from this model."""


class ToolchainError(HarnessError):
    """No usable cross compiler."""


class CompileError(HarnessError):
    """The kernel does not compile, link, or hold what it promises."""


class ImageError(HarnessError):
    """The bootable image or the model blob cannot be made."""


class BootError(HarnessError):
    """The target cannot be started (QEMU missing, port busy)."""


class LinkError(HarnessError):
    """The other side refused a request (prompt too long, token out of range)."""


class SynthError(HarnessError):
    """A synthetic model cannot be made as asked."""


class ReferenceModelError(HarnessError):
    """The NumPy reference cannot run this model or prompt."""


class VerifyError(HarnessError):
    """Kernel and reference cannot be compared."""


class BenchError(HarnessError):
    """Nothing can be counted, or counts cannot be compared."""


class FlashError(HarnessError):
    """Nothing is written: the card, its list or the wish for it is not what it should be."""


class CardMismatchError(FlashError):
    """A card gives back other bytes than were written to it."""

    exit_code = 1


class CardFailedError(FlashError):
    """A card, or its reader, failed while it was written or read."""

    exit_code = 3


@dataclass(frozen=True)
class CoreAt:
    """A core, its program counter and its link register (X30: where it was called from)."""

    core: int
    pc: int
    lr: int


class TargetError(HarnessError):
    """The target misbehaved: it panicked, died, or fell silent."""

    exit_code = 3
    cores: tuple[CoreAt, ...] = ()  # of a machine that could be asked
