"""Reads and checks kernel.elf: what the linker made against what was planned."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from harness.errors import CompileError
from harness.plan import MemoryPlan

PF_X, PF_W = 1, 2
SHF_ALLOC, SHF_EXECINSTR = 2, 4
FORBIDDEN_SECTIONS = (".got", ".plt", ".rela", ".rel.", ".dynamic", ".dynsym", ".interp")
# Relocations that write an absolute address into the image, which then runs at that address only.
ABSOLUTE_RELOCATIONS = {
    257: "R_AARCH64_ABS64",
    258: "R_AARCH64_ABS32",
    259: "R_AARCH64_ABS16",
    **{number: "R_AARCH64_MOVW_UABS" for number in range(263, 270)},
}
SIZES = ("__image_size",)  # linker symbols that are numbers, not addresses


@dataclass(frozen=True)
class Segment:
    """One program header of type LOAD."""

    address: int
    physical: int
    data: bytes
    size_bytes: int  # in memory; beyond the data it is zero
    flags: int


@dataclass(frozen=True)
class Section:
    """An allocated section: `flags` as in the ELF."""

    name: str
    address: int
    size_bytes: int
    flags: int


@dataclass(frozen=True)
class Symbol:
    """A named address; `kind` is STT_FUNC and so on, `section` the section's number or SHN_..."""

    name: str
    address: int
    size_bytes: int
    kind: str
    section: int | str


@dataclass(frozen=True)
class Elf:
    """The parts of a linked image that are looked at."""

    path: Path
    entry: int
    segments: tuple[Segment, ...]
    segment_types: tuple[str, ...]
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]

    @classmethod
    def read(cls, path: Path) -> "Elf":
        """Parse an ELF file; CompileError when it is not one."""
        try:
            with path.open("rb") as file:
                return cls._parse(path, ELFFile(file))
        except (OSError, ELFError) as exc:
            raise CompileError(f"{path} is not a readable ELF file: {exc}") from exc

    @classmethod
    def _parse(cls, path: Path, file: ELFFile) -> "Elf":
        headers = list(file.iter_segments())
        return cls(
            path=path,
            entry=int(file["e_entry"]),
            segments=tuple(
                Segment(s["p_vaddr"], s["p_paddr"], s.data(), s["p_memsz"], s["p_flags"])
                for s in headers
                if s["p_type"] == "PT_LOAD"
            ),
            segment_types=tuple(str(s["p_type"]) for s in headers),
            sections=tuple(
                Section(s.name, s["sh_addr"], s["sh_size"], s["sh_flags"])
                for s in file.iter_sections()
                if s.name
            ),
            symbols=tuple(_symbols(file)),
        )

    def symbol(self, name: str) -> Symbol | None:
        """The symbol of this name, or None."""
        return next((s for s in self.symbols if s.name == name), None)

    def bytes_at(self, address: int, size_bytes: int) -> bytes:
        """Loaded bytes; short or empty where nothing is loaded."""
        for segment in self.segments:
            offset = address - segment.address
            if 0 <= offset < len(segment.data):
                return segment.data[offset : offset + size_bytes]
        return b""


def _symbols(file: ELFFile) -> list[Symbol]:
    table = file.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return []
    return [
        Symbol(s.name, s["st_value"], s["st_size"], s["st_info"]["type"], s["st_shndx"])
        for s in table.iter_symbols()
        if s.name
    ]


def flat_bytes(elf: Elf | Path, load_address: int) -> bytes:
    """The bytes of all LOAD segments, laid out by physical address from `load_address` on."""
    elf = Elf.read(elf) if isinstance(elf, Path) else elf
    loaded = [s for s in elf.segments if s.data]
    if not loaded:
        raise CompileError(f"{elf.path} has nothing to load")
    lowest = min(s.physical for s in loaded)
    if lowest != load_address:
        raise CompileError(f"{elf.path} starts at 0x{lowest:x}, planned was 0x{load_address:x}")
    image = bytearray(max(s.physical + len(s.data) for s in loaded) - load_address)
    for segment in loaded:
        start = segment.physical - load_address
        image[start : start + len(segment.data)] = segment.data
    return bytes(image)


