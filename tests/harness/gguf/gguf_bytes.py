"""A GGUF file as plain data, written by struct: for files that no proper writer would make."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from harness.gguf import GGMLType, Model
from harness.gguf.weights import finite_rows

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_FORMATS: Final = dict(zip(range(13), "BbHhIif?  Qqd", strict=True))
BLOCKS: Final = {int(type_): (type_.block_size, type_.block_bytes) for type_ in GGMLType}


def check_weights(model: Model) -> None:
    """Read all weights as a build reads them; GgufError for the first that is not finite."""
    for tensor in model.tensors.values():
        for _ in finite_rows(model, tensor, max(1, (1 << 20) // tensor.row_bytes)):
            pass


def string(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def scalar(kind: int, value: float) -> bytes:
    return struct.pack("<" + _FORMATS[kind], value)


def array(kind: int, values: Sequence[bytes | float], count: int | None = None) -> bytes:
    """An array's element type, count (which may lie) and elements."""
    items = b"".join(string(v) if isinstance(v, bytes) else scalar(kind, v) for v in values)
    return struct.pack("<IQ", kind, len(values) if count is None else count) + items


@dataclass
class Entry:
    """A key's value: type number and payload bytes."""

    kind: int
    payload: bytes


@dataclass
class Row:
    """A line of the tensor table; None: the offset of its data, as many n_dims as dimensions."""

    name: bytes
    shape: list[int]
    type: int = 0
    offset: int | None = None
    n_dims: int | None = None

    def size(self) -> int:
        n = 1
        for dim in self.shape:
            n *= dim
        values, size = BLOCKS.get(self.type, (1, 4))
        return n // values * size


@dataclass
class GgufBytes:
    """Header fields, keys and tensors of a file, all of which a test may spoil."""

    magic: bytes = b"GGUF"
    version: int = 3
    keys: list[tuple[bytes, Entry]] = field(default_factory=list)
    tensors: list[Row] = field(default_factory=list)
    n_keys: int | None = None
    n_tensors: int | None = None
    alignment: int = 32
    cut: int = 0  # bytes missing at the end
    fill: int = 0  # the byte that all tensor data consists of
    absurd: int = 1 << 32  # bytes of a tensor that gets no data

    def set(self, key: str, kind: int, value: bytes | float) -> None:
        """Replace or add a key; bytes are a payload as it stands in the file."""
        payload = value if isinstance(value, bytes) else scalar(kind, value)
        self.remove(key)
        self.keys.append((key.encode(), Entry(kind, payload)))

    def text(self, key: str, value: bytes) -> None:
        self.set(key, STRING, string(value))

    def remove(self, key: str) -> None:
        self.keys = [(k, entry) for k, entry in self.keys if k != key.encode()]

    def tensor(self, name: str) -> Row:
        return next(row for row in self.tensors if row.name == name.encode())

    def drop(self, name: str) -> None:
        self.tensors = [row for row in self.tensors if row.name != name.encode()]

    def build(self) -> bytes:
        n_tensors = len(self.tensors) if self.n_tensors is None else self.n_tensors
        n_keys = len(self.keys) if self.n_keys is None else self.n_keys
        out = self.magic + struct.pack("<IQQ", self.version, n_tensors, n_keys)
        for key, entry in self.keys:
            out += string(key) + struct.pack("<I", entry.kind) + entry.payload
        offset = 0
        for row in self.tensors:
            at = offset if row.offset is None else row.offset
            n_dims = len(row.shape) if row.n_dims is None else row.n_dims
            out += string(row.name) + struct.pack("<I", n_dims)
            out += b"".join(struct.pack("<Q", dim) for dim in row.shape)
            out += struct.pack("<IQ", row.type, at)
            if row.size() < self.absurd:
                offset = -(-(offset + row.size()) // 32) * 32
        out += bytes(-len(out) % self.alignment) + bytes([self.fill]) * offset
        return out[: len(out) - self.cut]


N_VOCAB: Final = 264
N_EMBD: Final = 32


def small_model() -> GgufBytes:
    """A valid llama of one layer: dim 32, 4 heads, 2 kv heads, ffn 32, 264 tokens, all F32."""
    file = GgufBytes()
    file.text("general.architecture", b"llama")
    file.text("general.name", b"small")
    for key, value in {
        "context_length": 64,
        "embedding_length": N_EMBD,
        "block_count": 1,
        "feed_forward_length": 32,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
        "rope.dimension_count": 8,
    }.items():
        file.set(f"llama.{key}", U32, value)
    file.set("llama.attention.layer_norm_rms_epsilon", F32, 1e-5)
    file.set("llama.rope.freq_base", F32, 10000.0)
    tokens = [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % i for i in range(256))]
    tokens += [b"\xe2\x96\x81", b"a", b"b", b"ab", b"\xe2\x96\x81a"]
    file.text("tokenizer.ggml.model", b"llama")
    file.set("tokenizer.ggml.tokens", ARRAY, array(STRING, tokens))
    file.set("tokenizer.ggml.scores", ARRAY, array(F32, [0.0] * N_VOCAB))
    types = [2, 3, 3] + [6] * 256 + [1] * 5
    file.set("tokenizer.ggml.token_type", ARRAY, array(I32, types))
    for name, token in {"bos": 1, "eos": 2, "unknown": 0, "padding": 0xFFFFFFFF}.items():
        file.set(f"tokenizer.ggml.{name}_token_id", U32, token)
    file.tensors = [
        Row(b"token_embd.weight", [32, N_VOCAB]),
        *(
            Row(b"blk.0.%s.weight" % name, shape)
            for name, shape in {
                b"attn_norm": [32],
                b"attn_q": [32, 32],
                b"attn_k": [32, 16],
                b"attn_v": [32, 16],
                b"attn_output": [32, 32],
                b"ffn_norm": [32],
                b"ffn_gate": [32, 32],
                b"ffn_up": [32, 32],
                b"ffn_down": [32, 32],
            }.items()
        ),
        Row(b"output_norm.weight", [32]),
        Row(b"output.weight", [32, N_VOCAB]),
    ]
    return file
