"""Modelled cycles of hot loops, by llvm-mca: perfect caches, and branches that are always right.

A model, not a measurement. LLVM has no model of its own for the Cortex-A72: it takes the A57's.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.bench.code import Function
from harness.bench.loops import HotLoop
from harness.errors import BenchError

CPUS = ("cortex-a53", "cortex-a72", "neoverse-n1")
FEATURES = "+dotprod,+i8mm,+bf16,+fullfp16,+crc"
OLDEST, NEWEST = 17, 30  # before 17 the Neoverse N1 was modelled as an A57 too
ENOUGH = 2000  # instructions to run a loop for, so that its start does not count
BLOCK = 256
# Cycles per 256 weights of llama.cpp's vec_dot (plain NEON, gcc 12 -O3), modelled the same way.
LLAMA_CPP: dict[str, tuple[int, ...]] = {
    "q4_k": (309, 95, 77),
    "q6_k": (359, 116, 104),
    "q8_0": (288, 84, 73),
}
# The same, repacked for dotprod, on neoverse-n1.
LLAMA_CPP_DOTPROD = {"q4_k": 34, "q6_k": 62, "q8_0": 18, "q4_0": 25}


@dataclass(frozen=True)
class Tools:
    """llvm-mca and llvm-objdump of one version."""

    mca: str
    objdump: str


@dataclass(frozen=True)
class Modelled:
    """A hot loop with its cycles per iteration, None where a CPU lacks an instruction."""

    loop: HotLoop
    kind: str
    weights: float  # per iteration, 0: no product
    cycles: dict[str, float | None]


def find_tools() -> Tools:
    """The newest pair on PATH; BenchError with the package to install."""
    for suffix in (*(f"-{n}" for n in range(NEWEST, OLDEST - 1, -1)), ""):
        mca, objdump = (shutil.which(f"llvm-{name}{suffix}") for name in ("mca", "objdump"))
        if mca and objdump and (suffix or _version(mca) >= OLDEST):
            return Tools(mca, objdump)
    raise BenchError(
        f"llvm-mca and llvm-objdump of LLVM {OLDEST} or newer are not installed (looked for them "
        "in PATH, also with a version behind the name)",
        hint="apt install llvm-19",
    )


def _version(program: str) -> int:
    found = re.search(r"LLVM version (\d+)", _run([program, "--version"]))
    return int(found[1]) if found else 0


def disassemble(tools: Tools, elf: Path, functions: Sequence[Function]) -> dict[int, str]:
    """Address -> instruction of these functions, as llvm-mca reads it."""
    listing: dict[int, str] = {}
    for function in functions:
        span = [f"--start-address={function.start:#x}", f"--stop-address={function.end:#x}"]
        text = _run([
            tools.objdump, "-d", "--no-show-raw-insn", f"--mattr={FEATURES}", *span, str(elf),
        ])  # fmt: skip
        for address, instruction in re.findall(r"^\s*([0-9a-f]+):\s+(\S.*)$", text, re.M):
            plain = re.sub(r"<[^>]*>", "", instruction).split("//")[0]
            listing[int(address, 16)] = " ".join(plain.split())
    return listing


def cycles_of(tools: Tools, code: Sequence[str], cpu: str) -> float | None:
    """Cycles of one iteration; None when the CPU's model does not know an instruction."""
    lines = [line for instruction in code for line in _input(instruction)]
    iterations = max(8, ENOUGH // max(len(lines), 1))
    command = [tools.mca, "--mtriple=aarch64", f"-mcpu={cpu}", f"-mattr={FEATURES}"]
    command += [f"-iterations={iterations}", "-instruction-info=0", "-resource-pressure=0"]
    done = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True)
    total = re.search(r"^Total Cycles:\s+(\d+)", done.stdout, re.M)
    if done.returncode == 0 and total:
        return int(total[1]) / iterations
    if "unsupported instruction" in done.stderr:
        return None
    raise BenchError(f"llvm-mca does not read the loop: {done.stderr.strip()[:400]}")


def _input(instruction: str) -> list[str]:
    """What llvm-mca takes: no label is defined there, and a call or a jump is not modelled."""
    name = instruction.split()[0]
    if name in ("b", "bl", "blr", "br", "ret"):
        return []
    if name == "adrp":
        return [re.sub(r",.*", ", #0", instruction)]
    return [re.sub(r"\b0x[0-9a-f]+$", "#8", instruction)] if _is_branch(name) else [instruction]


def _is_branch(name: str) -> bool:
    return name.startswith("b.") or name in ("cbz", "cbnz", "tbz", "tbnz")


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"{command[0]} fails: {done.stderr.strip()[:400]}")
    return done.stdout


def mca_table(loops: Sequence[Modelled]) -> str:
    """Per loop and CPU: cycles per iteration and per 256 weights, and llama.cpp's."""
    lines = [
        "modelled cycles (llvm-mca, perfect L1; cortex-a72 by the model of the A57)",
        f"{'':<56}" + "".join(f"{cpu:>24}" for cpu in CPUS),
        f"{'loop':<32}{'insns':>8}{'weights':>9}{'':>7}"
        + f"{'cycles  /256  llama.cpp':>24}" * len(CPUS),
    ]
    for loop in loops:
        offset = loop.loop.loop.start - loop.loop.function.start
        name = f"{loop.loop.function.name}+{offset:#x}"
        each = f"{loop.weights:9.0f}" if loop.weights else f"{'-':>9}"
        cells = "".join(_cell(loop, i) for i in range(len(CPUS)))
        lines.append(f"{name:<32}{len(loop.loop.code):>8}{each}{loop.loop.share:>7.0%}{cells}")
    lines.append("insns, weights: of one iteration; %: of the function's instructions")
    return "\n".join(lines)


def _cell(loop: Modelled, i: int) -> str:
    cycles = loop.cycles[CPUS[i]]
    if cycles is None:
        return f"{'no such instruction':>24}"
    if not loop.weights:
        return f"{cycles:>9.1f}{'':>15}"
    return f"{cycles:>9.1f}{cycles / loop.weights * BLOCK:>7.1f}{peer(loop, i):>8}"


def peer(loop: Modelled, i: int) -> str:
    """llama.cpp's cycles per 256 weights on CPU i, for the same instructions."""
    type_name = loop.kind.removeprefix("matmul ")
    if any(re.match(r"[su]dot|[su]mmla", line) for line in loop.loop.code):
        known = LLAMA_CPP_DOTPROD.get(type_name) if CPUS[i] == "neoverse-n1" else None
        return str(known or "")
    return str(LLAMA_CPP[type_name][i]) if type_name in LLAMA_CPP else ""


def as_json(loops: Sequence[Modelled]) -> list[Mapping[str, object]]:
    """For --json."""
    return [
        {
            "function": loop.loop.function.name,
            "kind": loop.kind,
            "start": hex(loop.loop.loop.start),
            "end": hex(loop.loop.loop.end),
            "instructions": len(loop.loop.code),
            "weights": loop.weights,
            "share": loop.loop.share,
            "cycles": loop.cycles,
            "cycles_per_256_weights": {
                cpu: c / loop.weights * BLOCK if c and loop.weights else None
                for cpu, c in loop.cycles.items()
            },
        }
        for loop in loops
    ]
