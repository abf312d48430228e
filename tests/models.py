"""Models for tests: generated ones, a real one where it is there, and the same weights requantised.

Where real models are looked for: tests/conftest.py.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import pytest

from harness.gguf import Model, read_gguf
from harness.synth import synthesize

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("BAREWORD_SHARED") or ROOT.parent / "shared").resolve()
BLOCK = 32  # weights per block of Q8_0 and Q4_0
TRAINED = "stories260K"  # F32; of synth's presets, micro has its shape

# Of vectors so long that cores share a single token's norm and int8 form (SHARED_COLUMNS of
# kernel/nn/part.h), and of so many feed-forward rows that those of a batch have no room at once
# (UP_ROWS of harness/plan/buffers.py).
WIDE = {"n_embd": 512, "n_layer": 2, "n_ff": 2304}
# Two models whose texts are cut by regexes; the others have SentencePiece vocabularies.
PRE = {"micro-F16": "tekken", "micro-BF16": "default"}


@dataclass(frozen=True)
class Models:
    """Models by name, `tiny-Q4_0` or `stories260K-F32`; each is made when it is first asked for."""

    folder: Path

    def __call__(self, name: str) -> Path:
        like, quant = name.split("-", 1)
        path = self.folder / f"{name}.gguf"
        if path.is_file():
            return path
        if like == "wide":
            return synthesize("tiny", quant=quant, path=path, seed=1, changes=WIDE)
        if like != TRAINED:
            return synthesize(like, quant=quant, path=path, seed=1, pre=PRE.get(name))
        source = trained_model()
        return source if quant == "F32" else requantise(source, quant, path)


def shared_folder() -> Path:
    """The folder of real data; skips the test without it."""
    if not SHARED.is_dir():
        pytest.skip(f"no folder {SHARED}: real data is not part of the project (BAREWORD_SHARED)")
    return SHARED


def trained_model() -> Path:
    """The real model; skips the test without it."""
    path = shared_folder() / "models" / f"{TRAINED}.gguf"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path


def requantise(source: Path, quant: str, path: Path) -> Path:
    """Write `source` with its matrices in `quant`, by the official package's quantiser.

    A matrix whose rows are no whole number of blocks becomes F16, as llama.cpp does it.
    """
    model = read_gguf(source)
    writer = gguf.GGUFWriter(path, model.architecture)
    for key, value in model.metadata.items():
        if key != "general.architecture":
            _add_key(writer, key, value)
    vocabulary = model.vocabulary  # its texts are kept once, not among the keys
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_scores(vocabulary.scores.tolist())
    writer.add_token_types(vocabulary.types.tolist())
    for name, tensor in model.tensors.items():
        weights = _floats(model, name)
        wanted = gguf.GGMLQuantizationType[quant]
        if len(tensor.shape) == 1:
            writer.add_tensor(name, weights.reshape(-1))
            continue
        if tensor.shape[0] % BLOCK:
            wanted = gguf.GGMLQuantizationType.F16
        data = gguf.quants.quantize(weights, wanted)
        writer.add_tensor(name, data, raw_dtype=wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _floats(model: Model, name: str) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    tensor = model.tensor(name)
    rows = tensor.shape[1] if len(tensor.shape) > 1 else 1
    raw = model.read_rows(name, 0, rows)
    kind = gguf.GGMLQuantizationType(int(tensor.type))
    floats = gguf.quants.dequantize(raw, kind)
    return np.asarray(floats, np.float32).reshape(rows, tensor.shape[0])


def _add_key(writer: gguf.GGUFWriter, key: str, value: object) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, bytes | str):
        writer.add_string(key, value.decode() if isinstance(value, bytes) else value)
    else:
        assert isinstance(value, np.ndarray)
        writer.add_array(key, value.tolist())
