"""What lies where in a board's RAM: the image, what the loader adds, and a KV cache of its own."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.board import Board, RamRange
from harness.plan.memory import KIB, MIB, align_up

PAGE = 4 * KIB
BLOCK = 2 * MIB  # what the MMU maps at once
FDT_ROOM = 2 * MIB  # QEMU's tree has 1 MiB; a loader may align it


@dataclass(frozen=True)
class Placement:
    """Where the KV cache and the blob are; initrd_base None: the blob is part of the image.

    Behind the image's last region both addresses are what is likely: the loader chooses the blob's,
    the kernel the KV cache's, at boot.
    """

    kv_base: int
    kv_in_image: bool
    initrd_base: int | None


def kv_base_in_image(image_end: int, kv_bytes: int) -> int:
    """Behind the other regions; from 2 MiB on, aligned so that the MMU maps it in whole blocks."""
    return align_up(image_end, BLOCK if kv_bytes >= BLOCK else PAGE)


def place(board: Board, image_end: int, kv_bytes: int, blob_bytes: int) -> Placement | None:
    """A place for all: image (without KV cache), KV cache and blob (0: appended); None: too large.

    Each is one piece. In the kernel's own range when that holds them, then with the blob in another
    range, then with the KV cache in another one, then with both.
    """
    kv_base = kv_base_in_image(image_end, kv_bytes)
    for kv_in_image, blob_in_main in _ways(board, blob_bytes):
        end = kv_base + kv_bytes if kv_in_image else image_end
        initrd, used = _main_layout(board, end, blob_bytes if blob_in_main else 0)
        free = [piece for piece in board.ram if piece != board.main_ram]
        if used > board.main_ram.end:
            continue
        if blob_bytes and not blob_in_main:
            initrd = _take(free, blob_bytes)
        if blob_bytes and initrd is None:
            continue
        if not kv_in_image:
            free.insert(0, RamRange(used, board.main_ram.end - used))
            elsewhere = _take(free, kv_bytes)
            if elsewhere is None:
                continue
            kv_base = elsewhere
        return Placement(kv_base, kv_in_image, initrd)
    return None


def ram_needed(board: Board, image_end: int, kv_bytes: int, blob_bytes: int) -> int:
    """The least RAM, in whole MiB, that holds all in one range from the kernel's on.

    So does any larger one.
    """
    end = kv_base_in_image(image_end, kv_bytes) + kv_bytes
    # RAM that ends below the image's start is too little without a look.
    low = (board.load_address - board.ram_base) // MIB
    high = 2 * (end - board.ram_base + blob_bytes) // MIB + 256
    while high - low > 1:
        middle = (low + high) // 2
        one_range = replace(board, ram=(RamRange(board.ram_base, middle * MIB),))
        _, used = _main_layout(one_range, end, blob_bytes)
        if used <= board.ram_base + middle * MIB:
            high = middle
        else:
            low = middle
    return high * MIB


def _ways(board: Board, blob_bytes: int) -> Iterator[tuple[bool, bool]]:
    """(KV cache in the image, blob in the kernel's range), the simplest first."""
    for kv_in_image in (True, False):
        for blob_in_main in (True, False):
            one_piece = kv_in_image and blob_in_main
            if one_piece or (len(board.ram) > 1 and (blob_bytes or blob_in_main)):
                yield kv_in_image, blob_in_main


def _main_layout(board: Board, image_end: int, blob_bytes: int) -> tuple[int | None, int]:
    """(blob, end of all that the kernel's range holds) as QEMU's hw/arm/boot.c places them.

    An initrd starts at half of RAM or 128 MiB, whichever is less, but above the image (whose header
    says how much memory it needs); the FDT follows on the next 2 MiB boundary. Room for that whole
    rounding is kept, so that more RAM never fits less. A mapped blob ends where RAM ends. A board
    that QEMU does not have leaves no such gap: its loader, or the kernel that reads a card, puts
    the blob anywhere.
    """
    ram = board.main_ram
    gap = min(ram.size_bytes // 2, 128 * MIB) if board.machine else 0
    initrd = align_up(max(ram.base + gap, image_end), PAGE)
    if not board.maps_blob(blob_bytes):
        used = initrd + blob_bytes + 2 * MIB + FDT_ROOM
        return (initrd if blob_bytes else None), used
    base = board.mapped_blob_base(blob_bytes)
    overlap = initrd + 2 * MIB + FDT_ROOM - base
    return base, ram.end + max(overlap, 0)


def _take(free: list[RamRange], size_bytes: int) -> int | None:
    """The start of the first piece that holds so much, which is then shorter; None: none does."""
    for i, piece in enumerate(free):
        base = align_up(piece.base, BLOCK)
        if base + size_bytes <= piece.end:
            end = base + size_bytes
            free[i] = RamRange(end, piece.end - end)
            return base
    return None
