"""The whole forward pass on generated models: against float64, and the same bits in any batch."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.kernel.build import build_program, run_program
from tests.kernel.nn.exact import Floats
from tests.kernel.nn.float_forward import forward
from tests.kernel.nn.library import NEEDS_GENERATED_HEADERS, OPERATIONS
from tests.kernel.nn.random_tiles import random_matrix
from tests.kernel.nn.tiny_model import LAYER_TENSORS, Matrix, Shape, write_model

pytestmark = pytest.mark.slow

DRIVER = Path(__file__).parent / "forward_program.c"
CORES = Path(__file__).parent / "parallel_threads.c"

# Awkward on purpose: heads of 2 mod 4, a wider than the stream, odd widths, rows beyond a tile.
AWKWARD = Shape(
    n_embd=34, n_head=6, n_head_kv=2, head_size=10, n_rot=6, n_ff=51, n_vocab=41, kv_type="f32"
)
PLAIN = Shape(n_layer=3)
INT8_CACHE = Shape(n_head=2, n_head_kv=1, head_size=44, n_rot=44, kv_type="q8_0")
QUANTISED = Shape(n_embd=256, n_head=8, n_head_kv=1, head_size=32, n_rot=32, n_ff=512)
# Norms and int8 forms of a single token are shared by the cores, some by unequal numbers of blocks.
WIDE = Shape(n_embd=768, n_layer=1, n_head=9, n_head_kv=3, head_size=64, n_ff=1280, n_ctx=40)
K_TYPES = {
    "token_embd": "Q4_K", "output": "Q6_K", "attn_q": "Q4_K", "attn_k": "Q8_0", "attn_v": "Q6_K",
    "attn_output": "Q4_0", "ffn_gate": "Q4_K", "ffn_up": "BF16", "ffn_down": "Q6_K",
}  # fmt: skip


def norm_weight(rng: np.random.Generator, n: int) -> Matrix:
    w = rng.uniform(0.5, 1.5, (1, n)).astype(np.float32)
    return Matrix("F32", w.astype(np.float64), w.tobytes())


def random_tensors(shape: Shape, types: Mapping[str, str]) -> dict[str, Matrix]:
    rng = np.random.default_rng(7)

    def matrix(name: str, n_rows: int, n_cols: int) -> Matrix:
        if name.endswith("norm"):
            return norm_weight(rng, n_cols)
        return random_matrix(rng, types.get(name, "F32"), n_rows, n_cols)

    tensors = {"token_embd": matrix("token_embd", shape.n_vocab, shape.n_embd)}
    for i in range(shape.n_layer):
        for name in LAYER_TENSORS:
            tensors[f"blk.{i}.{name}"] = matrix(name, *shape.tensor_shapes()[name])
    tensors["output_norm"] = matrix("output_norm", 1, shape.n_embd)
    tensors["output"] = matrix("output", shape.n_vocab, shape.n_embd)
    return tensors


class Kernel:
    """The forward pass of one model, compiled with sanitizers."""

    def __init__(self, out: Path, shape: Shape, types: Mapping[str, str]) -> None:
        self.shape, self.blob = shape, out / "model.blob"
        self.tensors = random_tensors(shape, types)
        write_model(shape, self.tensors, out)
        self.program = build_program(
            out, DRIVER, [*OPERATIONS, *NEEDS_GENERATED_HEADERS, str(CORES)]
        )

    def logits(
        self, ids: list[int], n_batch: int, *, n_cores: int = 1, n_logits: int = 1
    ) -> Floats:
        """After the last n_logits tokens of each batch."""
        options = map(str, (n_batch, n_cores, n_logits))
        output = run_program(self.program, str(self.blob), *options, *map(str, ids))
        return np.frombuffer(output, np.float32).reshape(-1, self.shape.n_vocab)


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    return Kernel(tmp_path_factory.mktemp("awkward"), AWKWARD, {})


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    return Kernel(tmp_path_factory.mktemp("plain"), PLAIN, {"attn_q": "F16", "ffn_up": "F16"})


@pytest.fixture(scope="module")
def int8_cache(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    return Kernel(tmp_path_factory.mktemp("int8_cache"), INT8_CACHE, {})


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    return Kernel(tmp_path_factory.mktemp("quantised"), QUANTISED, K_TYPES)


@pytest.fixture(scope="module", params=["K", "Q8_0", "F32"])
def wide(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    types = {"K": K_TYPES, "Q8_0": dict.fromkeys(LAYER_TENSORS, "Q8_0"), "F32": {}}
    return Kernel(tmp_path_factory.mktemp("wide"), WIDE, types[request.param])


def random_ids(kernel: Kernel, n: int) -> list[int]:
    rng = np.random.default_rng(3)
    return [int(i) for i in rng.integers(0, kernel.shape.n_vocab, n)]


def errors(kernel: Kernel, n: int) -> npt.NDArray[np.float64]:
    """Of each token's logits the largest, relative to the size of logits."""
    ids = random_ids(kernel, n)
    got, want = kernel.logits(ids, 1), forward(kernel.shape, kernel.tensors, ids)
    worst: npt.NDArray[np.float64] = np.max(np.abs(got - want), axis=1)
    relative: npt.NDArray[np.float64] = worst / np.sqrt(np.mean(want * want))
    return relative


