"""harness/image/blob.py: the blob is as planned, whole, and the model's own numbers."""

import math
import struct
import tracemalloc
import zlib
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt
import pytest

from harness.board import load_board
from harness.errors import GgufError, HarnessError, ImageError
from harness.gguf import Model, read_gguf
from harness.image import blob as blob_module
from harness.image import pack_blob, rope
from harness.plan import MemoryPlan, plan_memory
from harness.synth import synthesize
from tests.harness.image.tile_reader import height, read_tiles

BUILD_ID = 0x0123456789ABCDEF


class Packed:
    """A model and its blob."""

    def __init__(self, gguf_path: Path, blob_path: Path) -> None:
        self.model: Model = read_gguf(gguf_path)
        self.plan: MemoryPlan = plan_memory(self.model, load_board("virt"), n_ctx=100)
        self.moved: list[int] = []
        self.blob = pack_blob(
            self.model, self.plan, BUILD_ID, blob_path, progress=self.moved.append
        )
        self.bytes = blob_path.read_bytes()

    def entry(self, name: str, dtype: str) -> npt.NDArray[np.generic]:
        entry = self.plan.entry(name)
        return np.frombuffer(self.bytes[entry.offset : entry.end], dtype)


@pytest.fixture(scope="module", params=["F32", "Q8_0", "Q4_0", "F16"])
def packed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    folder = tmp_path_factory.mktemp("pack")
    # 511 tokens: the last tile of token_embd and output has a row to fill.
    path = synthesize("micro", quant=request.param, path=folder / "m.gguf", n_vocab=511)
    return Packed(path, folder / "model.blob")


def test_the_header_says_what_follows(packed: Packed) -> None:
    header = packed.bytes[:64]
    magic, version, header_bytes, build_id, size, payload_crc, header_crc = struct.unpack_from(
        "<8sIIQQII", header
    )
    assert (magic, version, header_bytes) == (b"BAREWORD", 3, 64)
    assert build_id == BUILD_ID == packed.blob.build_id
    assert size == len(packed.bytes) == packed.blob.size_bytes == packed.plan.blob_size_bytes
    assert size % 64 == 0
    assert payload_crc == zlib.crc32(packed.bytes[64:]) == packed.blob.crc
    assert header_crc == zlib.crc32(header[:36])
    assert header[40:] == bytes(24)


