"""harness/flash/folders.py: one list for both questions, and where their answers differ."""

import pytest

from harness.flash.folders import (
    FREE_FOLDERS,
    HOME_FOLDERS,
    SYSTEM_FOLDERS,
    is_mounted_by_the_system,
    is_of_the_system,
)


@pytest.mark.parametrize("folder", ["/", *SYSTEM_FOLDERS, "/var/lib", "/opt/vendor", "/etc/ssl"])
def test_what_is_the_system_s_is_neither_card_nor_on_one(folder: str) -> None:
    assert is_of_the_system(folder)
    assert is_mounted_by_the_system(folder)


@pytest.mark.parametrize("folder", [*HOME_FOLDERS, *FREE_FOLDERS, "/srv/tftp", "/home/ann/card"])
def test_people_s_folders_take_files_but_their_disk_is_no_card(folder: str) -> None:
    assert not is_of_the_system(folder)
    assert is_mounted_by_the_system(folder)


@pytest.mark.parametrize(
    "folder",
    ["/media/ann/boot", "/run/media/ann/boot", "/mnt", "/Volumes/boot", "/tmp/card", "/usrs"],
)
def test_where_cards_are_mounted_is_nobody_s(folder: str) -> None:
    assert not is_of_the_system(folder)
    assert not is_mounted_by_the_system(folder)
