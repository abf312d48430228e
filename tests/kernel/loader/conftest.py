"""The chainloader as a program of this machine, with sanitizers."""

from pathlib import Path

import pytest

from harness.board import load_board
from harness.codegen import render_loader, write_files
from tests.kernel.build import build_program

SOURCES = ("receive.c", "blocks.c", "raspbootin.c", "crc32.c")


@pytest.fixture(scope="session")
def loader_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Arguments: the file for what it receives, the fastest speed, ms that a byte sent takes."""
    folder = tmp_path_factory.mktemp("loader")
    write_files(render_loader(load_board("virt")), folder)
    sources = [*(f"loader/{name}" for name in SOURCES), "link/frame.c"]
    return build_program(folder, Path(__file__).with_name("loader_driver.c"), sources)
