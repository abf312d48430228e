"""harness/plan: everything has a place, nothing overlaps, and refusals tell the truth."""

import dataclasses
import json
import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.board import load_board
from harness.compile.sources import KERNEL_DIR
from harness.errors import PlanError
from harness.gguf import GGMLType, Model
from harness.plan import MemoryPlan, over_budget, plan_memory
from harness.plan.buffers import MAX_CORES
from harness.plan.memory import (
    KIB,
    MIB,
    STATE_BUDGET,
    TYPE_BUDGET,
    KvType,
    extra_kernel_bytes,
)
from harness.plan.planner import BLOB_FILE_ALIGN, HEAD_SIZE_MAX
from tests.harness.plan.shapes import STORIES260K, TINYLLAMA, model_of

VIRT = load_board("virt")
GIB = 1 << 30

shapes = st.builds(
    model_of,
    n_embd=st.sampled_from([32, 64, 256, 512]),
    n_head=st.sampled_from([2, 4, 8]),
    n_head_kv=st.sampled_from([1, 2]),
    n_layer=st.integers(1, 5),
    n_ff=st.sampled_from([32, 96, 1024]),
    n_ctx_train=st.integers(1, 9000),
    n_vocab=st.integers(4, 3000),
    matrix_type=st.sampled_from([GGMLType.F32, GGMLType.F16, GGMLType.Q8_0, GGMLType.Q4_0]),
    tied=st.booleans(),
)


@given(model=shapes, kv_type=st.sampled_from(["f16", "f32", "q8_0"]))
@settings(max_examples=60, deadline=None)
def test_regions_are_aligned_in_order_and_disjoint(model: Model, kv_type: KvType) -> None:
    plan = plan_memory(model, VIRT, kv_type=kv_type, ram_size_bytes=8 * GIB)
    assert plan.regions[0].base == VIRT.load_address
    for below, above in pairwise(plan.regions):
        assert below.end <= above.base, (below, above)
    assert all(r.base % 4096 == 0 and r.size_bytes % 4096 == 0 for r in plan.regions)
    assert all(r.size_bytes > 0 for r in plan.regions)
    kv = plan.region("kv_cache")
    assert kv.base % (2 * MIB) == 0 or kv.size_bytes < 2 * MIB
    assert plan.image_size == kv.end - VIRT.load_address


@given(model=shapes)
@settings(max_examples=60, deadline=None)
def test_buffers_lie_in_their_regions_and_share_bytes_only_where_meant(model: Model) -> None:
    plan = plan_memory(model, VIRT, ram_size_bytes=8 * GIB)
    phases = {"ACT_Q": 1, "ACT_K": 1, "ACT_V": 1, "ACT_ATT": 1, "ACT_GATE": 2, "ACT_UP": 2}
    phases |= {"ACT_Y": 3, "ACT_LOGITS": 4}
    read_by_the_product = {frozenset({"ACT_Y", name}) for name in ("ACT_ATT", "ACT_GATE")}
    for i, a in enumerate(plan.buffers):
        assert a.offset % 64 == 0
        assert a.end <= plan.region(a.region).size_bytes, a
        for b in plan.buffers[i + 1 :]:
            overlap = a.region == b.region and a.offset < b.end and b.offset < a.end
            shared = {phases.get(a.name), phases.get(b.name)}
            before = "ACT_SCRATCH" in (a.name, b.name)  # of the tokenizer, before a forward pass
            before |= "ACT_CANDIDATES" in (a.name, b.name) and "ACT_LOGITS" not in (a.name, b.name)
            apart = frozenset({a.name, b.name}) in read_by_the_product
            meant = len(shared) == 2 and None not in shared and not apart
            assert not overlap or before or meant, (a, b)


