"""Discovery on a PATH made of fake compilers: shell scripts that only answer questions."""

from pathlib import Path

import pytest

from harness.errors import ToolchainError
from toolchain.find import find_toolchain


class FakePath:
    """A folder that is the whole PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, banner: str, **answers: str) -> Path:
        """A program that prints `banner`, but `answers` when asked -dumpmachine and so on."""
        lines = [f"*{question}*) echo '{answer}';;" for question, answer in answers.items()]
        program = self.folder / name
        program.write_text(
            "#!/bin/sh\ncase $1 in\n" + "\n".join(lines) + f"\n*) echo '{banner}';;\nesac\n"
        )
        program.chmod(0o755)
        return program

    def clang(self, version: str, name: str) -> Path:
        return self.add(name, f"Debian clang version {version} (1~deb12u1)")

    def gcc(self, version: str, name: str, machine: str = "aarch64-linux-gnu") -> Path:
        banner = f"{name} (Debian {version}-14) {version}"
        return self.add(name, banner, dumpmachine=machine, prog=name.replace("gcc", "ld"))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePath:
    monkeypatch.setenv("PATH", str(tmp_path))
    return FakePath(tmp_path)


def test_newest_versioned_clang_with_its_own_lld(path: FakePath) -> None:
    for number in (16, 19, 9):
        path.clang(f"{number}.1.7", f"clang-{number}")
        path.add(f"ld.lld-{number}", f"Debian LLD {number}.1.7 (compatible with GNU linkers)")
    found = find_toolchain()
    assert (found.kind, found.version) == ("clang", "19.1.7")
    assert (found.cc.name, found.ld.name) == ("clang-19", "ld.lld-19")


def test_clang_without_its_lld_is_passed_over(path: FakePath) -> None:
    path.clang("22.1.8", "clang-22")
    path.clang("19.1.7", "clang-19")
    path.add("ld.lld-19", "Debian LLD 19.1.7")
    assert find_toolchain().cc.name == "clang-19"


def test_plain_clang_and_lld(path: FakePath) -> None:
    path.clang("18.1.3", "clang")
    path.add("ld.lld", "LLD 18.1.3")
    found = find_toolchain()
    assert (found.version, found.ld.name) == ("18.1.3", "ld.lld")


def test_an_lld_of_another_version_is_not_taken(path: FakePath) -> None:
    path.clang("19.1.7", "clang")
    path.add("ld.lld", "LLD 14.0.6")
    with pytest.raises(ToolchainError, match="no matching linker"):
        find_toolchain("clang")


def test_old_clang_gives_way_to_gcc(path: FakePath) -> None:
    path.clang("14.0.6", "clang")
    path.add("ld.lld", "LLD 14.0.6")
    path.gcc("12.2.0", "aarch64-linux-gnu-gcc")
    path.add("aarch64-linux-gnu-ld", "GNU ld")
    found = find_toolchain()
    assert (found.kind, found.version) == ("gcc", "12.2.0")
    assert found.ld.name == "aarch64-linux-gnu-ld"


def test_nothing_there_names_what_was_looked_for(path: FakePath) -> None:
    with pytest.raises(ToolchainError, match="no AArch64 compiler found") as error:
        find_toolchain()
    assert "looked for: clang-N + ld.lld-N" in str(error.value)
    assert "aarch64-none-elf-gcc" in str(error.value)
    assert error.value.hint.startswith("apt install clang")
    assert error.value.exit_code == 2


def test_too_old_a_compiler_is_named(path: FakePath) -> None:
    path.clang("14.0.6", "clang")
    with pytest.raises(ToolchainError, match=r"clang is clang 14\.0\.6, 16 or newer is needed"):
        find_toolchain()


def test_cc_that_is_not_there(path: FakePath) -> None:
    with pytest.raises(ToolchainError, match="--cc nonsense: no such program"):
        find_toolchain("nonsense")


def test_cc_for_another_machine(path: FakePath) -> None:
    path.gcc("12.2.0", "gcc", machine="x86_64-linux-gnu")
    with pytest.raises(ToolchainError, match="compiles for x86_64-linux-gnu, aarch64 is needed"):
        find_toolchain("gcc")


def test_cc_that_is_no_compiler(path: FakePath) -> None:
    path.add("true", "true (GNU coreutils)")
    with pytest.raises(ToolchainError, match="neither clang nor gcc"):
        find_toolchain("true")


def test_cc_that_does_not_run(path: FakePath) -> None:
    broken = path.folder / "clang-19"
    broken.write_text("#!/nonexistent/interpreter\n")
    broken.chmod(0o755)
    with pytest.raises(ToolchainError, match="does not run"):
        find_toolchain("clang-19")


def test_missing_lld_names_the_package(path: FakePath) -> None:
    path.clang("19.1.7", "clang-19")
    with pytest.raises(ToolchainError, match="no matching linker") as error:
        find_toolchain("clang-19")
    assert error.value.hint == "apt install lld-19"
