"""harness/image/tiles.py: what lies in a tile is what lay in the rows, weight by weight."""

import gguf
import numpy as np
import numpy.typing as npt
import pytest

from harness.gguf import GGMLType
from harness.image.tiles import tile_rows
from tests.harness.image.tile_reader import height, read_tiles

COLS = {GGMLType.F32: 43, GGMLType.F16: 86, GGMLType.BF16: 5}


def random_rows(kind: GGMLType, n_rows: int, n_cols: int) -> npt.NDArray[np.uint8]:
    """Any bits at all, except that floats and scales are finite."""
    rng = np.random.default_rng([kind, n_rows])
    rows = rng.integers(0, 256, (n_rows, kind.row_bytes(n_cols)), dtype=np.uint8)
    blocks = rows.reshape(n_rows, -1, kind.block_bytes)
    exponent_bytes = {
        GGMLType.F32: [3],
        GGMLType.F16: [1],
        GGMLType.BF16: [1],
        GGMLType.Q4_0: [1],
        GGMLType.Q4_1: [1, 3],
        GGMLType.Q5_0: [1],
        GGMLType.Q5_1: [1, 3],
        GGMLType.Q8_0: [1],
        GGMLType.Q2_K: [81, 83],
        GGMLType.Q3_K: [109],
        GGMLType.Q4_K: [1, 3],
        GGMLType.Q5_K: [1, 3],
        GGMLType.Q6_K: [209],
        GGMLType.IQ4_NL: [1],
        GGMLType.IQ4_XS: [1],
    }[kind]
    blocks[..., exponent_bytes] &= 0xBB  # clears an exponent bit: no infinity, no NaN
    return rows


@pytest.mark.parametrize("n_rows", [1, 4, 8, 11, 16])
@pytest.mark.parametrize("kind", GGMLType)
def test_tiles_hold_the_weights_that_the_official_package_reads(
    kind: GGMLType, n_rows: int
) -> None:
    n_cols = COLS.get(kind, 2 * kind.block_size)
    rows = random_rows(kind, n_rows, n_cols)
    wanted = gguf.quants.dequantize(rows, gguf.GGMLQuantizationType(int(kind)))
    wanted = np.asarray(wanted, np.float32).reshape(n_rows, n_cols)
    tiles = tile_rows(kind, rows)
    assert tiles.shape == (-(-n_rows // height(kind)), height(kind) * rows.shape[1])
    found = read_tiles(kind, tiles.tobytes(), n_rows, n_cols)
    # In float64 d * sc * q - dmin * mn is one exact product and a difference; in float32 each of
    # two products and the difference rounds by half a unit of the largest term, below 2^-22 of it.
    largest = np.abs(wanted).max()
    np.testing.assert_allclose(found, wanted, rtol=2.0**-21, atol=float(largest) * 2.0**-20)


@pytest.mark.parametrize("kind", GGMLType)
def test_rows_that_fill_the_last_tile_are_zero(kind: GGMLType) -> None:
    n_cols = COLS.get(kind, kind.block_size)
    tiles = tile_rows(kind, random_rows(kind, 5, n_cols)).tobytes()
    found = read_tiles(kind, tiles, 8, n_cols)
    assert not np.any(found[5:])


@pytest.mark.parametrize("kind", GGMLType)
def test_a_tile_depends_on_its_own_rows_only(kind: GGMLType) -> None:
    n_cols = COLS.get(kind, 3 * kind.block_size)
    n = height(kind)
    rows = random_rows(kind, 3 * n, n_cols)
    whole = tile_rows(kind, rows)
    for tile in range(3):
        part = tile_rows(kind, rows[n * tile : n * tile + n])
        assert part.tobytes() == whole[tile].tobytes()


@pytest.mark.parametrize("kind", GGMLType)
def test_the_rows_are_left_alone(kind: GGMLType) -> None:
    rows = random_rows(kind, 4, COLS.get(kind, kind.block_size))
    before = rows.copy()
    tile_rows(kind, rows)
    assert np.array_equal(rows, before)
