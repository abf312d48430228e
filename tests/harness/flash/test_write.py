"""harness/flash/write.py: what is on a card after success, after a failure, and in what order."""

import errno
import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import CardFailedError, CardMismatchError, FlashError
from harness.flash.device import BlockDevice, open_disk
from harness.flash.disk import Disk, Volume
from harness.flash.write import BLOCK, CardImage, write_image
from harness.image.card.mbr import SECTOR, Partition, boot_record, read_boot_record
from tests.harness.flash.loop import loop_device, number_of

MIB = 1 << 20
END = 10 * MIB  # more than two blocks, and not a whole number of them
PADDED = 16 * MIB


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> CardImage:
    """Random bytes behind a boot record, and padding that no card needs."""
    path = tmp_path_factory.mktemp("image") / "card.img"
    partition = Partition(0x0C, 8192, (END - 4 * MIB) // SECTOR)
    data = boot_record([partition], 7) + random.Random(1).randbytes(END - SECTOR)
    data += bytes(PADDED - END)
    path.write_bytes(data)
    return CardImage(path, PADDED, hashlib.sha256(data).hexdigest(), ((0, END),))


@pytest.fixture
def card(tmp_path: Path) -> Iterator[BlockDevice]:
    """A card that was in use: another boot record, and 0xAA everywhere."""
    path = tmp_path / "card"
    path.write_bytes(boot_record([Partition(0x83, 2048, 4096)], 1) + b"\xaa" * (PADDED - SECTOR))
    fd = os.open(path, os.O_RDWR)
    yield BlockDevice(fd, str(path))
    os.close(fd)


class Watched(BlockDevice):
    """Notes every write, and fails, lies or is interrupted where it is told to."""

    def __init__(self, card: BlockDevice, *, fail_at: int | None = None, lie_at: int = -1) -> None:
        super().__init__(card.fd, card.path)
        self.writes: list[tuple[int, int]] = []
        self.fail_at = fail_at
        self.lie_at = lie_at

    def write(self, offset: int, data: bytes | memoryview) -> None:
        if self.fail_at is not None and offset <= self.fail_at < offset + len(data):
            raise self._failed("writing", self.fail_at, OSError(errno.EIO, "Input/output error"))
        super().write(offset, data)
        self.writes.append((offset, len(data)))

    def read(self, offset: int, size_bytes: int) -> bytes:
        data = bytearray(super().read(offset, size_bytes))
        if offset <= self.lie_at < offset + size_bytes:
            data[self.lie_at - offset] ^= 0x40
        return bytes(data)


def sector_0(card: BlockDevice) -> bytes:
    return card.read(0, SECTOR)


def test_all_of_the_image_and_nothing_behind_it(image: CardImage, card: BlockDevice) -> None:
    done = {"writing": 0, "verifying": 0}

    def progress(phase: str, size_bytes: int) -> None:
        done[phase] += size_bytes

    write_image(image, card, progress=progress)
    assert card.read(0, END) == image.path.read_bytes()[:END]
    assert card.read(END, PADDED - END) == b"\xaa" * (PADDED - END)
    assert done == {"writing": END, "verifying": END}


def test_the_boot_record_is_wiped_first_and_written_last(
    image: CardImage, card: BlockDevice
) -> None:
    watched = Watched(card)
    write_image(image, watched)
    assert watched.writes[0] == (0, SECTOR)
    assert watched.writes[-1] == (0, SECTOR)
    assert [offset for offset, _ in watched.writes[1:-1]] == [0, BLOCK, 2 * BLOCK]


@pytest.mark.parametrize("fail_at", [SECTOR, BLOCK + 12345, END - 1])
def test_a_write_that_fails_leaves_no_boot_record(
    fail_at: int, image: CardImage, card: BlockDevice
) -> None:
    watched = Watched(card, fail_at=fail_at)
    with pytest.raises(CardFailedError) as error:
        write_image(image, watched)
    assert f"failed at byte {fail_at:,}: Input/output error" in str(error.value)
    assert error.value.exit_code == 3
    assert read_boot_record(sector_0(card)) == ()


@pytest.mark.parametrize("lie_at", [SECTOR, BLOCK - 1, BLOCK + 4711, END - 1])
def test_a_card_that_lies_is_caught_at_the_byte(
    lie_at: int, image: CardImage, card: BlockDevice
) -> None:
    wrote = image.path.read_bytes()[lie_at]
    with pytest.raises(CardMismatchError) as error:
        write_image(image, Watched(card, lie_at=lie_at))
    assert f"gives back 0x{wrote ^ 0x40:02x} at byte {lie_at:,}, written was 0x{wrote:02x}" in str(
        error.value
    )
    assert error.value.exit_code == 1
    assert "counterfeit" in error.value.hint
    assert read_boot_record(sector_0(card)) == ()


@pytest.mark.parametrize("lie_at", [0, SECTOR - 1])
def test_a_lie_about_the_boot_record_wipes_it_again(
    lie_at: int, image: CardImage, card: BlockDevice
) -> None:
    class LiesLast(Watched):
        def read(self, offset: int, size_bytes: int) -> bytes:
            return (
                super().read(offset, size_bytes)
                if size_bytes == SECTOR
                else card.read(offset, size_bytes)
            )

    watched = LiesLast(card, lie_at=lie_at)
    with pytest.raises(CardMismatchError, match=f"at byte {lie_at},") as error:
        write_image(image, watched)
    assert "It has no boot record now" in error.value.hint
    assert watched.writes[-2:] == [(0, SECTOR), (0, SECTOR)], "the record, and zeros over it"
    assert sector_0(card) == bytes(SECTOR)


def test_a_boot_record_that_cannot_be_wiped_again_is_no_mismatch(
    image: CardImage, card: BlockDevice
) -> None:
    class Stuck(Watched):
        def write(self, offset: int, data: bytes | memoryview) -> None:
            if len(data) == SECTOR and read_boot_record(card.read(0, SECTOR)) and self.writes:
                self.fail_at = 0
            super().write(offset, data)

        def read(self, offset: int, size_bytes: int) -> bytes:
            return bytes(size_bytes) if size_bytes == SECTOR else card.read(offset, size_bytes)

    with pytest.raises(CardFailedError, match="failed at byte 0: Input/output error"):
        write_image(image, Stuck(card))


def test_without_verification_a_lie_is_not_noticed(image: CardImage, card: BlockDevice) -> None:
    write_image(image, Watched(card, lie_at=BLOCK), verify=False)
    assert read_boot_record(sector_0(card))


def test_an_interruption_leaves_no_boot_record(image: CardImage, card: BlockDevice) -> None:
    def interrupted(phase: str, size_bytes: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_image(image, card, progress=interrupted)
    assert read_boot_record(sector_0(card)) == ()


def test_an_image_that_was_changed_since_is_not_made_bootable(
    image: CardImage, card: BlockDevice, tmp_path: Path
) -> None:
    data = bytearray(image.path.read_bytes())
    data[END - 7] ^= 1
    changed = tmp_path / "changed.img"
    changed.write_bytes(data)
    with pytest.raises(FlashError, match=r"has SHA-256 .* its list says") as error:
        write_image(
            CardImage(changed, image.size_bytes, image.sha256, image.extents), card, verify=False
        )
    assert error.value.exit_code == 2
    assert read_boot_record(sector_0(card)) == ()


def test_what_lies_before_a_later_partition_is_left_alone(
    image: CardImage, card: BlockDevice
) -> None:
    extents = ((0, SECTOR), (5 * MIB, END))
    write_image(CardImage(image.path, image.size_bytes, image.sha256, extents), card)
    data = image.path.read_bytes()
    assert sector_0(card) == data[:SECTOR]
    assert card.read(SECTOR, 5 * MIB - SECTOR) == b"\xaa" * (5 * MIB - SECTOR)
    assert card.read(5 * MIB, 5 * MIB) == data[5 * MIB : END]


def test_a_card_that_ends_too_early_is_named(image: CardImage, card: BlockDevice) -> None:
    class Small(Watched):
        def sync(self) -> None:
            os.ftruncate(self.fd, 6 * MIB)

    with pytest.raises(CardFailedError, match=r"ends at byte 6,291,456"):
        write_image(image, Small(card))


def as_disk(path: str, number: str = "", size_bytes: int = PADDED) -> Disk:
    volume = Volume("sdb", "disk")
    return Disk(
        *("sdb", path, "disk", size_bytes, 512, "usb", True, False, "", "", number, volume),
    )


def test_a_file_is_no_card(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(SECTOR))
    with (
        pytest.raises(FlashError, match="is no device"),
        open_disk(as_disk(str(tmp_path / "file")), ["flash"]),
    ):
        pytest.fail("it was opened")


def test_a_card_that_is_gone_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(FlashError, match="cannot be opened: No such file") as error,
        open_disk(as_disk(str(tmp_path / "sdb")), ["flash"]),
    ):
        pytest.fail("it was opened")
    assert error.value.hint == "is the card in?"


def test_missing_rights_name_the_command_and_the_other_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", forbidden)
    command = ["python", "-m", "harness", "flash", "-m", "my model.gguf"]
    with (
        pytest.raises(FlashError, match="may not be written to by this user") as error,
        open_disk(as_disk("/dev/sdb"), command),
    ):
        pytest.fail("it was opened")
    assert "sudo python -m harness flash -m 'my model.gguf'" in error.value.hint
    assert "--files-only" in error.value.hint


def test_a_lock_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS's O_EXLOCK, which Linux does not have."""
    lock = 1 << 28
    asked = []

    def locked(path: str, flags: int) -> int:
        asked.append(flags)
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "O_EXLOCK", lock, raising=False)
    monkeypatch.setattr(os, "open", locked)
    with (
        pytest.raises(FlashError, match="is in use"),
        open_disk(as_disk("/dev/rdisk4"), ["flash"]),
    ):
        pytest.fail("it was opened")
    assert asked[0] & lock
    assert asked[0] & os.O_NONBLOCK


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[str]:
    backing = tmp_path / "backing"
    backing.write_bytes(b"\xaa" * PADDED)
    with loop_device(backing) as path:
        yield path