# Some hundred roundings one after the other, mostly of independent sign.
FLOAT_ERROR = 100 * 2.0**-24


def test_float_model_with_a_float_cache_is_as_exact_as_float32(awkward: Kernel) -> None:
    assert errors(awkward, 70).max() < FLOAT_ERROR


def test_half_cache_rounds_keys_and_values_only(plain: Kernel) -> None:
    # Where the float error tips the rounding of an element, that one is off by 2^-11 of itself.
    assert errors(plain, 70).max() < 2.0**-11


def test_int8_cache_rounds_keys_and_values_only(int8_cache: Kernel) -> None:
    # As with quantised activations: where no int8 is tipped, the error is that of float32.
    assert np.median(errors(int8_cache, 8)) < FLOAT_ERROR


def test_quantised_activations_are_those_of_the_contract(quantised: Kernel) -> None:
    # Where the float error tips an int8 the token is off by the noise of the quantisation; that is
    # rare, and most of the first tokens show none of it.
    assert np.median(errors(quantised, 8)) < FLOAT_ERROR


@pytest.mark.parametrize("name", ["awkward", "plain", "int8_cache", "quantised"])
def test_batching_changes_no_bit(name: str, request: pytest.FixtureRequest) -> None:
    kernel: Kernel = request.getfixturevalue(name)
    ids = random_ids(kernel, 75)
    one = kernel.logits(ids, 1)
    for n_batch in (2, 5, 8):
        ends = [min(i + n_batch, len(ids)) - 1 for i in range(0, len(ids), n_batch)]
        assert np.array_equal(kernel.logits(ids, n_batch), one[ends])


@pytest.mark.parametrize("name", ["awkward", "plain", "int8_cache", "quantised"])
def test_cores_change_no_bit(name: str, request: pytest.FixtureRequest) -> None:
    kernel: Kernel = request.getfixturevalue(name)
    ids = random_ids(kernel, 20)
    one = kernel.logits(ids, 1)
    for n_cores in (2, 3, 4, 8):
        assert np.array_equal(kernel.logits(ids, 1, n_cores=n_cores), one)
        assert np.array_equal(kernel.logits(ids, 5, n_cores=n_cores), one[4::5])


def test_sharing_out_a_vector_changes_no_bit(wide: Kernel) -> None:
    ids = random_ids(wide, 6)
    one = wide.logits(ids, 1)
    for n_cores in (2, 4, 8):
        assert np.array_equal(wide.logits(ids, 1, n_cores=n_cores), one)
    assert np.array_equal(wide.logits(ids, 3, n_cores=3), one[2::3])


@pytest.mark.parametrize("n_cores", [1, 3])
def test_logits_of_every_token_of_a_batch(quantised: Kernel, n_cores: int) -> None:
    ids = random_ids(quantised, 21)
    one = quantised.logits(ids, 1)
    assert np.array_equal(quantised.logits(ids, 7, n_cores=n_cores, n_logits=7), one)
    last_two = [i for i in range(21) if i % 7 >= 5]
    assert np.array_equal(quantised.logits(ids, 7, n_cores=n_cores, n_logits=2), one[last_two])


def random_shape(rng: np.random.Generator) -> Shape:
    """Odd numbers of rows, heads of 8 to 256, one to eight of them for a kv head."""
    head_size = int(rng.choice([8, 18, 36, 80, 128, 256]))
    n_head_kv = int(rng.integers(1, 4))
    return Shape(
        n_embd=2 * int(rng.integers(10, 40)),
        n_layer=1,
        n_head_kv=n_head_kv,
        n_head=n_head_kv * int(rng.integers(1, 9)),
        head_size=head_size,
        n_rot=2 * int(rng.integers(1, head_size // 2 + 1)),
        n_ff=2 * int(rng.integers(10, 60)) + 1,
        n_vocab=2 * int(rng.integers(10, 30)) + 1,
        kv_type=str(rng.choice(["f16", "f32", "q8_0"])),
        up_rows=int(rng.choice([0, 8, 16])),
    )


@pytest.mark.parametrize("seed", range(4))
def test_random_shapes_give_the_same_bits_however_they_are_run(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    shape = random_shape(rng)
    types = {name: str(rng.choice(["F32", "F16", "BF16"])) for name in LAYER_TENSORS}
    kernel = Kernel(tmp_path, shape, types)
    ids = random_ids(kernel, 69)  # beyond the first chunk of attention
    one = kernel.logits(ids, 1)
    assert np.isfinite(one).all()
    assert len(np.unique(one[-1])) > shape.n_vocab // 2
    for n_batch, n_cores in ((1, 3), (6, 1), (8, 5)):
        ends = [min(i + n_batch, len(ids)) - 1 for i in range(0, len(ids), n_batch)]
        assert np.array_equal(kernel.logits(ids, n_batch, n_cores=n_cores), one[ends]), shape