@given(model=shapes)
@settings(max_examples=60, deadline=None)
def test_blob_entries_follow_one_another_on_cache_lines(model: Model) -> None:
    plan = plan_memory(model, VIRT, ram_size_bytes=8 * GIB)
    assert plan.blob[0].name == "token_embd.weight"
    assert plan.blob[0].offset == 64
    for below, above in pairwise(plan.blob):
        assert above.offset % 64 == 0
        assert 0 <= above.offset - below.end < 64
    align = 64 if plan.blob_appended else BLOB_FILE_ALIGN
    assert plan.blob_size_bytes % align == 0
    assert 0 <= plan.blob_size_bytes - plan.blob[-1].end < align
    names = [entry.name for entry in plan.blob if entry.type is not None]
    assert set(names) == set(model.tensors)


@given(model=shapes)
@settings(max_examples=30, deadline=None)
def test_totals_add_up(model: Model) -> None:
    plan = plan_memory(model, VIRT, ram_size_bytes=8 * GIB)
    regions = sum(r.size_bytes for r in plan.regions)
    assert plan.image_size == regions + plan.gap_bytes
    outside = 0 if plan.blob_appended else plan.blob_size_bytes
    rounding = plan.region("blob").size_bytes - plan.blob_size_bytes if plan.blob_appended else 0
    assert (
        plan.weights_bytes + plan.vocabulary_bytes + plan.kv_bytes + plan.state_bytes
        == regions + outside - rounding
    )
    assert plan.weights_bytes >= model.weights_bytes  # rows that fill the last tile


def test_the_state_of_stories260k_is_below_one_mib() -> None:
    plan = plan_memory(STORIES260K, VIRT)
    assert plan.n_batch == 16
    assert plan.blob_appended
    assert plan.state_bytes < 1024 * KIB


def test_every_core_the_kernel_may_use_has_a_row_of_its_own() -> None:
    header = (KERNEL_DIR / "smp" / "parallel.h").read_text()
    assert f"#define PARALLEL_MAX_CORES {MAX_CORES}\n" in header
    plan = plan_memory(STORIES260K, VIRT)
    assert plan.buffer("ACT_QUANT").size_bytes >= MAX_CORES * plan.act_quant_row_size


def test_a_model_of_many_rare_types_has_a_larger_kernel() -> None:
    common = [GGMLType.F32, GGMLType.Q4_K, GGMLType.Q6_K]
    rare = [GGMLType.Q2_K, GGMLType.Q3_K, GGMLType.Q5_K, GGMLType.IQ4_XS, GGMLType.Q5_0]
    assert extra_kernel_bytes(common + rare[:3]) == 0
    assert extra_kernel_bytes(common + rare) == 2 * TYPE_BUDGET


def test_the_state_of_tinyllama_fits_its_budget() -> None:
    plan = plan_memory(TINYLLAMA, VIRT, ram_size_bytes=2 * GIB)
    assert plan.state_bytes <= STATE_BUDGET
    assert plan.n_batch == 16
    rows_bytes = plan.buffer("ACT_UP").end - plan.buffer("ACT_GATE").offset
    assert 1 < plan.n_logit_rows <= 9
    assert plan.buffer("ACT_LOGITS").size_bytes <= rows_bytes, "guessing costs no memory"
    assert plan.buffer("ACT_UP").size_bytes == MAX_CORES * plan.n_batch * plan.act_up_rows * 4
    assert not plan.blob_appended
    assert [region.name for region in plan.regions][:2] == ["kernel", "page_tables"]


def test_a_form_of_activations_that_no_matrix_wants_takes_no_bytes() -> None:
    def plan_of(matrix_type: GGMLType) -> MemoryPlan:
        return plan_memory(model_of(n_embd=512, n_ff=1024, matrix_type=matrix_type), VIRT)

    k_quant = plan_of(GGMLType.Q4_K)
    assert (k_quant.act_quant_q8_k, k_quant.act_quant_row_size) == (0, 4 * 304)
    q8_0 = plan_of(GGMLType.Q8_0)
    assert q8_0.act_quant_q8_k == q8_0.act_quant_row_size == 32 * 40
    assert plan_of(GGMLType.F32).act_quant_row_size == 0