def loop_disk(path: str, **changes: object) -> Disk:
    return as_disk(path, **{"number": number_of(path), **changes})  # type: ignore[arg-type]


def test_a_block_device_is_written_and_verified(loop: str, image: CardImage) -> None:
    with open_disk(loop_disk(loop), ["flash"]) as card:
        write_image(image, card)
    with Path(loop).open("rb") as device:
        assert device.read(END) == image.path.read_bytes()[:END]


def test_a_block_device_that_fails_has_no_boot_record(loop: str, image: CardImage) -> None:
    with open_disk(loop_disk(loop), ["flash"]) as card, pytest.raises(CardFailedError):
        write_image(image, Watched(card, fail_at=BLOCK + 1))
    with Path(loop).open("rb") as device:
        assert read_boot_record(device.read(SECTOR)) == ()


def test_a_device_of_another_number_or_size_is_not_the_card(loop: str) -> None:
    for disk, says in (
        (loop_disk(loop, number="8:16"), "it was 8:16"),
        (loop_disk(loop, size_bytes=2 * PADDED), "has 16.8 MB now, it had 33.6 MB"),
    ):
        with pytest.raises(FlashError, match=says), open_disk(disk, ["flash"]):
            pytest.fail("it was opened")


def test_a_device_that_is_in_use_is_not_taken(loop: str) -> None:
    fd = os.open(loop, os.O_RDONLY | os.O_EXCL)  # as a mount or an array holds it
    try:
        with (
            pytest.raises(FlashError, match="is in use"),
            open_disk(loop_disk(loop), ["flash"]),
        ):
            pytest.fail("it was opened")
    finally:
        os.close(fd)
