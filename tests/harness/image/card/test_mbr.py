"""harness/image/card/mbr.py: 512 bytes that every loader reads."""

import pytest

from harness.image.card.mbr import Partition, boot_record, read_boot_record

TWO = (
    Partition(0x0C, 8192, 278_528, active=True),
    Partition(0xDA, 286_720, 4_000_000_000),
)


def test_the_record_is_as_the_loaders_expect_it() -> None:
    sector = boot_record(TWO, 0x89ABCDEF)
    assert len(sector) == 512
    assert sector[510:] == b"\x55\xaa"
    assert sector[440:446] == bytes.fromhex("efcdab89 0000")
    assert sector[446:462] == bytes.fromhex("80 feffff 0c feffff 00200000 00400400")
    assert sector[462 + 4] == 0xDA
    assert not any(sector[:440])
    assert not any(sector[478:510])


def test_what_was_written_is_read() -> None:
    assert read_boot_record(boot_record(TWO, 1)) == TWO
    assert TWO[0].end_lba == 286_720
    assert (TWO[0].offset, TWO[0].size_bytes) == (4 << 20, 136 << 20)


@pytest.mark.parametrize("sector", [b"", bytes(512), boot_record(TWO, 1)[:511], b"\xff" * 512])
def test_anything_else_has_no_partitions(sector: bytes) -> None:
    assert read_boot_record(sector) == ()
