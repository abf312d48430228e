"""Valid files: what the reader makes of them, and that the official reader agrees."""

import os
import re
import time
from pathlib import Path

import gguf
import numpy as np
import pytest

from harness.errors import GgufError
from harness.gguf import GGMLType, Model, read_gguf, read_vocabulary
from tests.harness.gguf.gguf_bytes import (
    ARRAY,
    STRING,
    U16,
    U32,
    U64,
    GgufBytes,
    array,
    small_model,
)


def read(file: GgufBytes, tmp_path: Path) -> Model:
    path = tmp_path / "model.gguf"
    path.write_bytes(file.build())
    return read_gguf(path)


def test_hyper_parameters_of_stories260k(stories260k: Path) -> None:
    hyper = read_gguf(stories260k).hyper
    assert (hyper.n_embd, hyper.n_layer, hyper.n_head, hyper.n_head_kv) == (64, 5, 8, 4)
    assert (hyper.n_ff, hyper.n_ctx_train, hyper.n_vocab_rows) == (172, 2048, 512)
    assert (hyper.head_size, hyper.n_rot, hyper.rope_freq_base) == (8, 8, 10000.0)
    assert hyper.rms_eps == float(np.float32(1e-5))


def test_tensors_equal_those_of_the_official_reader(stories260k: Path) -> None:
    model, witness = read_gguf(stories260k), gguf.GGUFReader(stories260k)
    assert list(model.tensors) == [tensor.name for tensor in witness.tensors]
    for theirs in witness.tensors:
        ours = model.tensor(theirs.name)
        assert ours.shape == tuple(int(n) for n in theirs.shape)
        assert ours.offset == theirs.data_offset
        assert ours.size_bytes == theirs.n_bytes
        assert int(ours.type) == int(theirs.tensor_type)
        rows = model.read_rows(ours.name, 0, ours.n_rows)
        assert rows.tobytes() == theirs.data.tobytes()


def test_metadata_equals_that_of_the_official_reader(stories260k: Path) -> None:
    model, witness = read_gguf(stories260k), gguf.GGUFReader(stories260k)
    theirs = {k: f.contents() for k, f in witness.fields.items() if not k.startswith("GGUF.")}
    vocabulary = model.vocabulary
    assert [text.decode() for text in vocabulary.tokens] == theirs.pop("tokenizer.ggml.tokens")
    assert vocabulary.scores.tolist() == theirs.pop("tokenizer.ggml.scores")
    assert vocabulary.types.tolist() == theirs.pop("tokenizer.ggml.token_type")
    assert list(model.metadata) == list(theirs)
    for key, value in theirs.items():
        ours = model.metadata[key]
        if isinstance(ours, np.ndarray):
            assert ours.tolist() == value
        else:
            assert ours == value, key


def test_gold_models_are_accepted_or_refused_for_what_is_not_supported(shared: Path) -> None:
    reasons = r"general\.architecture"
    for path in sorted((shared / "gold" / "models").glob("*.gguf")):
        refusal = ""
        try:
            model = read_gguf(path)
        except GgufError as exc:
            refusal = str(exc)
        if refusal:
            assert re.search(reasons, refusal), refusal
        else:
            assert path.name.startswith((model.architecture, "stories260K"))


def test_rows_are_read_where_they_are(stories260k: Path) -> None:
    model = read_gguf(stories260k)
    whole = model.read_rows("token_embd.weight", 0, 512)
    assert whole.shape == (512, 256)
    assert np.array_equal(model.read_rows("token_embd.weight", 100, 7), whole[100:107])
    assert model.read_rows("token_embd.weight", 512, 0).shape == (0, 256)
    with pytest.raises(IndexError):
        model.read_rows("token_embd.weight", 511, 2)


def test_vector_is_float32(stories260k: Path) -> None:
    vector = read_gguf(stories260k).vector("output_norm.weight")
    assert vector.dtype == np.float32
    assert vector.shape == (64,)


def test_file_that_shrinks_after_opening_is_reported(tmp_path: Path) -> None:
    model = read(small_model(), tmp_path)
    model.path.write_bytes(model.path.read_bytes()[:-100])
    with pytest.raises(GgufError, match=r"output\.weight ends at byte"):
        model.read_rows("output.weight", 0, 264)


def test_file_that_vanishes_after_opening_is_reported(tmp_path: Path) -> None:
    model = read(small_model(), tmp_path)
    model.path.unlink()
    with pytest.raises(GgufError, match=r"model\.gguf: cannot be read any more: No such file"):
        model.read_rows("output.weight", 0, 264)


def test_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(GgufError, match=r"no\.gguf: cannot be read: No such file"):
        read_gguf(tmp_path / "no.gguf")