def check_elf(elf: Elf | Path, plan: MemoryPlan) -> None:
    """CompileError unless the image is self-contained, W^X, and laid out as planned."""
    elf = Elf.read(elf) if isinstance(elf, Path) else elf
    problems = [*_self_contained(elf), *_write_xor_execute(elf), *_as_planned(elf, plan)]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise CompileError(f"{elf.path.name} is not a bootable kernel\n{listed}")


def _self_contained(elf: Elf) -> list[str]:
    problems = [
        f"undefined symbol: {symbol.name}"
        for symbol in elf.symbols
        if symbol.section == "SHN_UNDEF"
    ]
    problems += [
        f"section {section.name} ({section.size_bytes} bytes): nobody relocates a bare-metal image"
        for section in elf.sections
        if section.name.startswith(FORBIDDEN_SECTIONS) and section.size_bytes
    ]
    problems += [
        f"program header {kind}: there is no dynamic linker"
        for kind in elf.segment_types
        if kind in ("PT_DYNAMIC", "PT_INTERP")
    ]
    return problems


def _write_xor_execute(elf: Elf) -> list[str]:
    return [
        f"segment at 0x{s.address:x} is both writable and executable"
        for s in elf.segments
        if s.flags & PF_W and s.flags & PF_X
    ]


def _as_planned(elf: Elf, plan: MemoryPlan) -> list[str]:
    """Region borders and the kernel's budget, as symbols and segments have them."""
    problems = _within_budget(elf, plan)
    for region in plan.regions:
        if region.name == "kernel":
            continue
        for suffix, wanted in (("start", region.base), ("end", region.base + region.size_bytes)):
            name = f"__{region.name}_{suffix}"
            symbol = elf.symbol(name)
            if symbol is None:
                problems.append(f"symbol {name} is missing (planned at 0x{wanted:x})")
            elif symbol.address != wanted:
                problems.append(f"{name} is 0x{symbol.address:x}, planned was 0x{wanted:x}")
    return problems


def _within_budget(elf: Elf, plan: MemoryPlan) -> list[str]:
    """Everything below the first planned region is the kernel, .bss included."""
    others = [region.base for region in plan.regions if region.name != "kernel"]
    kernel = [s for s in elf.segments if s.size_bytes and s.address < min(others)]
    if not kernel:
        return ["nothing to load"]
    start = min(s.address for s in kernel)
    if start != plan.load_address:
        return [f"the image starts at 0x{start:x}, planned was 0x{plan.load_address:x}"]
    used = max(s.address + s.size_bytes for s in kernel) - start
    budget = plan.region("kernel").size_bytes
    return [f"the kernel takes {used} bytes, its budget is {budget}"] if used > budget else []


def check_objects(objects: Sequence[Path]) -> None:
    """CompileError if an object stores an absolute address: the linker would fix it in silence.

    In position-independent code that is a pointer in a static initialiser; the image would work at
    its link address only.
    """
    problems = [problem for obj in objects for problem in _absolute_relocations(obj)]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise CompileError(
            f"the kernel would not be position-independent\n{listed}",
            hint="set the pointer at run time, or store an offset",
        )


def _absolute_relocations(obj: Path) -> list[str]:
    problems = []
    with obj.open("rb") as stream:
        file = ELFFile(stream)
        for section in file.iter_sections():
            if not isinstance(section, RelocationSection):
                continue
            target = file.get_section(section["sh_info"])
            if not target["sh_flags"] & SHF_ALLOC:
                continue
            symbols = file.get_section(section["sh_link"])
            assert isinstance(symbols, SymbolTableSection)
            for relocation in section.iter_relocations():
                kind = ABSOLUTE_RELOCATIONS.get(relocation["r_info_type"])
                if kind is None:
                    continue
                name = symbols.get_symbol(relocation["r_info_sym"]).name
                if name not in SIZES:
                    source = "/".join(obj.with_suffix("").parts[-2:])
                    problems.append(f"kernel/{source}: {target.name}: {kind} of {name or 'data'}")
    return problems