def test_every_tensor_is_where_the_plan_says(packed: Packed) -> None:
    for entry in packed.plan.blob:
        if entry.type is None:
            continue
        tensor = packed.model.tensor(entry.name)
        rows = packed.model.read_rows(entry.name, 0, tensor.n_rows)
        wanted = gguf.quants.dequantize(rows, gguf.GGMLQuantizationType(int(tensor.type)))
        data = packed.bytes[entry.offset : entry.end]
        if len(tensor.shape) == 1:
            assert data == np.asarray(wanted, np.float32).tobytes()
            continue
        # The tile reader is slow: a few rows of each matrix, the last ones among them.
        n = height(tensor.type)
        for first in (0, tensor.n_rows // n // 2 * n, (tensor.n_rows - 1) // n * n):
            n_rows = min(n, tensor.n_rows - first)
            tile = data[first * tensor.row_bytes : (first + n) * tensor.row_bytes]
            found = read_tiles(tensor.type, tile, n_rows, tensor.n_cols)
            np.testing.assert_allclose(
                np.asarray(found, np.float32), wanted[first : first + n_rows], rtol=2.0**-22
            )


def test_the_vocabulary_is_complete_and_sorted(packed: Packed) -> None:
    vocabulary = packed.model.vocabulary
    offsets = packed.entry("token_text_offset", "<u4").tolist()
    entry = packed.plan.entry("token_text")
    text = packed.bytes[entry.offset : entry.end]
    tokens = [text[a:b] for a, b in pairwise(offsets)]
    assert tokens == list(vocabulary.tokens)
    ranks = packed.entry("token_rank", "<u4")
    assert np.unique(-vocabulary.scores)[ranks].tolist() == (-vocabulary.scores).tolist()
    assert packed.entry("token_type", "u1").tolist() == vocabulary.types.tolist()
    order = packed.entry("token_sorted", "<u4").tolist()
    assert sorted(order) == list(range(len(tokens)))
    keys = [(tokens[i], i) for i in order]
    assert keys == sorted(keys)


def test_the_rope_table_is_the_formula_rounded_once(packed: Packed) -> None:
    n_rot, base = packed.model.hyper.n_rot, packed.model.hyper.rope_freq_base
    table = packed.entry("rope", "<f4").reshape(100, n_rot // 2, 2)
    for p in range(100):
        for i in range(n_rot // 2):
            theta = p * base ** (-2.0 * i / n_rot)
            wanted = np.array([math.cos(theta), math.sin(theta)], np.float32)
            assert table[p, i].tobytes() == wanted.tobytes()


def test_progress_adds_up_to_the_payload(packed: Packed) -> None:
    assert sum(packed.moved) == packed.plan.blob_size_bytes - 64
    assert all(n >= 0 for n in packed.moved)


def test_small_pieces_give_the_same_blob(
    packed: Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blob_module, "CHUNK_BYTES", 1000)
    again = pack_blob(packed.model, packed.plan, BUILD_ID, tmp_path / "again")
    assert (again.crc, again.size_bytes) == (packed.blob.crc, packed.blob.size_bytes)
    assert (tmp_path / "again").read_bytes() == packed.bytes


def test_memory_does_not_grow_with_the_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = read_gguf(synthesize("tiny", quant="Q4_K_M", path=tmp_path / "m.gguf"))
    plan = plan_memory(model, load_board("virt"))
    largest = max(tensor.size_bytes for tensor in model.tensors.values())
    monkeypatch.setattr(blob_module, "CHUNK_BYTES", 16 << 10)
    monkeypatch.setattr(rope, "ROPE_CHUNK_BYTES", 16 << 10)
    tracemalloc.start()
    try:
        pack_blob(model, plan, BUILD_ID, tmp_path / "model.blob")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < largest < model.weights_bytes, (peak, largest)


def test_a_model_cut_off_while_it_is_packed_leaves_no_blob(tmp_path: Path) -> None:
    path = synthesize("micro", quant="Q8_0", path=tmp_path / "m.gguf")
    model = read_gguf(path)
    plan = plan_memory(model, load_board("virt"))
    old = tmp_path / "model.blob"
    old.write_bytes(b"an older blob")
    with path.open("r+b") as file:
        file.truncate(model.size_bytes - 1000)
    with pytest.raises(GgufError, match="ends at byte"):
        pack_blob(model, plan, BUILD_ID, old)
    assert old.read_bytes() == b"an older blob"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.gguf", "model.blob"]


@pytest.mark.parametrize(("quant", "bits"), [("F32", b"\0\0\xc0\x7f"), ("Q8_0", b"\0\x7c")])
def test_a_weight_that_is_not_finite_is_refused(quant: str, bits: bytes, tmp_path: Path) -> None:
    path = synthesize("micro", quant=quant, path=tmp_path / "m.gguf")
    model = read_gguf(path)
    tensor = model.tensor("blk.1.attn_k.weight")
    with path.open("r+b") as file:
        file.seek(tensor.offset + 5 * tensor.row_bytes)
        file.write(bits)
    with pytest.raises(GgufError, match=r"blk\.1\.attn_k\.weight .* NaN in row 5"):
        pack_blob(model, plan_memory(model, load_board("virt")), 1, tmp_path / "model.blob")
    assert not (tmp_path / "model.blob").exists()


def test_an_interrupt_leaves_no_blob(tmp_path: Path) -> None:
    model = read_gguf(synthesize("micro", quant="Q8_0", path=tmp_path / "m.gguf"))
    plan = plan_memory(model, load_board("virt"))

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack_blob(model, plan, BUILD_ID, tmp_path / "model.blob", progress=interrupt)
    assert [file.name for file in tmp_path.iterdir()] == ["m.gguf"]


def test_a_plan_of_another_model_is_noticed(tmp_path: Path) -> None:
    board = load_board("virt")
    one = read_gguf(synthesize("micro", quant="Q8_0", path=tmp_path / "a.gguf"))
    two = read_gguf(synthesize("micro", quant="F16", path=tmp_path / "b.gguf"))
    with pytest.raises(ImageError, match="planned"):
        pack_blob(one, plan_memory(two, board), BUILD_ID, tmp_path / "model.blob")


def test_a_blob_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    model = read_gguf(synthesize("micro", quant="Q8_0", path=tmp_path / "m.gguf"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(HarnessError, match="cannot write"):
        pack_blob(
            model, plan_memory(model, load_board("virt")), 1, tmp_path / "file" / "model.blob"
        )
