"""kernel/platform/blob.c: a blob that does not belong gets a sentence of its own."""

import random
import struct
import zlib
from pathlib import Path

import pytest

from tests.kernel.build import build_program, run_program, write_header

HERE = Path(__file__).parent
BUILD_ID = 0x1122334455667788
PAYLOAD = random.Random(1).randbytes(4096 - 64)


def blob(
    magic: bytes = b"BAREWORD",
    version: int = 3,
    build_id: int = BUILD_ID,
    payload: bytes = PAYLOAD,
) -> bytes:
    fields = struct.pack(
        "<8sIIQQI", magic, version, 64, build_id, 64 + len(payload), zlib.crc32(payload)
    )
    return (fields + struct.pack("<I", zlib.crc32(fields))).ljust(64, b"\0") + payload


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blob")
    write_header(folder / "gen" / "layout.h", {"BLOB_APPENDED": 0})
    sources = ["platform/blob.c", "lib/crc32.c", "lib/panic.c", "lib/format.c"]
    return build_program(folder, HERE / "blob_driver.c", [*sources, "lib/string.c"], STRING_NAMES)


STRING_NAMES = [f"{name}=kernel_{name}" for name in ("memcpy", "memmove", "memset", "memcmp")]


def answer(driver: Path, data: bytes, *, initrd: bool = True, expected_size: int = 4096) -> str:
    return run_program(driver, str(int(initrd)), str(expected_size), stdin=data).decode()


def test_the_right_blob_is_accepted(driver: Path) -> None:
    assert answer(driver, blob()) == "ok\n"


def test_an_initrd_may_be_padded(driver: Path) -> None:
    assert answer(driver, blob() + bytes(777)) == "ok\n"


def test_a_missing_initrd_says_what_the_loader_must_pass(driver: Path) -> None:
    assert "the loader must pass model.blob (4096 bytes) as initrd" in answer(
        driver, blob(), initrd=False
    )


@pytest.mark.parametrize("n", [64, 100, 4095])
def test_a_truncated_blob_names_both_sizes(driver: Path, n: int) -> None:
    said = answer(driver, blob()[:n])
    assert f"truncated: {n} bytes arrived" in said
    assert "4096 expected" in said


@pytest.mark.parametrize("n", [1, 8, 63])
def test_a_truncated_header_names_both_sizes(driver: Path, n: int) -> None:
    assert f"truncated: {n} bytes arrived, 4096 expected" in answer(driver, blob()[:n])


def test_another_size_than_the_kernel_expects_is_refused(driver: Path) -> None:
    said = answer(driver, blob(), expected_size=8192)
    assert "4096 bytes arrived, the header says 4096, 8192 expected" in said


def test_a_blob_of_another_build_is_refused_with_both_ids(driver: Path) -> None:
    said = answer(driver, blob(build_id=BUILD_ID + 1))
    assert "of another build: blob has id 0x1122334455667789" in said
    assert "kernel has 0x1122334455667788" in said


def test_another_format_version_is_refused(driver: Path) -> None:
    assert "format version 1 " in answer(driver, blob(version=1))


def test_a_file_of_another_kind_is_refused(driver: Path) -> None:
    assert "is no model.blob" in answer(driver, blob(magic=b"GGUF\3\0\0\0"))


@pytest.mark.parametrize("at", [16, 24, 32])
def test_a_damaged_header_is_found_by_its_crc(driver: Path, at: int) -> None:
    data = bytearray(blob())
    data[at] ^= 4
    assert "damaged header: CRC 0x" in answer(driver, bytes(data))


@pytest.mark.parametrize("at", [64, 2000, 4095])
def test_a_damaged_payload_is_found_by_its_crc(driver: Path, at: int) -> None:
    data = bytearray(blob())
    data[at] ^= 0x80
    assert "model: damaged or cut short: CRC 0x" in answer(driver, bytes(data))


def test_a_refusal_is_a_panic_line_that_the_harness_knows(driver: Path) -> None:
    lines = answer(driver, blob(version=9)).splitlines()
    assert any(line.startswith("PANIC cpu=0 ") and "blob.c:" in line for line in lines), lines
