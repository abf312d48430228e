"""harness/plan/place.py: RAM in several pieces, and a blob that is mapped instead of loaded."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.board import Board, RamRange, load_board
from harness.errors import PlanError
from harness.gguf import GGMLType, Model
from harness.plan import largest_ctx, plan_memory
from harness.plan.place import place, ram_needed
from tests.harness.plan.shapes import STORIES260K, model_of

MIB, GIB = 1 << 20, 1 << 30
VIRT = load_board("virt")


def board_of(name: str, *pieces: tuple[int, int]) -> Board:
    """No QEMU machine: a board whose kernel is loaded to 0x80000."""
    ram = tuple(RamRange(base, end - base) for base, end in pieces)
    return replace(VIRT, name=name, machine="", ram=ram, load_address=0x8_0000)


PI4_8G = board_of(
    "pi4-8g", (0, 0x3B40_0000), (0x4000_0000, 0xFC00_0000), (0x1_0000_0000, 0x2_0000_0000)
)
PI4_4G = replace(PI4_8G, name="pi4-4g", ram=PI4_8G.ram[:2])
PI5_8G = board_of("pi5-8g", (0, 0x3FC0_0000), (0x4000_0000, 0x2_0000_0000))


def llama(n_layer: int, n_ctx_train: int = 131072) -> Model:
    """A layer: 2 * 4096^2 + 2 * 1024 * 4096 + 3 * 12800 * 4096 weights of 144/256 bytes."""
    return model_of(
        n_embd=4096,
        n_head=32,
        n_head_kv=8,
        n_layer=n_layer,
        n_ff=12800,
        n_ctx_train=n_ctx_train,
        n_vocab=2000,
        matrix_type=GGMLType.Q4_K,
    )


LAYER_BYTES = (2 * 4096**2 + 2 * 1024 * 4096 + 3 * 12800 * 4096) * 144 // 256  # 106.9 MiB
KV_PER_TOKEN = 2 * 8 * 128 * 2  # of a layer, in halves


def test_what_the_kernel_s_range_holds_stays_in_the_image() -> None:
    plan = plan_memory(llama(4), PI4_8G, n_ctx=4096)
    assert plan.kv_in_image
    assert plan.region("kv_cache") == plan.kv_cache
    assert plan.initrd_base is not None
    assert plan.initrd_base + plan.blob_size_bytes < 0x3B40_0000


def test_a_cache_that_only_another_range_holds_is_placed_there() -> None:
    plan = plan_memory(llama(4), PI4_4G, n_ctx=131072)  # 2 GiB of keys and values
    assert plan.kv_bytes == 4 * 131072 * KV_PER_TOKEN == 2 * GIB
    assert not plan.kv_in_image
    assert plan.kv_cache.base == 0x4000_0000
    assert [region.name for region in plan.regions][-1] == "activations"
    assert plan.image_size < 8 * MIB
    assert plan.initrd_base is not None
    assert plan.initrd_base + plan.blob_size_bytes < 0x3B40_0000
    assert "0x0040000000  0x00c0000000  2048.0 MiB  kv_cache" in plan.table()
    assert "in 2 pieces on pi4-4g" in plan.table()
    assert plan.region("page_tables").size_bytes == (20 + 12) * 4096


def test_a_blob_that_only_another_range_holds_leaves_the_cache_in_the_image() -> None:
    plan = plan_memory(llama(12), PI4_8G, n_ctx=4096)  # 1283 MiB
    assert plan.kv_in_image
    assert plan.initrd_base == 0x4000_0000


def test_both_may_lie_outside_the_kernel_s_range() -> None:
    plan = plan_memory(llama(30), PI4_8G, n_ctx=8192)  # 3207 MiB and 960 MiB
    assert plan.initrd_base == 0x1_0000_0000, "the first range with so much"
    assert plan.kv_cache.base == 0x4000_0000
    # 30 layers and 960 MiB of cache do not fit beside each other in the last range of 4 GiB alone.
    plan = plan_memory(llama(40), PI5_8G, n_ctx=8192)  # 4277 MiB and 1280 MiB
    assert plan.initrd_base == 0x4000_0000
    assert plan.kv_cache.base == 0x4000_0000 + -(-plan.blob_size_bytes // (2 * MIB)) * 2 * MIB
    assert plan.fits


def test_only_qemu_leaves_a_gap_before_the_blob() -> None:
    zero = board_of("zero", (0, 448 * MIB))
    sizes = {"image_end": 46 * MIB, "kv_bytes": 0, "blob_bytes": 322 * MIB}
    placed = place(zero, **sizes)
    assert placed
    assert placed.initrd_base == 46 * MIB
    assert place(replace(zero, machine="raspi3b"), **sizes) is None  # from 128 MiB on: 2 too many
    assert ram_needed(zero, **sizes) == (46 + 322 + 4) * MIB


def test_a_refusal_says_that_the_pieces_are_too_small() -> None:
    with pytest.raises(
        PlanError, match=r"pi4-8g has 8052.0 MiB in 3 pieces, the largest of 4096.0 MiB"
    ) as error:
        plan_memory(llama(40), PI4_8G, n_ctx=2048)  # 4277 MiB in one piece
    assert "no context fits; take a board with at least" in error.value.hint
    assert "in one piece" in error.value.hint


def test_the_largest_context_counts_all_ranges() -> None:
    # The last range holds 40 layers' weights on a Pi 5 and leaves 7168 - 4277 MiB, 160 KiB a token;
    # the rope table is part of the blob: 512 bytes a token.
    model = llama(40)
    largest = largest_ctx(model, PI5_8G)
    assert largest is not None
    free = 7 * GIB - 40 * LAYER_BYTES - 2 * 2000 * 4096 * 144 // 256
    assert abs(largest - free / (40 * KV_PER_TOKEN + 512)) < 64
    assert plan_memory(model, PI5_8G, n_ctx=largest).fits
    with pytest.raises(PlanError, match="n_ctx="):
        plan_memory(model, PI5_8G, n_ctx=largest + 64)
    assert largest_ctx(model, PI4_8G) is None
    assert largest_ctx(STORIES260K, PI4_8G) == STORIES260K.hyper.n_ctx_train


def test_a_blob_by_itself_has_whole_pages_of_64_kib() -> None:
    plan = plan_memory(llama(1), VIRT, ram_size_bytes=GIB)
    assert not plan.blob_appended
    assert plan.blob_size_bytes % (64 << 10) == 0
    assert 0 <= plan.blob_size_bytes - plan.blob[-1].end < 64 << 10


def test_a_mapped_blob_ends_where_ram_ends_and_more_ram_fits_too() -> None:
    model = llama(40)
    with pytest.raises(PlanError, match="n_ctx=2048 needs") as error:
        plan_memory(model, VIRT, ram_size_bytes=4 * GIB)
    assert "try --ctx" not in error.value.hint
    plan = plan_memory(model, VIRT, ram_size_bytes=8 * GIB)
    end = 0x4000_0000 + 8 * GIB
    assert plan.initrd_base == (end - plan.blob_size_bytes) // (2 * MIB) * 2 * MIB
    assert plan.regions[-1].end + 4 * MIB <= plan.initrd_base
    least = plan.ram_needed_bytes
    assert plan_memory(model, VIRT, ram_size_bytes=least).fits
    assert plan_memory(model, VIRT, ram_size_bytes=least + MIB).fits
    with pytest.raises(PlanError):
        plan_memory(model, VIRT, ram_size_bytes=least - MIB)


ranges = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 300)), min_size=1, max_size=5)


@pytest.mark.slow
@given(ranges, st.integers(1, 250), st.integers(1, 400), st.integers(0, 400))
@settings(max_examples=300, deadline=None)
def test_what_is_placed_lies_in_ram_and_apart(
    gaps: list[tuple[int, int]], image: int, kv: int, blob: int
) -> None:
    pieces, at = list[tuple[int, int]](), 0
    for gap, size in gaps:
        at += gap * MIB if pieces else 0
        pieces.append((at, at + size * MIB))
        at += size * MIB
    board = board_of("random", *pieces)
    image_end = board.load_address + image * MIB
    found = place(board, image_end, kv * MIB, blob * MIB)
    if found is None:
        largest = max(end - base for base, end in pieces)
        total = sum(end - base for base, end in pieces)
        wanted = (image + kv + blob) * MIB
        # 4 MiB of FDT, rounding to 2 MiB, and up to 128 MiB below an initrd are no one's.
        reasons = (
            max(kv, blob) * MIB > largest - 8 * MIB,
            image_end + 134 * MIB > pieces[0][1],
            wanted + len(pieces) * (max(kv, blob) + 8) * MIB + 140 * MIB > total,
        )
        assert any(reasons)
        return
    parts = [(board.load_address, image_end), (found.kv_base, found.kv_base + kv * MIB)]
    if found.initrd_base is not None:
        parts.append((found.initrd_base, found.initrd_base + blob * MIB))
    assert (found.initrd_base is not None) == (blob > 0)
    for base, end in parts:
        assert any(low <= base and end <= high for low, high in pieces)
    parts.sort()
    assert all(below[1] <= above[0] for below, above in itertools.pairwise(parts))
    assert not found.kv_in_image or 0 <= found.kv_base - image_end < 2 * MIB
