"""Writes and reads flattened device trees for tests (Devicetree Specification v0.4, chapter 5)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

Value = bytes | str | list[int]  # raw, terminated text, 32-bit cells


@dataclass
class Node:
    """A node, its properties and its children."""

    name: str = ""
    properties: dict[str, Value] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)

    def child(self, name: str) -> "Node":
        """The child of that name, with its unit address."""
        return next(child for child in self.children if child.name == name)


def _encode(value: Value) -> bytes:
    if isinstance(value, str):
        return value.encode() + b"\0"
    if isinstance(value, list):
        return struct.pack(f">{len(value)}I", *value)
    return value


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def write_device_tree(root: Node, reservations: Sequence[tuple[int, int]] = ()) -> bytes:
    """The blob, as a boot loader would hand it over; reservations: (address, size)."""
    strings = bytearray()
    nodes = bytearray()

    def write(node: Node) -> None:
        nodes.extend(struct.pack(">I", 1) + _padded(node.name.encode() + b"\0"))
        for name, value in node.properties.items():
            data = _encode(value)
            nodes.extend(struct.pack(">III", 3, len(data), len(strings)) + _padded(data))
            strings.extend(name.encode() + b"\0")
        for child in node.children:
            write(child)
        nodes.extend(struct.pack(">I", 2))

    write(root)
    nodes.extend(struct.pack(">I", 9))
    reserved = b"".join(struct.pack(">QQ", *entry) for entry in (*reservations, (0, 0)))
    at_nodes = 40 + len(reserved)
    at_strings = at_nodes + len(nodes)
    size = at_strings + len(strings)
    header = struct.pack(
        ">10I", 0xD00DFEED, size, at_nodes, at_strings, 40, 17, 16, 0, len(strings), len(nodes)
    )
    return bytes(header + reserved + nodes + strings)


def read_device_tree(blob: bytes) -> Node:
    """The tree that a machine was given, properties as raw bytes, to be changed and written again.

    Trusts the blob, which comes from QEMU or dtc.
    """
    at, strings = struct.unpack_from(">II", blob, 8)

    def text(offset: int) -> str:
        return blob[offset : blob.index(0, offset)].decode()

    parents: list[Node] = [Node("above the root")]
    while True:
        (token,) = struct.unpack_from(">I", blob, at)
        at += 4
        if token == 1:
            node = Node(text(at))
            at += len(_padded(node.name.encode() + b"\0"))
            parents[-1].children.append(node)
            parents.append(node)
        elif token == 2:
            parents.pop()
        elif token == 3:
            size, name = struct.unpack_from(">II", blob, at)
            parents[-1].properties[text(strings + name)] = blob[at + 8 : at + 8 + size]
            at += 8 + len(_padded(bytes(size)))
        elif token == 9:
            return parents[0].children[0]
