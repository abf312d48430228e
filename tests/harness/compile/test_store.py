"""Objects are taken from other builds when, and only when, they were made from the same things."""

import os
import time
from pathlib import Path

import pytest

from harness.compile import store, twin
from harness.compile.objects import Objects, compile_objects
from harness.compile.sources import KERNEL_DIR
from harness.compile.twin import native_compiler

SOURCE = "link/frame.c"  # it includes a generated header, gen/link.h


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "objects"
    monkeypatch.setattr(store, "STORE", folder)
    (tmp_path / "unused.h").write_text("static int unused;\n")  # it warns wherever it is included
    return folder


def compile_in(
    folder: Path, *flags: str, payload_bytes: int = 64, identity: str = "a compiler"
) -> Objects:
    """SOURCE in a folder of its own, with a generated header of its own."""
    write_header(folder, payload_bytes)
    command = [native_compiler(), "-DTWIN", *flags, f"-I{KERNEL_DIR}", f"-I{folder}"]
    return compile_objects(
        [SOURCE], lambda _: command, identity=identity, include_dirs=(folder,), out_dir=folder
    )


def write_header(folder: Path, payload_bytes: int) -> None:
    header = folder / "gen" / "link.h"
    header.parent.mkdir(parents=True, exist_ok=True)
    header.write_text(f"#pragma once\n#define LINK_MAX_PAYLOAD {payload_bytes}\n")


def test_another_folder_s_object_is_taken(tmp_path: Path) -> None:
    first, second = compile_in(tmp_path / "a"), compile_in(tmp_path / "b")
    assert (first.compiled, second.compiled) == (1, 0)
    assert second.files[0].read_bytes() == first.files[0].read_bytes()
    assert compile_in(tmp_path / "b").compiled == 0


def test_other_inputs_are_other_objects(tmp_path: Path) -> None:
    first = compile_in(tmp_path / "a")
    header = compile_in(tmp_path / "b", payload_bytes=65)
    flag = compile_in(tmp_path / "c", "-O2")
    compiler = compile_in(tmp_path / "d", identity="another compiler")
    assert [objects.compiled for objects in (header, flag, compiler)] == [1, 1, 1]
    assert len({*first.keys, *header.keys, *flag.keys, *compiler.keys}) == 4
    back = compile_in(tmp_path / "b")
    assert back.compiled == 0
    assert back.files[0].read_bytes() == first.files[0].read_bytes()


def test_a_file_with_warnings_is_compiled_again_wherever_it_is(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        objects = compile_in(tmp_path / folder, "-Wall", "-include", "unused.h", f"-I{tmp_path}")
        assert objects.compiled == 1
        assert "unused" in objects.warnings


def test_what_cannot_be_kept_is_compiled_all_the_same(tmp_path: Path, kept: Path) -> None:
    kept.write_bytes(b"a file, where the folder should be")
    assert [compile_in(tmp_path / name).compiled for name in ("a", "b")] == [1, 1]


def test_what_nobody_asks_for_goes(tmp_path: Path, kept: Path) -> None:
    compile_in(tmp_path / "a")
    compile_in(tmp_path / "b", payload_bytes=65)
    long_ago = time.time() - store.KEPT_S - 60
    for file in kept.iterdir():
        os.utime(file, (long_ago, long_ago))
    compile_in(tmp_path / "c")  # asked for: used today
    compile_in(tmp_path / "d", payload_bytes=66)
    assert compile_in(tmp_path / "e").compiled == 0
    assert compile_in(tmp_path / "f", payload_bytes=65).compiled == 1


def test_a_program_is_linked_again_when_its_object_comes_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = []

    def link(command: list[str], _: str) -> str:
        links.append(command)
        Path(command[command.index("-o") + 1]).write_bytes(b"a program")
        return ""

    monkeypatch.setattr(twin, "twin_sources", lambda: [SOURCE])
    monkeypatch.setattr(twin, "run_tool", link)
    for folder, payload_bytes in (("a", 64), ("a", 64), ("b", 65), ("a", 65), ("a", 65)):
        write_header(tmp_path / folder, payload_bytes)
        twin.compile_twin(tmp_path / folder, tmp_path / folder)
    assert len(links) == 3  # a; b; a again, with b's object
