"""One row of a tiled matrix as floats."""

import numpy as np
import pytest

from tests.kernel.nn.library import Library
from tests.kernel.nn.random_tiles import random_matrix
from tests.kernel.nn.tiny_model import TYPE_IDS

TENSOR = np.dtype(
    [("type", "<u4"), ("n_rows", "<u4"), ("n_cols", "<u4"), ("_", "<u4"), ("offset", "<u8")]
)


@pytest.mark.parametrize("kind", sorted(TYPE_IDS))
def test_rows_are_the_weights(nn: Library, rng: np.random.Generator, kind: str) -> None:
    n_rows, n_cols = 7, 512
    w = random_matrix(rng, kind, n_rows, n_cols)
    blob = np.frombuffer(bytes(64) + w.tiles, np.uint8)
    tensor = np.array([(TYPE_IDS[kind], n_rows, n_cols, 0, 64)], TENSOR)
    nn.call("model_init", blob)
    for row in range(n_rows):
        out = np.zeros(n_cols, np.float32)
        for begin, end in ((0, 77), (77, 400), (400, n_cols)):
            nn.call("row_get", out, tensor, row, begin, end)
        # In every type all products are exact in float32 or the last operation is the only
        # rounding: the value in float64, rounded.
        assert np.array_equal(out, w.values[row].astype(np.float32))
