"""Whatever lsblk or diskutil say, the answer is disks or one FlashError; never a traceback.

Every value of a whole machine is replaced in turn by one of another kind.
"""

import copy
import json
import plistlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness.errors import FlashError
from harness.flash.disk import Disk
from harness.flash.diskutil import parse_diskutil
from harness.flash.lsblk import parse_lsblk
from harness.flash.safety import judge, refuse_to_guess
from tests.harness.flash.lsblk_says import FAT, NVME, answer, reader
from tests.harness.flash.test_diskutil_verdicts import CARD, DISK0, DISK3, INTERNAL, facts

WRONG: tuple[Any, ...] = (None, True, 7, -1, 1.5, "", "x", [], [3], {}, {"a": 1}, ["x"])

Path = tuple[Any, ...]


def paths(value: Any, here: Path = ()) -> Iterator[Path]:
    """Where each value of nested tables and lists is, itself included."""
    yield here
    inside = (
        value if isinstance(value, dict) else dict(enumerate(value)) if type(value) is list else {}
    )
    for key, inner in inside.items():
        yield from paths(inner, (*here, key))


def replaced(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    result = copy.deepcopy(value)
    inner = result
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return result


def complaint(read: Callable[[], tuple[Disk, ...]], n_system: int) -> str | None:
    """What is said of an inventory; None when it was taken, and every disk of it judged.

    n_system: the first disks of it are this system's, whatever names they go by.
    """
    try:
        disks = read()
    except FlashError as error:
        return str(error)
    for i, disk in enumerate(disks):
        assert disk.title
        # Without the limit of size, which would hide that no other rule refuses a system disk.
        verdict = judge(disk, disks, size_max=10**18)
        assert not (verdict.ok and i < n_system), disk
    refuse_to_guess(disks)
    return None


LSBLK = json.loads(answer(NVME, reader(FAT)))
N_LSBLK = 1
LISTING = {"AllDisksAndPartitions": [DISK0, DISK3, CARD]}
N_MAC = 2
INFOS = {
    "disk0": facts("disk0", **INTERNAL),
    "disk3": facts("disk3", **INTERNAL),
    "disk4": facts("disk4"),
}


def mac(listing: Any, infos: Any) -> tuple[Disk, ...]:
    return parse_diskutil(plistlib.dumps(listing), lambda name: plistlib.dumps(infos.get(name, {})))


def test_the_inventories_are_taken_as_they_are() -> None:
    assert complaint(lambda: parse_lsblk(json.dumps(LSBLK), lambda _: "SD"), N_LSBLK) is None
    assert complaint(lambda: mac(LISTING, INFOS), N_MAC) is None


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_a_wrong_value_of_lsblk_is_an_error_or_harmless(wrong: Any) -> None:
    for path in paths(LSBLK):
        text = json.dumps(replaced(LSBLK, path, wrong))
        said = complaint(lambda text=text: parse_lsblk(text, lambda _: "SD"), N_LSBLK)  # type: ignore[misc]
        assert said is None or "lsblk" in said, path


@pytest.mark.parametrize("wrong", WRONG[1:], ids=repr)  # a property list has no null
def test_a_wrong_value_of_diskutil_is_an_error_or_harmless(wrong: Any) -> None:
    for path in paths([LISTING, INFOS]):
        if path not in ((), (0,), (1,)):
            listing, infos = replaced([LISTING, INFOS], path, wrong)
            said = complaint(lambda of=(listing, infos): mac(*of), N_MAC)  # type: ignore[misc]
            assert said is None or "diskutil" in said, path


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_an_answer_cut_short_is_an_error(cut: int) -> None:
    text = answer(NVME, reader(FAT))
    with pytest.raises(FlashError):
        parse_lsblk(text[: len(text) * cut // 400], lambda _: "SD")
