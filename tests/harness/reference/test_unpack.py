"""Our blocks against the official dequantiser."""

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize

from harness.gguf import GGMLType
from harness.reference.unpack import dequantize_rows

HALF_AT = {
    GGMLType.Q8_0: (0,),
    GGMLType.Q4_0: (0,),
    GGMLType.Q4_1: (0, 2),
    GGMLType.Q5_0: (0,),
    GGMLType.Q5_1: (0, 2),
    GGMLType.IQ4_NL: (0,),
    GGMLType.Q2_K: (80, 82),
    GGMLType.Q3_K: (108,),
    GGMLType.Q4_K: (0, 2),
    GGMLType.Q5_K: (0, 2),
    GGMLType.Q6_K: (208,),
    GGMLType.IQ4_XS: (0,),
}


@pytest.mark.parametrize("type_", list(GGMLType), ids=lambda t: t.name)
def test_rows_dequantise_to_the_bits_of_the_official_package(type_: GGMLType) -> None:
    rng = np.random.default_rng(3)
    n_cols = 3 * 256
    rows = rng.integers(0, 256, (5, type_.row_bytes(n_cols)), dtype=np.uint8)
    if type_ in HALF_AT:
        blocks = rows.reshape(5, -1, type_.block_bytes)
        for at in HALF_AT[type_]:
            scales = rng.normal(0, 0.1, blocks.shape[:2]).astype(np.float16)
            blocks[..., at : at + 2] = scales.view(np.uint8).reshape(*blocks.shape[:2], 2)
    else:
        rows = rows & np.uint8(0xBF)  # keeps exponents below infinity and NaN
    ours = dequantize_rows(type_, rows)
    official = np.asarray(dequantize(rows, GGMLQuantizationType(int(type_))), np.float32)
    assert ours.shape == (5, n_cols)
    assert np.array_equal(ours.view(np.uint32), official.view(np.uint32))
