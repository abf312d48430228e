"""The GGUF container: header, metadata and tensor table, whatever the model means by them."""

import re
from dataclasses import dataclass
from mmap import mmap
from typing import Final

from harness.errors import quoted
from harness.gguf.metadata import Metadata
from harness.gguf.reader import MAX_KEY_BYTES, Cursor, Value, ValueType

MAGIC: Final = b"GGUF"
OLD_MAGICS: Final = {b"lmgg": "ggml", b"fmgg": "ggmf", b"tjgg": "ggjt", b"algg": "ggla"}
_CONVERT: Final = "convert the original model with llama.cpp's convert_hf_to_gguf.py"
_DOWNLOAD: Final = "download the file itself: the link to it, not the page about it"
# What people have instead of a GGUF: how it begins, what it is, what to do.
OTHERS: Final = (
    (rb".{7}\x00\{", "a safetensors file", _CONVERT),
    (rb"PK\x03\x04|\x80[\x02-\x05]", "a ZIP or pickle, as PyTorch writes models", _CONVERT),
    (rb"\x1f\x8b|\x28\xb5\x2f\xfd|\xfd7zXZ|7z\xbc", "a compressed file", "unpack it first"),
    (rb"version https://git-lfs", "a Git LFS pointer, without the file", "get it: git lfs pull"),
    (rb"(?i)\s*<(!doctype|html|\?xml)", "a web page", _DOWNLOAD),
    (rb"\s*[{\[]", "JSON, perhaps a server's refusal", _DOWNLOAD),
)
HEADER_BYTES: Final = 24
MIN_KEY_BYTES: Final = 8 + 1 + 4  # length, one character, value type; then at least one byte more
MIN_TENSOR_BYTES: Final = 8 + 1 + 4 + 8 + 4 + 8  # name, n_dims, one dimension, type, offset
MAX_TENSOR_NAME_BYTES: Final = 63  # GGML_MAX_NAME with its terminating NUL is 64
MAX_DIMS: Final = 4
MAX_VALUES: Final = 1 << 63  # ggml counts them in an int64_t
# Published models have below 100 keys and 2,000 tensors. An entry takes some hundred bytes of the
# host, whatever it takes in the file.
MAX_KEYS: Final = 1 << 10
MAX_TENSORS: Final = 1 << 12


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A line of the tensor table as written: `offset` counts from the container's data_start."""

    name: str
    shape: tuple[int, ...]
    type_number: int
    offset: int
    at: int  # byte of this entry in the file


@dataclass(frozen=True)
class Container:
    """A structurally sound GGUF file; whether it is a model we can run is decided later."""

    metadata: Metadata
    infos: tuple[TensorInfo, ...]
    alignment: int
    data_start: int
    size_bytes: int


def read_container(data: mmap | bytes) -> Container:
    """Parse header, metadata and tensor table; tensor data is not touched."""
    cursor = Cursor(data)
    n_tensors, n_keys = _read_header(cursor)
    metadata = _read_metadata(cursor, n_keys)
    infos = _read_infos(cursor, n_tensors)
    alignment = metadata.alignment()
    data_start = -(-cursor.position // alignment) * alignment
    return Container(metadata, infos, alignment, data_start, cursor.end)


def _read_header(cursor: Cursor) -> tuple[int, int]:
    _refuse_others(cursor)
    if cursor.end < HEADER_BYTES:
        cursor.fail(
            f"{cursor.end} bytes are too few for a GGUF file, the header takes {HEADER_BYTES}",
            at=0,
            hint="the file is truncated: download or convert it again",
        )
    magic = cursor.take(4, "magic")
    if magic in OLD_MAGICS:
        cursor.fail(
            f"this is a {OLD_MAGICS[magic]} file, older than GGUF",
            at=0,
            hint="convert the original model again with llama.cpp's convert_hf_to_gguf.py",
        )
    if magic != MAGIC:
        cursor.fail(f"magic is {magic!r}, wanted {MAGIC!r}", at=0, hint="this is no GGUF file")
    version = cursor.u32("version")
    if version not in (2, 3):
        big_endian = version != 0 and version & 0xFFFF == 0
        cursor.fail(
            "the file is big-endian" if big_endian else f"GGUF version is {version}, wanted 2 or 3",
            at=4,
            hint="convert it with gguf-py's gguf_convert_endian.py"
            if big_endian
            else "convert the original model again with a current llama.cpp",
        )
    n_tensors, n_keys = cursor.u64("tensor count"), cursor.u64("key count")
    if n_keys > cursor.left() // MIN_KEY_BYTES:
        cursor.fail(f"key count {n_keys} cannot fit the {cursor.left()} bytes that follow", at=16)
    if n_tensors > cursor.left() // MIN_TENSOR_BYTES:
        cursor.fail(
            f"tensor count {n_tensors} cannot fit the {cursor.left()} bytes that follow", at=8
        )
    for what, n, most, at in (
        ("key", n_keys, MAX_KEYS, 16),
        ("tensor", n_tensors, MAX_TENSORS, 8),
    ):
        if n > most:
            cursor.fail(f"{what} count {n}, at most {most} are accepted", at=at)
    return n_tensors, n_keys


def _refuse_others(cursor: Cursor) -> None:
    """What is well known and no GGUF by its name, of however few bytes."""
    start = cursor.peek(HEADER_BYTES)
    for pattern, name, hint in OTHERS:
        if not start.startswith(MAGIC) and re.match(pattern, start, re.DOTALL):
            cursor.fail(f"this is {name}, wanted a GGUF file", at=0, hint=hint)


def _read_metadata(cursor: Cursor, n_keys: int) -> Metadata:
    values: dict[str, tuple[ValueType, Value, int]] = {}
    for i in range(n_keys):
        at = cursor.position
        key = cursor.name(f"key {i}", MAX_KEY_BYTES)
        if key in values:
            cursor.fail(f"key {quoted(key)} appears twice", at=at)
        what = f"key {quoted(key)}"
        kind = cursor.value_type(what)
        values[key] = kind, cursor.value(kind, what), at
    return Metadata(values)


def _read_infos(cursor: Cursor, n_tensors: int) -> tuple[TensorInfo, ...]:
    infos: dict[str, TensorInfo] = {}
    for i in range(n_tensors):
        info = _read_info(cursor, i)
        if info.name in infos:
            cursor.fail(f"tensor {info.name} appears twice", at=info.at)
        infos[info.name] = info
    return tuple(infos.values())


def _read_info(cursor: Cursor, i: int) -> TensorInfo:
    at = cursor.position
    name = cursor.name(f"name of tensor {i}", MAX_TENSOR_NAME_BYTES)
    n_dims = cursor.u32(f"n_dims of {name}")
    if not 1 <= n_dims <= MAX_DIMS:
        cursor.fail(f"{name} has {n_dims} dimensions, wanted 1 to {MAX_DIMS}", at=at)
    shape = tuple(cursor.u64(f"dimension {d} of {name}") for d in range(n_dims))
    n_values = 1
    for n in shape:
        n_values *= n
        if n == 0:
            cursor.fail(f"{name} has shape {shape}: dimensions must be 1 or more", at=at)
        if n_values >= MAX_VALUES:
            cursor.fail(f"{name} has shape {shape}, wanted fewer than 2^63 values", at=at)
    type_number = cursor.u32(f"type of {name}")
    return TensorInfo(name, shape, type_number, cursor.u64(f"offset of {name}"), at)