def test_both_tables_of_angles_count_as_state_and_not_as_the_model_s() -> None:
    model = model_of()
    one = plan_memory(model, VIRT)
    hyper = dataclasses.replace(model.hyper, rope_freq_base_local=10000.0)
    two = plan_memory(dataclasses.replace(model, hyper=hyper), VIRT)
    assert two.vocabulary_bytes == one.vocabulary_bytes
    assert two.entry("rope_local").size_bytes == one.entry("rope").size_bytes
    assert two.tables_bytes >= one.tables_bytes + one.entry("rope").size_bytes


@pytest.mark.slow
def test_a_batch_of_one_is_left_when_no_batch_fits_the_budget() -> None:
    plan = plan_memory(model_of(n_vocab=400_000), VIRT)
    assert plan.n_batch == 1
    assert plan.state_bytes > STATE_BUDGET
    assert "MORE THAN 2048 KiB" in plan.table()
    assert re.fullmatch(r"state: .* KiB, MORE THAN 2048 KiB, .*", over_budget(plan))
    assert over_budget(plan_memory(STORIES260K, VIRT)) == ""


def test_a_large_model_s_prompt_is_computed_in_batches_within_a_thousandth_of_its_weights() -> None:
    large = model_of(
        n_embd=4096, n_head=32, n_layer=40, n_ff=12800, n_vocab=49159, matrix_type=GGMLType.Q4_K
    )
    plan = plan_memory(large, VIRT, ram_size_bytes=8 * GIB)
    assert plan.state_budget == plan.weights_bytes // 1024 > 2 * STATE_BUDGET
    assert STATE_BUDGET < plan.state_bytes <= plan.state_budget
    assert plan.n_batch == 16
    assert plan_memory(TINYLLAMA, VIRT, ram_size_bytes=2 * GIB).state_budget == STATE_BUDGET


def test_f32_keys_and_values_take_twice_the_bytes() -> None:
    half, single = (plan_memory(STORIES260K, VIRT, kv_type=kind) for kind in ("f16", "f32"))
    assert single.kv_bytes == 2 * half.kv_bytes
    assert single.kv_v_offset == 2 * half.kv_v_offset


def test_q8_0_keys_and_values_take_a_byte_each_and_a_half_per_block() -> None:
    plan = plan_memory(TINYLLAMA, VIRT, kv_type="q8_0", ram_size_bytes=2 * GIB)
    assert plan.kv_v_offset == 22 * 4 * 2048 * (64 + 2 * 2)


@pytest.mark.parametrize(("n_ctx", "padded"), [(1, 64), (64, 64), (65, 128), (2048, 2048)])
def test_the_cache_holds_whole_chunks_of_64_positions(n_ctx: int, padded: int) -> None:
    plan = plan_memory(STORIES260K, VIRT, n_ctx=n_ctx)
    assert plan.n_ctx_padded == padded
    assert plan.kv_v_offset == 5 * 4 * 8 * padded * 2
    assert plan.entry("rope").size_bytes == n_ctx * 8 * 4


def test_the_default_context_is_what_the_model_was_trained_for_but_at_most_2048() -> None:
    assert plan_memory(model_of(n_ctx_train=300), VIRT).n_ctx == 300
    assert plan_memory(model_of(n_ctx_train=131072), VIRT).n_ctx == 2048


@pytest.mark.parametrize(("n_ctx", "hint"), [(0, 1), (-5, 1), (2049, 2048)])
def test_a_context_out_of_range_is_refused(n_ctx: int, hint: int) -> None:
    with pytest.raises(PlanError, match=rf"{n_ctx} tokens.*trained for 2048") as error:
        plan_memory(STORIES260K, VIRT, n_ctx=n_ctx)
    assert error.value.hint == f"try --ctx {hint}"


def test_a_vector_that_would_end_inside_a_tile_is_refused() -> None:
    with pytest.raises(PlanError, match="key length 6 is not a multiple of 4"):
        plan_memory(model_of(n_embd=12, n_head=2, n_head_kv=1), VIRT)


def test_heads_larger_than_attention_has_room_for_are_refused() -> None:
    header = (KERNEL_DIR / "nn" / "kernels.h").read_text()
    assert f"#define ATTENTION_MAX_HEAD {HEAD_SIZE_MAX} //" in header
    plan_memory(model_of(n_embd=512, n_head=2, n_head_kv=1), VIRT)
    with pytest.raises(PlanError, match="heads of 260 values, at most 256 fit"):
        plan_memory(model_of(n_embd=520, n_head=2, n_head_kv=1), VIRT)


