"""Headers of models that make vectors: what tells the kernel so."""

import re
from pathlib import Path
from typing import Any

import pytest

from harness.board import load_board
from harness.codegen import render_headers
from harness.gguf import read_gguf
from harness.plan import plan_memory
from harness.synth import synthesize


def macros(arch: str, folder: Path, n_ctx: int = 64, **changes: Any) -> dict[str, str]:
    path = synthesize(
        "micro", arch=arch, quant="F32", path=folder / "m.gguf", n_vocab=400, changes=changes
    )
    model, board = read_gguf(path), load_board("virt")
    files = render_headers(model, board, plan_memory(model, board, n_ctx=n_ctx)).files
    text = files["gen/model.h"] + files["gen/layout.h"]
    return dict(re.findall(r"^#define (\w+) (.*?)(?: //.*)?$", text, re.M))


@pytest.mark.parametrize(
    ("arch", "wanted"),
    [
        ("llama", {"MAKES_VECTORS": "0", "CAUSAL": "1", "LAYER_NORMS": "0", "FFN_GATED": "1"}),
        (
            "gemma-embedding",
            {
                "MAKES_VECTORS": "1",
                "CAUSAL": "0",
                "LAYER_NORMS": "0",
                "HAS_DENSE": "1",
                "N_DENSE": "256",
            },
        ),
        (
            "bert",
            {"MAKES_VECTORS": "1", "LAYER_NORMS": "1", "FFN_GATED": "0", "LEARNED_POSITIONS": "1"},
        ),
    ],
)
def test_constants_of_each_kind(arch: str, wanted: dict[str, str], tmp_path: Path) -> None:
    found = macros(arch, tmp_path)
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("window", "n_ctx", "keys"), [(1, 64, "1"), (20, 64, "11"), (126, 64, "0"), (124, 64, "63")]
)
def test_a_window_around_reaches_half_as_far_both_ways(
    window: int, n_ctx: int, keys: str, tmp_path: Path
) -> None:
    """With the token's own key; 0 where that is every key of any text."""
    found = macros("gemma-embedding", tmp_path, n_ctx, window=window)
    assert found["ATTN_WINDOW"] == keys


def test_there_is_no_cache_and_no_row_of_logits(tmp_path: Path) -> None:
    found = macros("bert", tmp_path)
    assert found["REGION_KV_CACHE_SIZE"] == "0x0ull"
    assert (found["N_LOGIT_ROWS"], found["N_BATCH"], found["N_CTX"]) == ("1", "64", "64")
    assert found["KV_K_OFFSET"] == f"{int(found['ACT_KEYS'], 16):#x}ull"
    assert found["POOLING"] == "POOLING_MEAN"
    assert macros("bert", tmp_path, pooling=None)["POOLING"] == "POOLING_NONE"
