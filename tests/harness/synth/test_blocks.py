"""Random blocks: bytes that never change for a seed, and scales as real files have them."""

import hashlib

import numpy as np
import pytest

from harness.gguf import GGMLType
from harness.synth.blocks import RandomBytes, random_blocks, random_vector

# Figures and gold answers name a preset and a seed; neither NumPy's version nor a change of ours
# may move a byte. Whoever must change a generator changes these and says so.
DIGESTS = {
    GGMLType.F32: "8bd9ab5cca642e51",
    GGMLType.F16: "59d143c9af5d12d5",
    GGMLType.Q4_0: "7cf26e763eb5b4ed",
    GGMLType.Q8_0: "3a9ccb06665cc869",
    GGMLType.Q4_K: "e3e151375deca9da",
    GGMLType.Q6_K: "2ab523e13e72b404",
    GGMLType.BF16: "fb12d54af15c9e2b",
    GGMLType.Q4_1: "dd470f5611c0730c",
    GGMLType.Q5_0: "116f65c1eabc3753",
    GGMLType.Q5_1: "79836688ae224c56",
    GGMLType.Q2_K: "26ac26740cf3cfba",
    GGMLType.Q3_K: "e751f5df652abfe0",
    GGMLType.Q5_K: "8d83392105540451",
    GGMLType.IQ4_NL: "3aa945c9a11138f2",
    GGMLType.IQ4_XS: "d935a790abda7222",
}


@pytest.mark.parametrize("kind", GGMLType, ids=lambda kind: kind.name)
def test_bytes_of_a_seed_never_change(kind: GGMLType) -> None:
    blocks = random_blocks(kind, 4096, 0.02, RandomBytes(1, "name"))
    assert blocks.nbytes == kind.row_bytes(4096)
    assert hashlib.sha256(blocks.tobytes()).hexdigest()[:16] == DIGESTS[kind]


def test_stream_depends_on_seed_and_name() -> None:
    streams = {RandomBytes(seed, name).take(16).tobytes() for seed in (0, 1) for name in "ab"}
    assert len(streams) == 4


def test_vector_lies_within_its_bounds() -> None:
    values = random_vector(1000, 0.7, 1.3, RandomBytes(0, "norm")).view(np.float32)
    assert 0.7 <= values.min() < 0.71
    assert 1.29 < values.max() <= 1.3


def test_q4_k_scales_and_mins_differ_and_use_their_high_bits() -> None:
    blocks = random_blocks(GGMLType.Q4_K, 256 * 500, 0.02, RandomBytes(0, "w")).reshape(-1, 144)
    s = blocks[:, 4:16]
    sc = np.hstack((s[:, :4] & 63, s[:, 8:] & 15 | s[:, :4] >> 6 << 4))
    mn = np.hstack((s[:, 4:8] & 63, s[:, 8:] >> 4 | s[:, 4:8] >> 6 << 4))
    assert (sc.min(), sc.max()) == (20, 40)
    assert (mn.min(), mn.max()) == (28, 62)
    assert (sc != mn).all()


def test_q6_k_scales_have_both_signs() -> None:
    blocks = random_blocks(GGMLType.Q6_K, 256 * 500, 0.02, RandomBytes(0, "w")).reshape(-1, 210)
    scales = blocks[:, 192:208].view(np.int8)
    assert 0.45 < (scales < 0).mean() < 0.55
    assert (abs(scales).min(), abs(scales).max()) == (40, 104)


def test_q8_0_never_holds_minus_128() -> None:
    blocks = random_blocks(GGMLType.Q8_0, 32 * 2000, 0.02, RandomBytes(0, "w")).reshape(-1, 34)
    assert blocks[:, 2:].view(np.int8).min() == -127
