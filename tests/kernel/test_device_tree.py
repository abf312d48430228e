"""tests/kernel/device_tree.py: what was read and written again is the same tree."""

from pathlib import Path

import pytest

from tests.kernel.board_trees import MADE, made_tree
from tests.kernel.device_tree import Node, read_device_tree, write_device_tree


def test_a_tree_that_was_written_is_read_again() -> None:
    leaf = Node("uart@1000", {"reg": [1, 2], "empty": b""})
    root = Node(
        "", {"#address-cells": [2], "model": "x"}, [Node("soc", {}, [leaf]), Node("chosen")]
    )
    read = read_device_tree(write_device_tree(root, [(0, 0x1000)]))
    assert read.properties == {"#address-cells": b"\0\0\0\2", "model": b"x\0"}
    assert read.child("soc").child("uart@1000").properties == {
        "reg": b"\0\0\0\1\0\0\0\2",
        "empty": b"",
    }
    assert [child.name for child in read.children] == ["soc", "chosen"]
    read.child("chosen").properties["bootargs"] = "a=1"
    changed = read_device_tree(write_device_tree(read))
    assert changed.child("chosen").properties == {"bootargs": b"a=1\0"}
    assert changed.child("soc") == read.child("soc")


@pytest.mark.parametrize("board", MADE)
def test_made_trees_of_boards_survive(board: str) -> None:
    blob = made_tree(board)
    assert write_device_tree(read_device_tree(blob)) == blob


@pytest.mark.parametrize("name", ["bcm2711-rpi-4-b", "bcm2712-rpi-5-b"])
def test_trees_of_real_boards_survive(shared: Path, name: str) -> None:
    tree = read_device_tree((shared / "dtb" / f"{name}.dtb").read_bytes())
    assert read_device_tree(write_device_tree(tree)) == tree
    assert len(tree.children) > 10
