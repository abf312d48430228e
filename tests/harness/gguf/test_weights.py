"""Weights that are not finite are found, wherever they hide."""

from pathlib import Path

import numpy as np
import pytest

from harness.errors import GgufError
from harness.gguf import GGMLType, read_gguf
from harness.synth import synthesize
from tests.harness.gguf.gguf_bytes import check_weights, small_model

UP = "blk.0.ffn_up.weight"
# type -> (quantisation of a model whose matrices have it, byte within a block, bytes of infinity)
PLACES = {
    GGMLType.F32: ("F32", 0, "0000807f"),
    GGMLType.F16: ("F16", 0, "007c"),
    GGMLType.BF16: ("BF16", 0, "80ff"),
    GGMLType.Q4_0: ("Q4_0", 0, "007c"),
    GGMLType.Q4_1: ("Q4_1", 2, "007c"),  # m
    GGMLType.Q5_0: ("Q5_0", 0, "007c"),
    GGMLType.Q5_1: ("Q5_1", 2, "017c"),
    GGMLType.IQ4_NL: ("IQ4_NL", 0, "00fc"),
    GGMLType.Q2_K: ("Q2_K", 82, "007c"),  # dmin
    GGMLType.Q3_K: ("Q3_K_M", 108, "007c"),
    GGMLType.Q5_K: ("Q5_K_M", 2, "017c"),  # dmin
    GGMLType.IQ4_XS: ("IQ4_XS", 0, "00fe"),
    GGMLType.Q8_0: ("Q8_0", 0, "00fe"),
    GGMLType.Q4_K: ("Q4_K_M", 2, "017c"),  # dmin
    GGMLType.Q6_K: ("Q6_K", 208, "00fc"),
}


@pytest.mark.parametrize("kind", GGMLType, ids=lambda kind: kind.name)
def test_infinity_or_nan_is_found_in_its_row(kind: GGMLType, tmp_path: Path) -> None:
    quant, place, value = PLACES[kind]
    model = read_gguf(synthesize("tiny", quant=quant, path=tmp_path / "m.gguf", n_vocab=400))
    check_weights(model)
    tensor = model.tensor(UP)
    assert tensor.type is kind
    at = tensor.offset + 5 * tensor.row_bytes + place
    data = bytearray(model.path.read_bytes())
    data[at : at + len(value) // 2] = bytes.fromhex(value)
    model.path.write_bytes(data)
    with pytest.raises(GgufError, match=rf"blk\.0\.ffn_up\.weight \({kind.name}\).*in row 5 "):
        check_weights(model)


def test_nan_in_a_norm_is_found(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    file = small_model()
    file.fill = 0xFF  # every float is a NaN
    path.write_bytes(file.build())
    with pytest.raises(GgufError, match=r"token_embd\.weight \(F32\)"):
        check_weights(read_gguf(path))


def test_large_finite_weights_pass(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(small_model().build())
    data = np.array([3.4e38, -3.4e38, 1e-45], np.float32).tobytes()
    whole = bytearray(path.read_bytes())
    at = read_gguf(path).tensor(UP).offset
    whole[at : at + len(data)] = data
    path.write_bytes(whole)
    check_weights(read_gguf(path))
