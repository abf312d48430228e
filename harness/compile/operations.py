"""The operations in an image: symbol, size, NEON instructions, and whether the kernel calls them.

An instruction counts as NEON when one of its operands is a V register with an arrangement
(`v0.4s`, `v1.b[3]`) or when it loads or stores whole Q registers. Scalar floating point (`s0`,
`d0`) does not count. An operation is *scalar* when none of its NEON instructions computes on
vectors: loads, stores, moves between registers and shuffles of lanes are not enough.

Reachable means: a function calls it, directly, that is on a path from kernel_main; such a path goes
over direct calls and branches, and over addresses of functions that the code takes (adr, or adrp +
add), as those are that the cores are given to run. That its address is taken is not enough for the
operation itself.
"""

import bisect
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import capstone
from capstone import arm64

from harness.compile.elf import SHF_EXECINSTR, Elf, Symbol
from harness.errors import CompileError

ENTRY = "kernel_main"

# What a bare-metal inference engine owes its user, and the symbol that keeps the promise.
PROMISED = {
    "matvec_q4_k_neon": "Q4_K mat-vec",
    "vec_dot_f32_neon": "vector dot",
    "rmsnorm_neon": "RMS norm",
    "softmax_neon": "softmax",
    "matvec_f32_neon": "mat-vec",
    "vec_mul_neon": "element multiply",
    "vec_add_neon": "element add",
}
# What models that make vectors have no use for, as they choose no token, and what they have
# instead: of causal ones, and by architecture. BERT's feed-forward has no gate and its norms have a
# mean.
_USELESS_CAUSAL = ("softmax_neon",)
_INSTEAD_CAUSAL = {"attention_f32_neon": "attention, F32 cache"}
_ATTENTION = {"attention_around_f32_neon": "attention of whole texts"}
_USELESS = {
    "gemma-embedding": ("softmax_neon",),
    "bert": ("softmax_neon", "rmsnorm_neon", "vec_mul_neon"),
}
_INSTEAD = {
    "gemma-embedding": _ATTENTION,
    "bert": _ATTENTION | {"layernorm_neon": "layer norm"},
}
OURS = {
    "matvec_q4_k_dotprod": "Q4_K mat-vec (dotprod)",
    "matvec_q6_k_neon": "Q6_K mat-vec",
    "matvec_q6_k_dotprod": "Q6_K mat-vec (dotprod)",
    "matvec_q8_0_neon": "Q8_0 mat-vec",
    "matvec_q8_0_dotprod": "Q8_0 mat-vec (dotprod)",
    "matvec_q4_0_neon": "Q4_0 mat-vec",
    "matvec_q4_0_dotprod": "Q4_0 mat-vec (dotprod)",
    "matvec_q4_1_neon": "Q4_1 mat-vec",
    "matvec_q4_1_dotprod": "Q4_1 mat-vec (dotprod)",
    "matvec_q5_0_neon": "Q5_0 mat-vec",
    "matvec_q5_0_dotprod": "Q5_0 mat-vec (dotprod)",
    "matvec_q5_1_neon": "Q5_1 mat-vec",
    "matvec_q5_1_dotprod": "Q5_1 mat-vec (dotprod)",
    "matvec_q2_k_neon": "Q2_K mat-vec",
    "matvec_q2_k_dotprod": "Q2_K mat-vec (dotprod)",
    "matvec_q3_k_neon": "Q3_K mat-vec",
    "matvec_q3_k_dotprod": "Q3_K mat-vec (dotprod)",
    "matvec_q5_k_neon": "Q5_K mat-vec",
    "matvec_q5_k_dotprod": "Q5_K mat-vec (dotprod)",
    "matvec_iq4_nl_neon": "IQ4_NL mat-vec",
    "matvec_iq4_nl_dotprod": "IQ4_NL mat-vec (dotprod)",
    "matvec_iq4_xs_neon": "IQ4_XS mat-vec",
    "matvec_iq4_xs_dotprod": "IQ4_XS mat-vec (dotprod)",
    "matvec_f16_neon": "F16 mat-vec",
    "matvec_bf16_neon": "BF16 mat-vec",
    "rmsnorm_q8_k_neon": "RMS norm to Q8_K",
    "quantize_q8_k_neon": "activations to Q8_K",
    "quantize_q8_0_neon": "activations to Q8_0",
    "layernorm_neon": "layer norm",
    "rope_neon": "RoPE",
    "rope_halves_neon": "RoPE, by halves",
    "attention_f16_neon": "attention, F16 cache",
    "attention_f32_neon": "attention, F32 cache",
    "attention_q8_0_neon": "attention, Q8_0 cache",
    "attention_window_f16_neon": "attention in a window, F16 cache",
    "attention_window_f32_neon": "attention in a window, F32 cache",
    "attention_window_q8_0_neon": "attention in a window, Q8_0 cache",
    "attention_around_f32_neon": "attention of whole texts",
    "quantize_kv_q8_0_neon": "keys and values to Q8_0",
    "vec_silu_neon": "SiLU",
    "vec_gelu_neon": "GELU",
    "vec_softcap_neon": "soft cap",
    "vec_max_neon": "largest element",
    "vec_exp_neon": "exponentials",
    "vec_sum_neon": "sum",
    "vec_next_above_neon": "next candidate",
    "row_get_neon": "embedding row",
    "f32_to_f16_row_neon": "float to half",
}
TWINS = ("_neon", "_dotprod", "_i8mm")  # endings: by the instructions that the operation needs
# Vector instructions that move data, also from lane to lane, and compute nothing.
MOVES = ("ld", "st", "mov", "dup", "ins", "umov", "smov", "movi", "mvni", "fmov", "prfm")
SHUFFLES = ("ext", "rev", "tbl", "tbx", "trn", "uzp", "zip")


