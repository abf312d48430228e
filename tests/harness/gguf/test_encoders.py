"""Models that make vectors: what is read beyond the layers, and what is refused."""

from pathlib import Path

import pytest

from harness.errors import GgufError
from harness.gguf import Model, read_gguf
from tests.harness.gguf.gguf_bytes import BOOL, F32, U32, GgufBytes, Row
from tests.harness.gguf.test_architectures import of_architecture, refused, with_layers


def read(file: GgufBytes, folder: Path) -> Model:
    path = folder / "good.gguf"
    path.write_bytes(file.build())
    return read_gguf(path)


@pytest.mark.parametrize("name", ["gemma-embedding", "bert"])
def test_the_kind_of_pooling_is_read(name: str, tmp_path: Path) -> None:
    file = of_architecture(name)
    model = read(file, tmp_path)
    assert (model.makes_vectors, model.hyper.pooling) == (True, None)
    for number, pooling in {0: None, 1: "mean", 2: "cls", 3: "last"}.items():
        file.set(f"{name}.pooling_type", U32, number)
        assert read(file, tmp_path).hyper.pooling == pooling
    file.set(f"{name}.pooling_type", U32, 4)
    refused(file, tmp_path, f"{name}.pooling_type is 4", "ranks pairs of texts")
    file.set(f"{name}.pooling_type", F32, 1.0)
    refused(file, tmp_path, f"{name}.pooling_type is of type f32, wanted an integer")


def test_a_causal_model_that_names_a_pooling_makes_vectors(tmp_path: Path) -> None:
    file = of_architecture("qwen3")
    output = file.tensor("output.weight")
    file.drop("output.weight")
    assert not read(file, tmp_path).makes_vectors
    for number, pooling in {0: None, 1: "mean", 3: "last"}.items():
        file.set("qwen3.pooling_type", U32, number)
        model = read(file, tmp_path)
        assert (model.makes_vectors, model.hyper.pooling) == (number > 0, pooling)
    file.tensors.append(output)
    with pytest.raises(GgufError, match=r"output\.weight is not supported here") as refusal:
        read(file, tmp_path)
    assert "makes vectors has no logits" in refusal.value.hint
    file.set("qwen3.pooling_type", U32, 4)  # Qwen3-Reranker
    refused(file, tmp_path, "qwen3.pooling_type is 4", "ranks pairs of texts")
    file = of_architecture("qwen2")  # whose files have no such key
    file.set("qwen2.pooling_type", U32, 3)
    assert not read(file, tmp_path).makes_vectors


@pytest.mark.parametrize("name", ["gemma-embedding", "bert"])
def test_a_causal_one_is_refused(name: str, tmp_path: Path) -> None:
    file = of_architecture(name)
    file.set(f"{name}.attention.causal", BOOL, 0)
    read(file, tmp_path)
    file.set(f"{name}.attention.causal", BOOL, 1)
    refused(file, tmp_path, f"{name}.attention.causal is true", "see what is behind them too")


def test_gemma_embedding_has_five_local_layers_to_a_global_one(tmp_path: Path) -> None:
    file = with_layers(of_architecture("gemma-embedding"), 7, "gemma-embedding")
    hyper = read(file, tmp_path).hyper
    assert (hyper.window, hyper.local_layers) == (512, (True,) * 5 + (False, True))
    assert (hyper.rope_freq_base_local, hyper.logit_softcap) == (10000.0, 0.0)
    assert (hyper.embedding_scale, hyper.attn_scale) == (32**0.5, 1 / 8**0.5)
    file.set("gemma-embedding.attention.sliding_window", U32, 0)
    refused(file, tmp_path, "gemma-embedding.attention.sliding_window is 0")


def test_dense_matrices_come_in_pairs_of_the_announced_size(tmp_path: Path) -> None:
    file, key = of_architecture("gemma-embedding"), "gemma-embedding.dense_"
    first, second = Row(b"dense_2.weight", [32, 48]), Row(b"dense_3.weight", [48, 32])
    file.tensors.append(first)
    with pytest.raises(GgufError, match=r"dense_2\.weight is not supported") as refusal:
        read(file, tmp_path)
    assert "dense_2_feat_out must say" in refusal.value.hint
    file.set(key + "2_feat_out", U32, 48)
    refused(file, tmp_path, "tensor dense_3.weight is missing: the other dense matrix is there")
    file.tensors.append(second)
    model = read(file, tmp_path)
    assert (model.hyper.n_dense, model.has_dense) == (48, True)
    second.shape = [48, 48]
    refused(file, tmp_path, "dense_3.weight has shape [48, 48], wanted [48, 32]")
    file.set(key + "3_feat_in", U32, 32)
    refused(file, tmp_path, f"{key}3_feat_in is 32, wanted 48")
    file.remove(key + "3_feat_in")
    file.tensors = [row for row in file.tensors if row not in (first, second)]
    model = read(file, tmp_path)  # announced, and left out by the converter
    assert (model.hyper.n_dense, model.has_dense) == (48, False)


def test_bert_has_learned_positions_and_norms_with_an_epsilon_of_their_own(tmp_path: Path) -> None:
    file = of_architecture("bert")
    hyper = read(file, tmp_path).hyper
    assert (hyper.n_rot, hyper.n_token_types, hyper.n_ctx_train) == (0, 2, 64)
    assert hyper.rms_eps == pytest.approx(1e-12)
    file.set("tokenizer.ggml.token_type_count", U32, 1)
    refused(file, tmp_path, "token_types.weight has shape [32, 2], wanted [32, 1]")
    file.set("tokenizer.ggml.token_type_count", U32, 0)
    refused(file, tmp_path, "tokenizer.ggml.token_type_count is 0, wanted 1 to 1024")
    file.remove("tokenizer.ggml.token_type_count")
    file.set("bert.context_length", U32, 65)
    refused(file, tmp_path, "position_embd.weight has shape [32, 64], wanted [32, 65]")
    file.set("bert.context_length", U32, 64)
    file.set("bert.attention.layer_norm_epsilon", F32, 0.0)
    refused(file, tmp_path, "bert.attention.layer_norm_epsilon is 0.0, wanted more than 0")
    file.remove("bert.attention.layer_norm_epsilon")
    refused(file, tmp_path, "bert.attention.layer_norm_epsilon is missing")


def test_a_ranking_head_is_refused(tmp_path: Path) -> None:
    file = of_architecture("bert")
    file.tensors.append(Row(b"cls.weight", [32, 32]))
    refused(file, tmp_path, "tensor cls.weight is not supported")
