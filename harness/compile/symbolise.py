"""Addresses in a panic report, and of cores -> function names."""

import re
from collections.abc import Iterable
from pathlib import Path

from harness.compile.elf import SHF_EXECINSTR, Elf
from harness.errors import CoreAt

ADDRESS = re.compile(r"0x([0-9a-fA-F]{6,16})")
IMAGE_ALIGN = 2 << 20
IMAGE_BASE = re.compile(r"image[ _]?base[:= ]+0x([0-9a-fA-F]+)", re.I)


def symbolise(
    elf: Elf | Path, addresses: Iterable[int], image_base: int, *, returns: bool = False
) -> list[str]:
    """`function+0xOFFSET` per address of an image that runs at `image_base`; "" if it is not code.

    `returns`: these are return addresses. The call is the instruction before; when it never comes
    back, the return address is already the next function.
    """
    elf = Elf.read(elf) if isinstance(elf, Path) else elf
    linked_at = min((s.address for s in elf.segments if s.data), default=0)
    code = [s for s in elf.sections if s.flags & SHF_EXECINSTR]
    symbols = sorted(
        (s.address, s.name)
        for s in elf.symbols
        if s.kind in ("STT_FUNC", "STT_NOTYPE") and not s.name.startswith(("$", ".L"))
        if any(c.address <= s.address < c.address + c.size_bytes for c in code)
    )
    names = []
    for address in addresses:
        linked = address - image_base + linked_at
        looked_up = linked - 4 if returns else linked
        inside = any(c.address <= looked_up < c.address + c.size_bytes for c in code)
        below = [(start, name) for start, name in symbols if start <= looked_up] if inside else []
        names.append(f"{below[-1][1]}+0x{linked - below[-1][0]:x}" if below else "")
    return names


def symbolise_cores(elf: Elf | Path, cores: Iterable[CoreAt], text_offset: int) -> str:
    """A line for each core: where it is, and where that was called from.

    text_offset: of the Image header. The kernel runs that far above a multiple of 2 MiB, and its
    code is smaller than that (Linux, Documentation/arch/arm64/booting).
    """
    elf = Elf.read(elf) if isinstance(elf, Path) else elf
    lines = []
    for at in cores:
        image_base = at.pc - (at.pc - text_offset) % IMAGE_ALIGN
        (here,) = symbolise(elf, [at.pc], image_base)
        (caller,) = symbolise(elf, [at.lr], image_base, returns=True)
        lines.append(
            f"core {at.core} is at {at.pc:#x} <{here or 'no code of the kernel'}>"
            + (f", called from {at.lr:#x} <{caller}>" if here and caller else "")
        )
    return "\n".join(lines)


def symbolise_report(elf: Elf | Path, report: str) -> str:
    """A panic report with the function's name behind each backtrace line and behind ELR.

    The report says where the image runs ("image base 0x..."); without that it is taken to run where
    it was linked.
    """
    elf = Elf.read(elf) if isinstance(elf, Path) else elf
    linked_at = min((s.address for s in elf.segments if s.data), default=0)
    base = IMAGE_BASE.search(report)
    image_base = int(base[1], 16) if base else linked_at
    exact_first = re.search(r"\bELR\b", report) is not None  # then frame 0 is ELR itself
    return "\n".join(
        _named_line(elf, line, image_base, exact_first) for line in report.splitlines()
    )


def _named_line(elf: Elf, line: str, image_base: int, exact_first: bool) -> str:
    """Names for the address of `  #0 0xADDR`, and for the one after ELR."""
    frame = re.match(r"\s*#(\d+)\s+0x", line)
    elr = re.search(r"\bELR\S*?[:= ]+0x[0-9a-fA-F]+", line, re.I)
    if not frame and not elr:
        return line
    address = ADDRESS.search(elr[0] if elr else line)
    if address is None:
        return line
    returns = frame is not None and not (exact_first and frame[1] == "0")
    name = symbolise(elf, [int(address[1], 16)], image_base, returns=returns)[0]
    if not name:
        return line
    end = address.end() if not elr else elr.end()
    return f"{line[:end]} <{name}>{line[end:]}"
