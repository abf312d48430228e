"""Row dot products against the contract's formulas, written as scalar loops."""

import numpy as np
import numpy.typing as npt
import pytest

from harness.gguf import GGMLType
from harness.reference.contract_matrix import BlockChunk, prepare_chunk
from harness.reference.contract_ops import Activation, Quantized
from harness.reference.fma import F32, fma
from harness.reference.unpack import Blocks, dequantize_rows, unpack_blocks
from tests.harness.reference.test_unpack import HALF_AT

N_ROWS, N_COLS, N_TOKENS = 5, 512, 3


def fma1(a: np.float32, b: np.float32, c: np.float32) -> np.float32:
    return np.float32(fma(np.atleast_1d(a), np.atleast_1d(b), np.atleast_1d(c))[0])


def random_rows(type_: GGMLType, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    rows = rng.integers(0, 256, (N_ROWS, type_.row_bytes(N_COLS)), dtype=np.uint8)
    blocks = rows.reshape(N_ROWS, -1, type_.block_bytes)
    for at in HALF_AT[type_]:
        scales = rng.normal(0, 0.1, blocks.shape[:2]).astype(np.float16)
        blocks[..., at : at + 2] = scales.view(np.uint8).reshape(*blocks.shape[:2], 2)
    return rows


def super_block_row(blocks: Blocks, row: int, act: Quantized, token: int) -> np.float32:
    acc = np.float32(0)
    assert blocks.scale is not None
    for b in range(act.d.shape[1]):
        q_a = act.q[token, b].astype(int).reshape(blocks.q.shape[2:])
        a = int((blocks.scale[row, b] * (blocks.q[row, b] * q_a).sum(axis=1)).sum())
        f = blocks.d[row, b] * np.float32(a)
        if blocks.minimum is not None and blocks.dmin is not None:
            m = int((blocks.minimum[row, b] * q_a.sum(axis=1)).sum())
            f = fma1(-blocks.dmin[row, b], np.float32(m), f)
        acc = fma1(f, act.d[token, b], acc)
    return acc


def small_block_row(blocks: Blocks, row: int, act: Quantized, token: int) -> np.float32:
    acc = np.float32(0)
    for b in range(act.d.shape[1]):
        q_a = act.q[token, b].astype(int)
        a = int((blocks.q[row, b, 0] * q_a).sum())
        if blocks.dmin is not None:  # -m
            f = fma1(-blocks.dmin[row, b], np.float32(q_a.sum()), blocks.d[row, b] * np.float32(a))
            acc = fma1(f, act.d[token, b], acc)
            continue
        acc = fma1(np.float32(a), blocks.d[row, b] * act.d[token, b], acc)
    return acc


@pytest.mark.parametrize("type_", list(HALF_AT), ids=lambda t: t.name)
def test_quantised_rows_are_exact_integers_and_one_chain_over_blocks(type_: GGMLType) -> None:
    rng = np.random.default_rng(5)
    rows = random_rows(type_, rng)
    x = Activation(rng.normal(size=(N_TOKENS, N_COLS)).astype(np.float32))
    got = prepare_chunk(type_, rows).dot(x)
    blocks = unpack_blocks(type_, rows)
    for token in range(N_TOKENS):
        for row in range(N_ROWS):
            if type_.block_size == 256:
                wanted = super_block_row(blocks, row, x.q8_k, token)
            else:
                wanted = small_block_row(blocks, row, x.q8_0, token)
            assert got[token, row] == wanted


@pytest.mark.parametrize("type_", [GGMLType.F32, GGMLType.F16, GGMLType.BF16], ids=lambda t: t.name)
def test_plain_rows_are_one_chain_over_k(type_: GGMLType) -> None:
    rng = np.random.default_rng(6)
    raw = rng.normal(size=(N_ROWS, 48)).astype(np.float32)
    as_stored = {
        GGMLType.F32: lambda w: w.view(np.uint8),
        GGMLType.F16: lambda w: w.astype(np.float16).view(np.uint8),
        GGMLType.BF16: lambda w: (w.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8),
    }
    rows = as_stored[type_](raw)
    weights: F32 = dequantize_rows(type_, rows)
    x = Activation(rng.normal(size=(2, 48)).astype(np.float32))
    got = prepare_chunk(type_, rows).dot(x)
    for token in range(2):
        for row in range(N_ROWS):
            acc = np.float32(0)
            for k in range(48):
                acc = fma1(weights[row, k], x.x[token, k], acc)
            assert got[token, row] == acc


@pytest.mark.parametrize("type_", list(HALF_AT), ids=lambda t: t.name)
def test_the_largest_possible_sums_stay_exact_in_float32(type_: GGMLType) -> None:
    chunk = prepare_chunk(type_, random_rows(type_, np.random.default_rng(7)))
    assert isinstance(chunk, BlockChunk)
    largest = {
        GGMLType.Q2_K: 15 * 3,
        GGMLType.Q3_K: 32 * 4,
        GGMLType.Q4_K: 63 * 15,
        GGMLType.Q5_K: 63 * 31,
        GGMLType.Q6_K: 128 * 32,
        GGMLType.IQ4_XS: 32 * 127,
        GGMLType.IQ4_NL: 127,
        GGMLType.Q8_0: 128,
        GGMLType.Q4_0: 8,
        GGMLType.Q4_1: 15,
        GGMLType.Q5_0: 16,
        GGMLType.Q5_1: 31,
    }
    assert largest[type_] * 127 * chunk.weights.shape[-1] < 1 << 24