@dataclass(frozen=True)
class Operation:
    """One operation of the kernel as the image has it; size 0 means that the symbol is missing."""

    name: str
    symbol: str
    promised: bool
    size_bytes: int
    neon_instructions: int
    neon_arithmetic: int
    reachable: bool

    @property
    def fault(self) -> str:
        """Why this operation does not count as delivered; empty when it does."""
        if self.size_bytes == 0:
            return "missing"
        if self.neon_arithmetic == 0:
            return "scalar"
        return "" if self.reachable else f"not reachable from {ENTRY}"

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "fault": self.fault}


@dataclass(frozen=True)
class _Function:
    """What one function does: vector instructions, the addresses it goes to and those it takes."""

    name: str
    start: int
    size_bytes: int
    neon: int
    arithmetic: int
    calls: frozenset[int]
    taken: frozenset[int]


def promised(architecture: str, *, vectors: bool = False) -> dict[str, str]:
    """Symbol and name of what an image of such a model must hold, vectorised and reachable.

    vectors: it makes them, which of some architectures all models do.
    """
    useless = _USELESS.get(architecture, _USELESS_CAUSAL if vectors else ())
    kept = {symbol: name for symbol, name in PROMISED.items() if symbol not in useless}
    return kept | _INSTEAD.get(architecture, _INSTEAD_CAUSAL if vectors else {})


def operations(
    elf: Elf | Path, architecture: str = "llama", *, vectors: bool = False
) -> tuple[Operation, ...]:
    """Promised operations first, then every other function of the image that is a twin."""
    promises = promised(architecture, vectors=vectors)
    elf = Elf.read(elf) if isinstance(elf, Path) else elf
    functions = _functions(elf)
    reached = _reached(functions)
    by_name = {function.name: function for function in functions}
    others = sorted(
        n
        for n in by_name
        if n.endswith(TWINS) and n not in promises and not n.startswith("cpu_has_")
    )
    order = [n for n in OURS if n in others] + [n for n in others if n not in OURS]
    return tuple(
        _operation(name, by_name.get(name), reached, promises) for name in (*promises, *order)
    )


def check_operations(
    found: tuple[Operation, ...], architecture: str = "llama", *, vectors: bool = False
) -> None:
    """CompileError if a promised operation is missing, scalar or never called, in any twin."""
    promises = promised(architecture, vectors=vectors)
    stems = tuple(symbol.removesuffix("_neon") for symbol in promises)
    broken = [
        operation
        for operation in found
        if operation.fault and operation.symbol.removesuffix(_ending(operation.symbol)) in stems
    ]
    if broken:
        listed = "\n".join(f"  {o.name} ({o.symbol}): {o.fault}" for o in broken)
        raise CompileError(f"the image does not hold what it promises\n{listed}")


def _ending(symbol: str) -> str:
    return next((ending for ending in TWINS if symbol.endswith(ending)), "")


def _operation(
    symbol: str, function: _Function | None, reached: set[str], promises: dict[str, str]
) -> Operation:
    return Operation(
        name=promises.get(symbol) or OURS.get(symbol) or symbol.removesuffix("_neon"),
        symbol=symbol,
        promised=symbol in promises,
        size_bytes=function.size_bytes if function else 0,
        neon_instructions=function.neon if function else 0,
        neon_arithmetic=function.arithmetic if function else 0,
        reachable=symbol in reached,
    )


