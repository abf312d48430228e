"""Types per tensor equal those that llama-quantize chose for files of the same shapes."""

import json
from pathlib import Path

import pytest

from harness.errors import SynthError
from harness.gguf import GGMLType
from harness.synth.mixture import gets_more_bits, tensor_type

# name and file type of a gold model -> n_embd, n_ff, n_layer
GOLD = {
    ("llama-gqa", "Q8_0"): (256, 256, 3),
    ("llama-gqa", "Q6_K"): (256, 256, 3),
    ("llama-gqa", "Q4_K_M"): (256, 256, 3),
    ("stories260K", "F16"): (64, 172, 5),
    ("stories260K", "Q8_0"): (64, 172, 5),
    ("stories260K", "Q4_0"): (64, 172, 5),
}


@pytest.mark.parametrize("model", GOLD, ids="-".join)
def test_types_equal_those_of_the_gold_file(model: tuple[str, str], shared: Path) -> None:
    manifest = json.loads((shared / "gold" / "manifest.json").read_text())
    (gold,) = (m for m in manifest["models"] if (m["name"], m["quant"]) == model)
    n_embd, n_ff, n_layer = GOLD[model]
    for name, theirs in gold["tensor_types"].items():
        if "norm" in name:
            continue
        n_in = n_ff if "ffn_down" in name else n_embd
        ours = tensor_type(name, n_in, model[1], n_layer=n_layer, tied=False)
        assert ours.name == theirs, name


def test_tied_embedding_is_quantised_as_the_output() -> None:
    def embedding(tied: bool) -> GGMLType:
        return tensor_type("token_embd.weight", 2048, "Q4_K_M", n_layer=16, tied=tied)

    assert (embedding(True), embedding(False)) == (GGMLType.Q6_K, GGMLType.Q4_K)


def test_layers_with_more_bits_of_a_22_layer_model() -> None:
    # 22 // 8 = 2 and 7 * 22 // 8 = 19: the first 2, the last 3, and 4, 7, ... between.
    assert [i for i in range(22) if gets_more_bits(i, 22)] == [
        0, 1, 4, 7, 10, 13, 16, 19, 20, 21,
    ]  # fmt: skip


def test_fallback_that_is_not_supported_yet_names_the_tensor() -> None:
    with pytest.raises(SynthError, match=r"Q5_0 for blk\.0\.attn_q\.weight, whose rows of 576"):
        tensor_type("blk.0.attn_q.weight", 576, "Q4_K_M", n_layer=30, tied=True)
