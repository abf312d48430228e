"""Tiny kernels, compiled in a test: C and a plan in, ELF out."""

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.board import load_board
from harness.errors import ToolchainError
from harness.gguf import read_gguf
from harness.plan import MemoryPlan, Region, plan_memory
from harness.synth import synthesize
from toolchain import Toolchain, compile_flags, find_toolchain, link_flags

LOAD_ADDRESS = 0x40080000
BUDGET = 0x10000
STACK = Region("stack", LOAD_ADDRESS + BUDGET, 0x4000, "rw")

SCRIPT = """\
ENTRY(kernel_main)
PHDRS {{ text PT_LOAD FLAGS({text_flags}); data PT_LOAD FLAGS(6); planned PT_LOAD FLAGS(6); }}
SECTIONS {{
    . = {load:#x};
    .text : {{ *(.text.kernel_main) *(.text .text.*) *(.rodata .rodata.*) }} :text
    . = ALIGN(4096);
    .data : {{ *(.data .data.* .got .got.*) }} :data
    .bss (NOLOAD) : {{ *(.bss .bss.*) }} :data
    .stack {stack:#x} (NOLOAD) : {{
        __stack_start = .; . += {stack_size:#x}; __stack_end = .;
    }} :planned
    {extra}
    /DISCARD/ : {{ *(.comment) *(.note.*) *(.eh_frame*) }}
}}
"""

MAIN = "void kernel_main(void) { for (;;) { } }\n"


def toolchain() -> Toolchain:
    try:
        return find_toolchain()
    except ToolchainError as missing:
        pytest.skip(str(missing).splitlines()[0])


@dataclass(frozen=True)
class Workbench:
    """Makes ELFs in one folder."""

    folder: Path
    plan: MemoryPlan

    def object(self, source: str, name: str = "tiny") -> Path:
        tools = toolchain()
        file = self.folder / f"{name}.c"
        file.write_text(source)
        flags = compile_flags(tools.kind, "nn/tiny.c")
        obj = self.folder / f"{name}.c.o"
        subprocess.run([tools.cc, *flags, "-c", file, "-o", obj], check=True)
        return obj

    def elf(
        self, source: str = MAIN, *, text_flags: int = 5, stack: int = STACK.base, extra: str = "",
        flags: tuple[str, ...] = (),
    ) -> Path:  # fmt: skip
        tools = toolchain()
        script = self.folder / "tiny.ld"
        script.write_text(
            SCRIPT.format(
                load=LOAD_ADDRESS,
                text_flags=text_flags,
                stack=stack,
                stack_size=STACK.size_bytes,
                extra=extra,
            )
        )
        elf = self.folder / "tiny.elf"
        command: list[str | Path] = [
            tools.ld,
            *link_flags(),
            *flags,
            "-T",
            script,
            self.object(source),
            "-o",
            elf,
        ]
        subprocess.run(command, check=True)
        return elf


def tiny_plan(folder: Path) -> MemoryPlan:
    """A real plan with its regions replaced by a kernel and a stack."""
    model = read_gguf(synthesize("micro", quant="F16", path=folder / "micro.gguf"))
    plan = plan_memory(model, load_board("virt"), n_ctx=64)
    kernel = Region("kernel", LOAD_ADDRESS, BUDGET, "kernel")
    return replace(plan, load_address=LOAD_ADDRESS, regions=(kernel, STACK))
