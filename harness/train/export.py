"""Trained weights -> GGUF, by the official writer; quantised by our own code (quantise.py)."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import gguf
import numpy as np
import numpy.typing as npt
from gguf.quants import quantize

from harness.gguf import GGMLType, HyperParameters
from harness.synth.mixture import QUANTS, tensor_type
from harness.train.quantise import F32, quantise_q4_k, quantise_q6_k
from harness.train.vocabulary import BOS, EOS, UNK, TokenTable

FILE_TYPES: Final = ("F32", "Q8_0", "Q4_K_M")

# Phi-3's format; the markers are control tokens of the vocabulary.
CHAT_TEMPLATE: Final = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)


def write_gguf(
    path: Path,
    weights: Mapping[str, F32],
    hyper: HyperParameters,
    vocabulary: TokenTable,
    *,
    quant: str,
    name: str,
    licence: str,
) -> str:
    """Write one file; its sha256. Matrices are (n_out, n_in), named as GGUF names them."""
    unfinished = path.with_name(path.name + ".part")
    writer = gguf.GGUFWriter(unfinished, "llama")
    try:
        _add_metadata(writer, hyper, quant, name, licence)
        _add_vocabulary(writer, vocabulary)
        tied = "output.weight" not in weights
        for tensor, values in weights.items():
            kind = GGMLType.F32
            if values.ndim > 1:
                kind = tensor_type(tensor, values.shape[1], quant, n_layer=hyper.n_layer, tied=tied)
            raw = None if kind is GGMLType.F32 else gguf.GGMLQuantizationType(kind)
            writer.add_tensor(tensor, encode_tensor(values, kind), raw_dtype=raw)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        unfinished.replace(path)
    finally:
        writer.close()
        unfinished.unlink(missing_ok=True)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def encode_tensor(values: F32, kind: GGMLType) -> npt.NDArray[np.generic]:
    """Float32 as the file stores this type: itself, or rows of bytes."""
    values = np.ascontiguousarray(values, np.float32)
    if kind is GGMLType.F32:
        return values
    if kind is GGMLType.Q4_K:
        return quantise_q4_k(values)
    if kind is GGMLType.Q6_K:
        return quantise_q6_k(values)
    quantised: npt.NDArray[np.generic] = quantize(values, gguf.GGMLQuantizationType(kind))
    return quantised


def _add_metadata(
    writer: gguf.GGUFWriter, hyper: HyperParameters, quant: str, name: str, licence: str
) -> None:
    writer.add_name(name)
    writer.add_license(licence)
    writer.add_file_type(QUANTS[quant][1])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(hyper.n_vocab_rows)
    writer.add_context_length(hyper.n_ctx_train)
    writer.add_embedding_length(hyper.n_embd)
    writer.add_block_count(hyper.n_layer)
    writer.add_feed_forward_length(hyper.n_ff)
    writer.add_head_count(hyper.n_head)
    writer.add_head_count_kv(hyper.n_head_kv)
    writer.add_layer_norm_rms_eps(hyper.rms_eps)
    writer.add_rope_dimension_count(hyper.n_rot)
    writer.add_rope_freq_base(hyper.rope_freq_base)
    writer.add_chat_template(CHAT_TEMPLATE)


def _add_vocabulary(writer: gguf.GGUFWriter, vocabulary: TokenTable) -> None:
    writer.add_tokenizer_model("llama")
    writer.add_token_list(vocabulary.texts)
    writer.add_token_scores(vocabulary.scores)
    writer.add_token_types(vocabulary.types)
    writer.add_unk_token_id(UNK)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_eot_token_id(vocabulary.texts.index("<|end|>"))
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
