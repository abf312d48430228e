"""Models made from other models: the same weights in another tensor type."""

from pathlib import Path

import gguf
import numpy as np

from harness.gguf import Model, read_gguf

BLOCK = 32  # weights per block of Q8_0 and Q4_0


def requantise(source: Path, quant: str, path: Path) -> Path:
    """Write `source` with its matrices in `quant`, by the official package's quantiser.

    A matrix whose rows are no whole number of blocks becomes F16, as llama.cpp does it.
    """
    model = read_gguf(source)
    writer = gguf.GGUFWriter(path, model.architecture)
    for key, value in model.metadata.items():
        if key != "general.architecture":
            _add_key(writer, key, value)
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
        assert isinstance(value, tuple | np.ndarray)
        writer.add_array(key, list(value) if isinstance(value, tuple) else value.tolist())