def _reached(functions: list[_Function]) -> set[str]:
    """Names of the functions that a walk from kernel_main comes to, and that something calls."""
    starts = [function.start for function in functions]
    by_name = {function.name: function for function in functions}
    walked: set[str] = set()
    called = {ENTRY}
    waiting = [by_name[ENTRY]] if ENTRY in by_name else []
    while waiting:
        function = waiting.pop()
        if function.name in walked:
            continue
        walked.add(function.name)
        for target in function.calls | function.taken:
            index = bisect.bisect_right(starts, target) - 1
            if index >= 0 and target < functions[index].start + functions[index].size_bytes:
                found = functions[index]
                waiting.append(found)
                # A loop within a function does not call it.
                if target in function.calls and found is not function:
                    called.add(found.name)
    return walked & called


def _functions(elf: Elf) -> list[_Function]:
    """All code of the image, cut at function symbols, in order of address."""
    decoder = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    decoder.detail = True
    decoder.skipdata = True
    return [_analyse(decoder, name, elf, a, b) for name, a, b in extents(elf)]


def extents(elf: Elf) -> Iterator[tuple[str, int, int]]:
    """(name, start, end) of each function; one without a size ends where the next begins."""
    for section in elf.sections:
        if not section.flags & SHF_EXECINSTR:
            continue
        end = section.address + section.size_bytes
        inside = [s for s in elf.symbols if section.address <= s.address < end and _is_code(s)]
        first_names: dict[int, Symbol] = {}
        for symbol in sorted(inside, key=lambda s: (s.address, -s.size_bytes, s.name)):
            first_names.setdefault(symbol.address, symbol)
        borders = [*first_names, end]
        for symbol, (start, following) in zip(first_names.values(), pairwise(borders), strict=True):
            size = symbol.size_bytes or following - start
            yield symbol.name, start, min(start + size, end)


def _is_code(symbol: Symbol) -> bool:
    mapping = symbol.name.startswith(("$x", "$d", ".L"))
    return symbol.kind in ("STT_FUNC", "STT_NOTYPE") and not mapping


def _analyse(decoder: capstone.Cs, name: str, elf: Elf, start: int, end: int) -> _Function:
    neon = arithmetic = 0
    calls: set[int] = set()
    taken: set[int] = set()
    pages: dict[int, int] = {}  # register -> page that adrp put there
    for instruction in decoder.disasm(elf.bytes_at(start, end - start), start):
        if instruction.id == 0:  # data between functions
            continue
        if _is_neon(instruction):
            neon += 1
            arithmetic += _computes(instruction)
        calls.update(_calls(instruction))
        taken.update(_taken(instruction, pages))
    return _Function(name, start, end - start, neon, arithmetic, frozenset(calls), frozenset(taken))


def _is_neon(instruction: capstone.CsInsn) -> bool:
    for operand in instruction.operands:
        if operand.type != arm64.ARM64_OP_REG:
            continue
        whole = arm64.ARM64_REG_Q0 <= operand.reg <= arm64.ARM64_REG_Q31
        if operand.vas != arm64.ARM64_VAS_INVALID or operand.vector_index >= 0 or whole:
            return True
    return False


def _computes(instruction: capstone.CsInsn) -> bool:
    return not instruction.mnemonic.startswith(MOVES + SHUFFLES)


def _calls(instruction: capstone.CsInsn) -> Iterator[int]:
    """The address that this instruction goes to."""
    operands = instruction.operands
    goes = instruction.group(capstone.CS_GRP_JUMP) or instruction.group(capstone.CS_GRP_CALL)
    if goes and operands and operands[-1].type == arm64.ARM64_OP_IMM:
        yield operands[-1].imm


def _taken(instruction: capstone.CsInsn, pages: dict[int, int]) -> Iterator[int]:
    """The address that this instruction computes; `pages` is kept up to date."""
    operands = instruction.operands
    if instruction.id == arm64.ARM64_INS_ADR:
        yield operands[1].imm
    elif instruction.id == arm64.ARM64_INS_ADRP:
        pages[operands[0].reg] = operands[1].imm
    elif instruction.id == arm64.ARM64_INS_ADD and len(operands) == 3:
        page = pages.get(operands[1].reg) if operands[1].type == arm64.ARM64_OP_REG else None
        if page is not None and operands[2].type == arm64.ARM64_OP_IMM:
            yield page + operands[2].imm
