"""model.blob: header, tensors in row tiles, rope table, vocabulary; written as a stream."""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy.typing as npt

from harness.codegen.headers import FORMAT_VERSION
from harness.errors import ImageError
from harness.gguf import Model
from harness.gguf.fused import rows_of
from harness.gguf.weights import finite_rows
from harness.image.files import atomic_file
from harness.image.rope import local_rope_angles, rope_angles, rope_rows
from harness.image.tiles import tile_rows
from harness.plan import BlobEntry, MemoryPlan
from harness.plan.memory import BLOB_HEADER_BYTES, ROPE, ROPE_LOCAL, rows_per_tile
from harness.vocabulary import vocabulary_tables

MAGIC = b"BAREWORD"
HEADER = struct.Struct("<8sIIQQI")  # magic, version, header bytes, build id, size, payload CRC
CHUNK_BYTES = 1 << 20  # of one tensor at a time; the repack takes a few times that

Buffer = bytes | npt.NDArray[Any]
Progress = Callable[[int], None]  # bytes since the last call, of plan.blob_size_bytes


@dataclass(frozen=True)
class Blob:
    """A packed model; crc is that of all bytes after the header."""

    path: Path
    size_bytes: int
    crc: int
    build_id: int


def pack_blob(
    model: Model, plan: MemoryPlan, build_id: int, path: Path, progress: Progress | None = None
) -> Blob:
    """Write model.blob as planned; memory use does not grow with the model.

    GgufError: a weight or a block's scale is not finite. On any failure an older blob stays.
    """
    with atomic_file(path) as file:
        file.write(bytes(BLOB_HEADER_BYTES))
        payload = _Payload(file, progress)
        vocabulary = {table.name: table.data for table in vocabulary_tables(model.vocabulary)}
        for entry in plan.blob:
            payload.pad_to(entry.offset)
            if entry.type is not None:
                for chunk in _tensor_chunks(model, entry):
                    payload.write(chunk)
            elif entry.name in (ROPE, ROPE_LOCAL):
                local = entry.name == ROPE_LOCAL
                angles = local_rope_angles(model) if local else rope_angles(model, plan.n_ctx)
                for rows in rope_rows(angles, plan.n_ctx):
                    payload.write(rows)
            else:
                payload.write(vocabulary[entry.name])
            if payload.position != entry.end:
                raise ImageError(
                    f"blob entry {entry.name} ends at byte {payload.position}, planned {entry.end}",
                    hint="the plan was made for another model file",
                )
        payload.pad_to(plan.blob_size_bytes)
        file.seek(0)
        file.write(blob_header(build_id, plan.blob_size_bytes, payload.crc))
    return Blob(path, plan.blob_size_bytes, payload.crc, build_id)


def blob_header(build_id: int, size_bytes: int, payload_crc: int) -> bytes:
    """The 64 bytes by which the kernel knows its blob."""
    fields = HEADER.pack(
        MAGIC, FORMAT_VERSION, BLOB_HEADER_BYTES, build_id, size_bytes, payload_crc
    )
    header = fields + struct.pack("<I", zlib.crc32(fields))
    return header.ljust(BLOB_HEADER_BYTES, b"\0")


class _Payload:
    """What follows the header, with its running CRC."""

    def __init__(self, file: IO[bytes], progress: Progress | None) -> None:
        self.position = BLOB_HEADER_BYTES
        self.crc = 0
        self._file = file
        self._progress = progress

    def write(self, data: Buffer) -> None:
        view = memoryview(data if isinstance(data, bytes) else data.data).cast("B")
        self._file.write(view)
        self.crc = zlib.crc32(view, self.crc)
        self.position += len(view)
        if self._progress:
            self._progress(len(view))

    def pad_to(self, offset: int) -> None:
        self.write(bytes(offset - self.position))


def _tensor_chunks(model: Model, entry: BlobEntry) -> Iterator[Buffer]:
    source = rows_of(model, entry.name)
    type_, height = source.tensor.type, rows_per_tile(source.tensor.type)
    step = max(CHUNK_BYTES // source.tensor.row_bytes // height, 1) * height
    chunks = finite_rows(model, source.tensor, step, first_row=source.first, n_rows=source.n)
    for rows in chunks:
        yield tile_rows(type_, rows) if entry.layout.endswith(f"_r{height}") else rows
