"""kernel/lib against libc and zlib, on this machine and with sanitizers."""

import random
import zlib
from pathlib import Path

import pytest

from tests.kernel.build import build_program, run_program

HERE = Path(__file__).parent
STRING_FUNCTIONS = ["memcpy", "memmove", "memset", "memcmp", "strlen"]


def test_string_functions_equal_byte_loops(tmp_path: Path) -> None:
    renamed = [f"{name}=kernel_{name}" for name in STRING_FUNCTIONS]
    run_program(build_program(tmp_path, HERE / "string_driver.c", ["lib/string.c"], renamed))


def test_format_equals_snprintf(tmp_path: Path) -> None:
    run_program(build_program(tmp_path, HERE / "format_driver.c", ["lib/format.c"]))


@pytest.fixture(scope="module")
def crc32_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crc32")
    return build_program(folder, HERE / "crc32_driver.c", ["lib/crc32.c"])


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 15, 16, 17, 255, 4096, 65521])
def test_crc32_equals_zlib_whole_and_in_parts(crc32_driver: Path, n: int) -> None:
    source = random.Random(n)
    data = source.randbytes(n)
    for cut in {0, n, n // 2, source.randint(0, n)}:
        out = run_program(crc32_driver, str(cut), stdin=data)
        assert int(out) == zlib.crc32(data), f"cut at {cut}"
