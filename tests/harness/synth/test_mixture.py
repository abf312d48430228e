"""Types per tensor equal those that llama-quantize chose for files of the same shapes."""

import json
from pathlib import Path

import pytest

from harness.gguf import GGMLType
from harness.synth.mixture import gets_more_bits, tensor_type

# name and file type of a gold model -> n_embd, n_ff, n_layer
GOLD = {
    ("llama-gqa", "Q8_0"): (256, 256, 3),
    ("llama-gqa", "Q6_K"): (256, 256, 3),
    ("llama-gqa", "Q4_K_M"): (256, 256, 3),
    ("llama-odd320", "Q4_K_M"): (320, 352, 2),
    ("stories260K", "Q4_K_M"): (64, 172, 5),
    ("stories260K", "Q5_1"): (64, 172, 5),
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


@pytest.mark.parametrize(
    ("quant", "tensor", "kind"),
    [
        ("Q2_K", "attn_v", GGMLType.Q4_K),
        ("Q2_K", "ffn_down", GGMLType.Q3_K),
        ("Q3_K_M", "attn_v", GGMLType.Q5_K),
        ("Q3_K_M", "ffn_down", GGMLType.Q4_K),
        ("Q5_K_M", "attn_v", GGMLType.Q5_K),
        ("IQ4_XS", "attn_v", GGMLType.Q5_K),
        ("IQ4_XS", "ffn_down", GGMLType.IQ4_XS),
    ],
)
def test_exceptions_of_the_smaller_file_types(quant: str, tensor: str, kind: GGMLType) -> None:
    name = f"blk.1.{tensor}.weight"
    assert tensor_type(name, 2048, quant, n_layer=14, tied=False, n_gqa=4) is kind


def test_three_layers_of_a_file_of_every_type_have_every_type() -> None:
    matrices = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    types = {
        tensor_type(f"blk.{layer}.{name}.weight", 256, "every-type", n_layer=3, tied=False)
        for layer in range(3)
        for name in matrices
    }
    assert types == set(GGMLType)
