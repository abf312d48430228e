"""The plan of a model that makes vectors: no cache, all tokens of a pass at once."""

from itertools import pairwise
from pathlib import Path

import pytest

from harness.board import load_board
from harness.errors import PlanError
from harness.gguf import Model, read_gguf
from harness.plan import MemoryPlan, plan_memory
from harness.plan.memory import STATE_BUDGET
from harness.plan.texts import N_TEXTS_MAX, key_rows, n_texts_of
from harness.synth import synthesize

VIRT = load_board("virt")


@pytest.fixture(scope="module", params=["gemma-embedding", "bert"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("models") / "m.gguf"
    return read_gguf(
        synthesize("tiny", arch=str(request.param), quant="Q8_0", path=path, n_vocab=400)
    )


def plan_of(model: Model, n_ctx: int) -> MemoryPlan:
    return plan_memory(model, VIRT, n_ctx=n_ctx)


def test_there_is_no_kv_cache(model: Model) -> None:
    plan = plan_of(model, 512)
    assert "kv_cache" not in {region.name for region in plan.regions}
    assert (plan.kv_bytes, plan.kv_type) == (0, "f32")
    assert (plan.n_batch, plan.n_texts) == (512, N_TEXTS_MAX)
    assert "no KV cache" in plan.table()
    assert plan.as_dict()["texts_bytes"] == plan.texts_bytes > 0


def test_what_does_not_grow_with_texts_is_within_the_budget(model: Model) -> None:
    small, large = plan_of(model, 64), plan_of(model, 1024)
    angles = 2 * 1024 * model.hyper.n_rot * 4  # both tables
    assert large.state_bytes - angles <= STATE_BUDGET
    per_token = (large.texts_bytes - small.texts_bytes) / (1024 - 64)
    hyper = model.hyper
    widest = max(hyper.n_ff, 4 * hyper.n_embd)
    assert 8 * hyper.n_embd < per_token < 4 * (8 * hyper.n_embd + 8 * widest)


def test_buffers_that_live_together_do_not_overlap(model: Model) -> None:
    plan = plan_of(model, 100)
    spans = {b.name: (b.offset, b.end) for b in plan.buffers if b.region == "activations"}
    assert max(end for _, end in spans.values()) <= plan.region("activations").size_bytes
    for together in (
        (
            "ACT_X",
            "ACT_H",
            "ACT_QUANT",
            "ACT_KEYS",
            "ACT_VALUES",
            "ACT_VECTORS",
            "ACT_ATT",
            "ACT_Q",
        ),
        ("ACT_X", "ACT_H", "ACT_QUANT", "ACT_ATT", "ACT_Q", "ACT_K", "ACT_V", "ACT_KEYS"),
        ("ACT_X", "ACT_QUANT", "ACT_ATT", "ACT_Y"),
        ("ACT_X", "ACT_QUANT", "ACT_GATE", "ACT_UP", "ACT_VECTORS"),
        ("ACT_X", "ACT_QUANT", "ACT_GATE", "ACT_Y"),
        ("ACT_X", "ACT_H", "ACT_QUANT", "ACT_POOLED", "ACT_DENSE", "ACT_VECTORS"),
    ):
        ordered = sorted(spans[name] for name in together)
        assert all(a[1] <= b[0] for a, b in pairwise(ordered)), together


@pytest.mark.parametrize("n_ctx", [1, 7, 63, 64, 200, 2048])
def test_every_text_of_a_pass_has_its_tiles(n_ctx: int) -> None:
    """The worst case: as many texts as may be, each of one token more than whole tiles."""
    n_texts, left, rows = n_texts_of(n_ctx), n_ctx, 0
    for i in range(n_texts):
        n = left - (n_texts - 1 - i) if i == n_texts - 1 else 1
        rows += -(-n // 8) * 8
        left -= n
    assert left == 0
    assert rows <= key_rows(n_ctx)


def test_a_context_that_does_not_fit_names_the_texts(model: Model) -> None:
    with pytest.raises(PlanError, match="texts of one pass") as refusal:
        plan_memory(model, VIRT, n_ctx=2048, ram_size_bytes=24 << 20)
    assert "try --ctx" in refusal.value.hint


def test_the_blob_holds_what_goes_before_and_after_the_layers(model: Model, tmp_path: Path) -> None:
    names = {entry.name for entry in plan_of(model, 64).blob}
    if model.architecture == "bert":
        assert {"position_embd.weight", "token_types.weight", "token_embd_norm.bias"} <= names
        assert "rope" not in names
        assert "blk.1.layer_output_norm.bias" in names
    else:
        assert {"dense_2.weight", "dense_3.weight", "rope", "rope_local"} <= names
    assert set(model.tensors) <= names
