"""Matrix-vector products of every type: exact integers inside a block, the defined order across."""

import numpy as np
import numpy.typing as npt
import pytest

from harness.gguf import GGMLType
from harness.image.tiles import tile_rows
from harness.reference.contract_matrix import prepare_chunk
from harness.reference.contract_ops import Activation
from tests.harness.reference.test_unpack import HALF_AT
from tests.kernel.nn import exact
from tests.kernel.nn.library import Library
from tests.kernel.nn.random_tiles import random_matrix
from tests.kernel.nn.test_quantize import Q8_0, Q8_K
from tests.kernel.nn.tiny_model import Matrix

pytestmark = pytest.mark.slow  # builds programs

EPS = 2.0**-24
N_ROWS = 8

BLOCKS_OF_32 = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL"]
QUANTISED = [*BLOCKS_OF_32, "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"]
WITH_MIN = ["Q4_1", "Q5_1", "Q2_K", "Q4_K", "Q5_K"]

Integers = npt.NDArray[np.int64]


def quantised(nn: Library, x: exact.Floats, size: int) -> npt.NDArray[np.void]:
    block = Q8_0 if size == 32 else Q8_K
    act = np.zeros(len(x) // size, block)
    nn.call("quantize_q8_0" if size == 32 else "quantize_q8_k", act, x, len(x))
    return act


def product(nn: Library, w: Matrix, act: npt.NDArray[np.generic], n_cols: int) -> exact.Floats:
    out = np.zeros(N_ROWS, np.float32)
    tiles = np.frombuffer(w.tiles, np.uint8)
    nn.call(f"matvec_{w.type.lower()}", out, tiles, act, N_ROWS, n_cols)
    return out


@pytest.mark.parametrize("n_cols", [1, 3, 64, 173])
@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_float_types_sum_in_order(
    nn: Library, rng: np.random.Generator, kind: str, n_cols: int
) -> None:
    w = random_matrix(rng, kind, N_ROWS, n_cols)
    x = rng.normal(0, 1, n_cols).astype(np.float32)
    got = product(nn, w, x, n_cols)

    acc = np.zeros(N_ROWS, np.float32)
    for k in range(n_cols):
        acc = exact.fma(w.values[:, k], x[k], acc)
    assert np.array_equal(got, acc)
    bound = n_cols * EPS * (np.abs(w.values) @ np.abs(x))
    assert np.all(np.abs(got - w.values @ x.astype(np.float64)) <= bound)


@pytest.mark.parametrize("n_blocks", [1, 2, 5])
@pytest.mark.parametrize("kind", QUANTISED)
def test_quantised_types_are_exact_inside_a_block(
    nn: Library, rng: np.random.Generator, kind: str, n_blocks: int
) -> None:
    size = 32 if kind in BLOCKS_OF_32 else 256
    n_cols = n_blocks * size
    w = random_matrix(rng, kind, N_ROWS, n_cols)
    act = quantised(nn, rng.normal(0, 1, n_cols).astype(np.float32), size)
    got = product(nn, w, act, n_cols)

    x = (act["d"].astype(np.float64)[:, None] * act["q"]).reshape(-1)
    magnitude = np.abs(w.values) @ np.abs(x)
    if kind in WITH_MIN:  # the two integer sums may each be larger than their difference
        magnitude = magnitude + 2 * min_part(w, x)
    # per block: the integer to float, two products, two sums; then one sum per block
    assert np.all(np.abs(got - w.values @ x) <= (5 + n_blocks) * EPS * magnitude)


@pytest.mark.parametrize("kind", QUANTISED)
def test_blocks_of_the_file_give_the_bits_of_the_reference(
    nn: Library, rng: np.random.Generator, kind: str
) -> None:
    number = GGMLType[kind]
    n_cols = 3 * number.block_size
    rows = rng.integers(0, 256, (N_ROWS, number.row_bytes(n_cols)), dtype=np.uint8)
    blocks = rows.reshape(N_ROWS, 3, number.block_bytes)
    for at in HALF_AT[number]:
        d = rng.normal(0, 1, (N_ROWS, 3)).astype(np.float16)
        blocks[..., at : at + 2] = d.view(np.uint8).reshape(N_ROWS, 3, 2)
    x = rng.normal(0, 1, n_cols).astype(np.float32)
    act = quantised(nn, x, number.block_size)
    w = Matrix(kind, np.zeros((N_ROWS, n_cols)), tile_rows(number, rows).tobytes())
    got = product(nn, w, act, n_cols)
    wanted = prepare_chunk(number, rows).dot(Activation(x[None]))[0]
    assert np.array_equal(got.view(np.uint32), wanted.view(np.uint32))


def min_part(w: Matrix, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A bound for the mins: each sub-block's, seen as its most negative weight."""
    low = w.values.reshape(N_ROWS, -1, 32).min(axis=2)
    bound: npt.NDArray[np.float64] = np.abs(low) @ np.abs(x).reshape(-1, 32).sum(axis=1)
    return bound


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
def test_blocks_of_32_follow_the_definition(
    nn: Library, rng: np.random.Generator, kind: str
) -> None:
    n_cols = 32 * 7
    w = random_matrix(rng, kind, N_ROWS, n_cols)
    act = quantised(nn, rng.normal(0, 1, n_cols).astype(np.float32), 32)
    d, q = integers_of_32(w, n_cols // 32)
    a = np.einsum("rbi,bi->rb", q, act["q"].astype(np.int64)).astype(np.float32)

    acc = np.zeros(N_ROWS, np.float32)
    for b in range(n_cols // 32):
        acc = exact.fma(a[:, b], d[:, b] * act["d"][b], acc)
    assert np.array_equal(product(nn, w, act, n_cols), acc)


def integers_of_32(w: Matrix, n_blocks: int) -> tuple[exact.Floats, Integers]:
    """Scales and integers, read back from the tiles' scales and the values."""
    quants = 8 * (32 if w.type == "Q8_0" else 16)
    tiles = np.frombuffer(w.tiles, np.uint8).reshape(N_ROWS // 8, n_blocks, 16 + quants)
    half = np.ascontiguousarray(tiles[:, :, :16]).view(np.float16)
    d = half.astype(np.float32).swapaxes(1, 2).reshape(N_ROWS, n_blocks)
    q = np.rint(w.values.reshape(N_ROWS, n_blocks, 32) / d[..., None].astype(np.float64))
    return d, q.astype(np.int64)


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_K", "Q6_K"])
@pytest.mark.parametrize("sign", [1, -1])
def test_extreme_weights_and_activations_do_not_overflow(nn: Library, kind: str, sign: int) -> None:
    size = 32 if kind.endswith("_0") else 256
    struct_bytes = {"Q8_0": 272, "Q4_0": 144, "Q4_K": 1152, "Q6_K": 1680}[kind]
    largest = {"Q8_0": 0x7F, "Q4_0": 0x7F, "Q4_K": 0x7F, "Q6_K": 0xFF}[kind]
    tiles = np.full((N_ROWS // 8, struct_bytes), largest, np.uint8)
    tiles[:, :16] = np.frombuffer(np.float16(1).tobytes() * 8, np.uint8)
    if kind == "Q4_K":
        tiles[:, 16:32] = 0  # no mins: the whole sum shows
        tiles[:, 32:128] = 0xFF
    if kind == "Q6_K":
        tiles[:, 16 : 16 + 128] = 0x7F
    act = quantised(nn, np.full(size, sign * 127.0, np.float32), size)
    weight = {"Q8_0": 127, "Q4_0": 7, "Q4_K": 63 * 15, "Q6_K": 127 * 31}[kind]

    got = product(nn, Matrix(kind, np.zeros((N_ROWS, size)), tiles.tobytes()), act, size)
    assert np.array_equal(got, np.full(N_ROWS, sign * weight * 127 * size, np.float32))
