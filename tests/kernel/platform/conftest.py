"""The program that says what kernel/platform makes of a device tree."""

from pathlib import Path

import pytest

from tests.harness.codegen.test_headers import GOLDEN, headers_of
from tests.kernel.build import build_program

HERE = Path(__file__).parent
SOURCES = [
    *(
        "platform/platform.c",
        "platform/bootargs.c",
        "platform/from_fdt.c",
        "platform/fdt_devices.c",
        "platform/board.c",
    ),
    *("lib/fdt.c", "lib/atags.c", "lib/format.c"),
]


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("platform")
    board_h = headers_of(GOLDEN["appended"]).files["gen/board.h"]
    (folder / "gen").mkdir()
    (folder / "gen" / "board.h").write_text(board_h)
    return build_program(folder, HERE / "platform_driver.c", SOURCES)