def test_folder_and_pipe_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(GgufError, match="is not a regular file"):
            read_gguf(path)


def test_version_2_is_accepted(tmp_path: Path) -> None:
    file = small_model()
    file.version = 2
    assert read(file, tmp_path).hyper.n_embd == 32


def test_alignment_moves_the_data(tmp_path: Path) -> None:
    file = small_model()
    file.set("general.alignment", U32, 4096)
    file.alignment = 4096
    for row, offset in zip(file.tensors, range(0, 1 << 20, 1 << 16), strict=False):
        row.offset = offset
    with pytest.raises(GgufError, match="the file ends"):
        read(file, tmp_path)  # the builder wrote no data at such offsets
    path = tmp_path / "long.gguf"
    path.write_bytes(file.build() + bytes(1 << 20))
    assert read_gguf(path).tensor("token_embd.weight").offset % 4096 == 0


def test_trailing_bytes_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "long.gguf"
    path.write_bytes(small_model().build() + b"trailing")
    assert read_gguf(path).tensor("output.weight").n_rows == 264


def test_equal_values_per_layer_are_accepted(tmp_path: Path) -> None:
    file = small_model()
    file.set("llama.feed_forward_length", ARRAY, array(U32, [32, 32]))
    file.set("llama.attention.head_count", ARRAY, array(U16, [4]))
    file.set("llama.block_count", U64, 1)
    assert read(file, tmp_path).hyper.n_ff == 32


def test_absent_keys_have_their_defaults(tmp_path: Path) -> None:
    file = small_model()
    for key in ("llama.rope.freq_base", "llama.rope.dimension_count", "general.name"):
        file.remove(key)
    model = read(file, tmp_path)
    assert (model.hyper.rope_freq_base, model.hyper.n_rot) == (10000.0, 8)
    assert model.name == "model"


def test_model_without_output_is_tied(tmp_path: Path) -> None:
    file = small_model()
    assert not read(file, tmp_path).tied
    file.drop("output.weight")
    assert read(file, tmp_path).tied


def test_embedding_may_have_more_rows_than_tokens(tmp_path: Path) -> None:
    file = small_model()
    for name in ("token_embd.weight", "output.weight"):
        file.tensor(name).shape = [32, 300]
    model = read(file, tmp_path)
    assert (model.hyper.n_vocab_rows, len(model.vocabulary.tokens)) == (300, 264)


def test_trailing_dimensions_of_one_do_not_matter(tmp_path: Path) -> None:
    file = small_model()
    file.tensor("output_norm.weight").shape = [32, 1, 1]
    assert read(file, tmp_path).tensor("output_norm.weight").shape == (32,)


def test_every_supported_type_is_read(tmp_path: Path) -> None:
    for kind in GGMLType:
        file = small_model()
        if kind.block_size > 32:
            continue  # needs rows of 256: the synthetic models have them
        for row in file.tensors:
            row.type = kind if len(row.shape) == 2 else 0
        tensor = read(file, tmp_path).tensor("blk.0.ffn_up.weight")
        assert (tensor.type, tensor.row_bytes) == (kind, kind.row_bytes(32))


def test_blocks_have_the_official_sizes() -> None:
    for kind in GGMLType:
        theirs = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(kind)]
        assert (kind.block_size, kind.block_bytes) == theirs


def test_vocabulary_of_a_file_without_weights(shared: Path) -> None:
    path = shared / "vocab" / "ggml-vocab-llama-spm.gguf"
    vocabulary = read_vocabulary(path)
    assert len(vocabulary.tokens) == 32000
    assert vocabulary.tokens[15043] == "▁Hello".encode()
    with pytest.raises(GgufError, match="only a vocabulary"):
        read_gguf(path)


def test_large_vocabularies_open_in_a_fraction_of_a_second(tmp_path: Path) -> None:
    n = 150_000
    file = small_model()
    texts = [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % i for i in range(256))]
    texts += [b"token%d" % i for i in range(n - len(texts))]
    file.set("tokenizer.ggml.tokens", ARRAY, array(STRING, texts))
    path = tmp_path / "large.gguf"
    file.set("tokenizer.ggml.scores", ARRAY, array(6, [0.0] * n))
    file.set("tokenizer.ggml.token_type", ARRAY, array(5, [2, 3, 3] + [6] * 256 + [1] * (n - 259)))
    for name in ("token_embd.weight", "output.weight"):
        file.tensor(name).shape = [32, n]
    path.write_bytes(file.build())
    start = time.process_time()
    assert len(read_gguf(path).vocabulary.tokens) == n
    # 0.1 s measured; the official reader takes 14 s. Tenfold room for a slow machine.
    assert time.process_time() - start < 1.0
