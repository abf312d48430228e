"""What is in model.blob, in order: tensors, rope table, vocabulary tables."""

from dataclasses import dataclass

from harness.errors import PlanError
from harness.gguf import Model
from harness.gguf.fused import Rows, rows_of
from harness.gguf.tensors import DENSE, LAYER_NORMS
from harness.plan.memory import (
    BLOB_ALIGN,
    BLOB_HEADER_BYTES,
    ROPE,
    ROPE_LOCAL,
    BlobEntry,
    align_up,
    rows_per_tile,
)
from harness.vocabulary import vocabulary_tables

MATRICES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
# A layer's tensors by their names in the kernel: what every model has, and what only some have.
BLOCK_TENSORS = {
    name: f"{name}.weight" for name in ("attn_norm", *MATRICES[:4], "ffn_norm", *MATRICES[4:])
}
OPTIONAL_TENSORS = {
    **{f"{name}_bias": f"{name}.bias" for name in MATRICES},
    **{
        name: f"{name}.weight"
        for name in ("attn_q_norm", "attn_k_norm", "post_attention_norm", "post_ffw_norm")
    },
    **{name: f"{name}.weight" for name in LAYER_NORMS},
    **{f"{name}_bias": f"{name}.bias" for name in LAYER_NORMS},
}
# Beside the layers: what goes before them, and what comes after.
FIRST_TENSORS = (
    "token_embd.weight",
    "position_embd.weight",
    "token_types.weight",
    "token_embd_norm.weight",
    "token_embd_norm.bias",
)
LAST_TENSORS = ("output_norm.weight", "output.weight", *DENSE)


def block_tensors(model: Model) -> dict[str, str]:
    """The kernel's name -> GGUF's name behind `blk.N.`, for what this model's layers have."""
    first, arch = "blk.0.", model.hyper.arch
    lacks = [] if arch.gated else ["ffn_gate"]
    lacks += ["attn_norm", "ffn_norm"] if arch.layer_norms else []
    optional = {k: v for k, v in OPTIONAL_TENSORS.items() if first + v in model.tensors}
    return {k: v for k, v in BLOCK_TENSORS.items() if k not in lacks} | optional


def tensor_names(model: Model) -> tuple[str, ...]:
    """The tensors that the kernel reads, in the order of the blob."""
    names = [name for name in FIRST_TENSORS if name in model.tensors]
    for layer in range(model.hyper.n_layer):
        names += [f"blk.{layer}.{tensor}" for tensor in block_tensors(model).values()]
    # No output.weight: it is tied to token_embd, or there are no logits.
    names += [name for name in LAST_TENSORS if name in model.tensors]
    return tuple(names)


@dataclass(frozen=True)
class BlobContents:
    """Names, shapes and sizes of all entries; only rope tables depend on n_ctx."""

    tensors: tuple[BlobEntry, ...]
    n_rot: int
    rope_tables: tuple[str, ...]
    vocabulary: tuple[BlobEntry, ...]  # not yet placed

    def entries(self, n_ctx: int) -> tuple[BlobEntry, ...]:
        """All entries at their offsets."""
        rope = (
            BlobEntry(name, "f32", None, n_ctx, self.n_rot, 0, n_ctx * self.n_rot * 4)
            for name in self.rope_tables
        )
        placed = list(self.tensors)
        offset = align_up(self.tensors[-1].end, BLOB_ALIGN)
        for table in (*rope, *self.vocabulary):
            placed.append(_at(table, offset))
            offset = align_up(placed[-1].end, BLOB_ALIGN)
        return tuple(placed)


def blob_contents(model: Model) -> BlobContents:
    """Place the tensors and measure the vocabulary."""
    placed: list[BlobEntry] = []
    offset = BLOB_HEADER_BYTES
    for name in tensor_names(model):
        entry = _at(_tensor_entry(name, rows_of(model, name)), offset)
        placed.append(entry)
        offset = align_up(entry.end, BLOB_ALIGN)
    return BlobContents(
        tensors=tuple(placed),
        n_rot=model.hyper.n_rot,
        rope_tables=_rope_tables(model),
        vocabulary=tuple(
            BlobEntry(
                table.name, table.layout, None, table.n_rows, table.n_cols, 0, len(table.data)
            )
            for table in vocabulary_tables(model.vocabulary)
        ),
    )


def _rope_tables(model: Model) -> tuple[str, ...]:
    if not model.hyper.n_rot:
        return ()
    return (ROPE, ROPE_LOCAL) if model.hyper.rope_freq_base_local else (ROPE,)


def blob_size_bytes(entries: tuple[BlobEntry, ...]) -> int:
    """The whole blob, a multiple of its alignment."""
    return align_up(entries[-1].end, BLOB_ALIGN)


def _tensor_entry(name: str, rows: Rows) -> BlobEntry:
    """Row tiles cost no bytes except for rows that fill the last tile."""
    tensor = rows.tensor
    layout = tensor.type.name.lower()
    if len(tensor.shape) == 1:
        if layout != "f32":
            raise PlanError(
                f"tensor {name} is {tensor.type.name}, wanted F32",
                hint="vectors are F32 in every file that llama.cpp's tools write",
            )
        return BlobEntry(name, layout, int(tensor.type), 1, tensor.n_cols, 0, tensor.size_bytes)
    height = rows_per_tile(tensor.type)
    size_bytes = tensor.row_bytes * align_up(rows.n, height)
    return BlobEntry(
        name, f"{layout}_r{height}", int(tensor.type), rows.n, tensor.n_cols, 0, size_bytes
    )


def _at(entry: BlobEntry, offset: int) -> BlobEntry:
    return BlobEntry(
        entry.name,
        entry.layout,
        entry.type,
        entry.n_rows,
        entry.n_cols,
        offset,
        entry.size_bytes,
    )
