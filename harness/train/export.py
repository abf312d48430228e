"""Trained weights -> GGUF, by the official writer; quantised by our own code (quantise.py)."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import gguf
import numpy as np
import numpy.typing as npt

from harness.gguf import GGMLType, HyperParameters
from harness.synth.metadata import TokenTable, add_model, add_vocabulary
from harness.synth.mixture import tensor_type
from harness.train.corpus.identity import System
from harness.train.quantise import F32, quantise_q4_k, quantise_q6_k, quantise_q8_0

FILE_TYPES: Final = ("F32", "Q8_0", "Q4_K_M")
# All that a mixture of FILE_TYPES consists of, every width being a multiple of 256 (config.py).
QUANTISERS: Final = {
    GGMLType.Q8_0: quantise_q8_0,
    GGMLType.Q4_K: quantise_q4_k,
    GGMLType.Q6_K: quantise_q6_k,
}

# The model has learnt to be told this, and then facts of its machine: the kernel completes it.
SYSTEM_LINE_KEY: Final = "bareword.system_line"

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
        add_model(writer, name, hyper, quant)
        add_vocabulary(writer, vocabulary)
        writer.add_license(licence)
        writer.add_eot_token_id(vocabulary.texts.index("<|end|>"))
        writer.add_add_space_prefix(False)
        writer.add_chat_template(CHAT_TEMPLATE)
        writer.add_string(SYSTEM_LINE_KEY, System().line())
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
    return QUANTISERS[kind](values)
