"""The architecture as one table: who may include or import whom."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Lower rows may use higher rows they name; nothing else. A new edge is a design decision.
KERNEL: dict[str, set[str]] = {
    "lib": set(),
    "arch": {"lib"},
    "dev": {"lib", "arch"},
    "platform": {"lib", "arch", "dev", "gen/board", "gen/layout"},
    "smp": {"lib", "arch"},
    "nn": {"lib", "smp", "gen/model", "gen/layout"},
    "llm": {"lib", "nn", "gen/model", "gen/layout"},
    "link": {"lib", "gen/link"},
    "loader": {"lib", "arch", "dev", "platform", "link", "gen/link", "gen/loader"},
}
HARNESS: dict[str, set[str]] = {
    "cores": set(),
    "errors": set(),
    "toolchain": {"errors"},
    "card": {"errors"},
    "emulator": set(),
    "board": {"errors", "card", "emulator"},
    "gguf": {"errors"},
    "vocabulary": {"gguf"},
    "synth": {"errors", "gguf"},
    "train": {"cores", "errors", "gguf", "synth"},
    "plan": {"errors", "board", "gguf", "vocabulary"},
    "link": {"errors"},
    "codegen": {"errors", "card", "board", "gguf", "plan", "link"},
    "compile": {"cores", "errors", "plan", "toolchain"},
    "image": {"errors", "card", "board", "gguf", "vocabulary", "plan", "codegen", "compile"},
    "flash": {"errors", "image"},
    "boot": {"cores", "errors", "board", "emulator", "link"},
    "reference": {"errors", "gguf"},
    "verify": {"errors", "gguf", "link", "reference"},
    "bench": {"errors", "gguf", "compile"},
    "labgrid": {"errors", "link", "boot"},
    "fit": {"errors", "board", "gguf", "plan", "bench"},
}
COMPOSITION = {"app", "cli", "plugin"}  # may use everything; nobody uses them

# Each third-party library has one home, a file or a folder; tests may use all of them.
HOMES: dict[str, set[str]] = {
    "jinja2": {"harness/codegen"},
    "elftools": {"harness/compile/elf.py"},
    "capstone": {"harness/compile/operations.py"},
    "serial": {"harness/boot/serial.py"},
    "qemu": {"harness/boot/qmp.py"},
    "regex": {"harness/reference"},
    "gguf": {"harness/reference", "harness/synth", "harness/train"},
    "torch": {"harness/train"},
    "sentencepiece": {"harness/train"},
    "matplotlib": {"harness/bench", "harness/train"},
    "pytest": {"harness/plugin"},
    "labgrid": {"harness/labgrid"},
    "attr": {"harness/labgrid"},
    "pexpect": {"harness/labgrid"},
}
STANDARD_C = {"stdalign.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdnoreturn.h"}
INTRINSICS = {"arm_neon.h": r"_neon\w*\.[ch]$", "arm_acle.h": r"^arch/crc32_arm\.c$"}
PROGRAM_OF_THE_HOST = {"app/twin.c", "app/twin_cores.c"}


def includes(file: Path) -> set[str]:
    """Layers a C file reaches: `nn/rope.h` is layer nn, `gen/board.h` is layer gen/board."""
    paths = re.findall(r'^\s*#\s*include\s+"([^"]+)"', file.read_text(), re.M)
    return {p.removesuffix(".h") if p.startswith("gen/") else p.split("/")[0] for p in paths}


@cache
def imported_names(file: Path) -> set[str]:
    """Everything a Python file imports, in full, relative imports too; each is parsed once."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            folder = file.relative_to(ROOT).parent.parts
            base = folder[: len(folder) + 1 - node.level] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names.update(f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return names


def layers_of(names: set[str]) -> set[str]:
    ours = [n.split(".") for n in names if n.split(".")[0] in ("harness", "toolchain")]
    return {n[1] if n[0] == "harness" else n[0] for n in ours}


def harness_files(layer: str) -> list[Path]:
    if layer == "toolchain":
        return sorted((ROOT / layer).glob("*.py"))
    harness = ROOT / "harness"
    return sorted([*harness.glob(f"{layer}.py"), *harness.glob(f"{layer}/**/*.py")])


@pytest.mark.parametrize("layer", KERNEL)
def test_a_kernel_layer_includes_only_layers_that_its_row_names(layer: str) -> None:
    for file in sorted((ROOT / "kernel" / layer).glob("*.[chS]")):
        extra = includes(file) - KERNEL[layer] - {layer}
        assert not extra, f"{file.relative_to(ROOT)} may not include {sorted(extra)}"


@pytest.mark.parametrize("layer", HARNESS)
def test_a_harness_layer_imports_only_layers_that_its_row_names(layer: str) -> None:
    files = harness_files(layer)
    assert files, f"no file of layer {layer}"
    for file in files:
        extra = layers_of(imported_names(file)) - HARNESS[layer] - {layer}
        assert not extra, f"{file.relative_to(ROOT)} may not import {sorted(extra)}"


@pytest.mark.parametrize("table", [KERNEL, HARNESS], ids=["kernel", "harness"])
def test_each_layer_uses_only_layers_above_it(table: dict[str, set[str]]) -> None:
    above: set[str] = set()
    for layer, uses in table.items():
        assert {u for u in uses if not u.startswith("gen/")} <= above
        above.add(layer)


def test_every_folder_is_in_the_table() -> None:
    kernel = {d.name for d in (ROOT / "kernel").iterdir() if d.is_dir()}
    harness = {f.parent.name for f in (ROOT / "harness").glob("*/*.py")}
    assert kernel - COMPOSITION <= set(KERNEL)
    assert harness - COMPOSITION <= set(HARNESS)


def test_kernel_uses_only_freestanding_headers_and_intrinsics_where_they_belong() -> None:
    for file in (ROOT / "kernel").glob("*/*.[ch]"):
        name = file.relative_to(ROOT / "kernel").as_posix()
        angled = set(re.findall(r"^\s*#\s*include\s+<([^>]+)>", file.read_text(), re.M))
        allowed = {header for header, where in INTRINSICS.items() if re.search(where, name)}
        extra = angled - STANDARD_C - allowed
        assert not extra or name in PROGRAM_OF_THE_HOST, f"{name} may not include {sorted(extra)}"


@pytest.mark.parametrize("library", HOMES)
def test_third_party_library_has_one_home(library: str) -> None:
    for file in sorted([*(ROOT / "harness").rglob("*.py"), *(ROOT / "toolchain").glob("*.py")]):
        used = {name.split(".")[0] for name in imported_names(file)}
        places = {path.as_posix() for path in (file, *file.parents) if path.is_relative_to(ROOT)}
        at_home = any((ROOT / home).as_posix() in places for home in HOMES[library])
        assert library not in used or at_home, f"{file} may not use {library}"


@pytest.mark.parametrize(
    "statement",
    [
        "from harness.gguf import read_gguf",
        "from harness import gguf",
        "import harness.gguf.types",
        "from .. import gguf",
        "from ..gguf import read_gguf",
    ],
)
def test_an_import_counts_however_it_is_written(
    statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    file = tmp_path / "harness" / "plan" / "planner.py"
    file.parent.mkdir(parents=True)
    file.write_text(f"{statement}\nfrom .memory import Region\n")
    assert layers_of(imported_names(file)) == {"gguf", "plan"}


def test_files_stay_readable() -> None:
    sources = [
        file
        for folder in ("kernel", "harness", "toolchain", "images", "tests")
        for file in (ROOT / folder).rglob("*")
        if file.suffix in (".c", ".h", ".S", ".py", ".j2", ".sh")
    ]
    assert {file.suffix for file in sources} == {".c", ".h", ".S", ".py", ".j2", ".sh"}
    for file in sources:
        assert len(file.read_text().splitlines()) <= 400, file.relative_to(ROOT)