def fits(plan: MemoryPlan) -> bool:
    """Written from QEMU's rule again: image, initrd and 2 MiB of device tree end within RAM."""
    base = plan.ram_base
    image_end = plan.regions[-1].end
    initrd = max(base + min(plan.ram_size_bytes // 2, 128 * MIB), image_end)
    initrd = -(-initrd // 4096) * 4096
    if plan.initrd_base is not None:
        assert plan.initrd_base == initrd
        initrd += plan.blob_size_bytes
    fdt = -(-initrd // (2 * MIB)) * 2 * MIB
    return fdt + 2 * MIB <= base + plan.ram_size_bytes


@pytest.mark.slow
@given(
    model=st.builds(
        model_of,
        n_embd=st.sampled_from([256, 512]),
        n_head=st.just(4),
        n_head_kv=st.sampled_from([1, 4]),
        n_layer=st.integers(1, 8),
        n_vocab=st.integers(4, 20000),
        n_ctx_train=st.integers(64, 40000),
    ),
    ram_mib=st.integers(4, 300),
    n_ctx=st.integers(64, 40000),
)
@settings(max_examples=150, deadline=None)
def test_the_hinted_context_fits_and_64_more_do_not(model: Model, ram_mib: int, n_ctx: int) -> None:
    ram, n_ctx = ram_mib * MIB, min(n_ctx, model.hyper.n_ctx_train)
    try:
        assert fits(plan_memory(model, VIRT, n_ctx=n_ctx, ram_size_bytes=ram))
    except PlanError as error:
        wanted = re.search(r"--ram (\d+)M", error.hint)
        assert wanted
        enough = int(wanted[1]) * MIB
        assert fits(plan_memory(model, VIRT, n_ctx=n_ctx, ram_size_bytes=enough))
        with pytest.raises(PlanError):
            plan_memory(model, VIRT, n_ctx=n_ctx, ram_size_bytes=enough - MIB)
        hint = re.search(r"try --ctx (\d+)", error.hint)
        smaller = int(hint[1]) if hint else 0
        assert smaller < n_ctx
        if smaller:
            assert fits(plan_memory(model, VIRT, n_ctx=smaller, ram_size_bytes=ram))
        with pytest.raises(PlanError):  # too large for this RAM, or beyond the trained context
            plan_memory(model, VIRT, n_ctx=smaller + 64, ram_size_bytes=ram)


def test_a_plan_that_does_not_fit_names_what_is_needed_and_what_is_there() -> None:
    with pytest.raises(
        PlanError, match=r"TinyLlama with n_ctx=2048 needs \d+.\d MiB.*virt has 512.0"
    ):
        plan_memory(TINYLLAMA, VIRT)


def test_the_plan_is_json_and_the_same_every_time() -> None:
    one, two = (plan_memory(STORIES260K, VIRT) for _ in range(2))
    assert one == two
    assert json.dumps(one.as_dict()) == json.dumps(two.as_dict())
    assert one.table() == two.table()
    assert json.loads(json.dumps(one.as_dict()))["state_bytes"] == one.state_bytes


def test_the_table_names_every_region_with_its_address() -> None:
    plan = plan_memory(TINYLLAMA, VIRT, ram_size_bytes=2 * GIB)
    table = plan.table()
    for region in plan.regions:
        assert re.search(rf"{region.base:#012x} .* {region.name}\b", table)
    assert re.search(r"0x0048000000 .* initrd", table)
    assert "of 2048 KiB" in table


def test_a_second_board_moves_every_address() -> None:
    ram = (dataclasses.replace(VIRT.main_ram, base=0),)
    moved = dataclasses.replace(VIRT, ram=ram, load_address=0x80000)
    here, there = plan_memory(STORIES260K, VIRT), plan_memory(STORIES260K, moved)
    assert [r.base - 0x40000000 for r in here.regions] == [r.base for r in there.regions]
