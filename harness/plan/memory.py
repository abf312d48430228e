"""The memory plan: regions of RAM, buffers inside them, and what is where in model.blob."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from harness.board import RamRange
from harness.gguf import GGMLType

KIB = 1 << 10
MIB = 1 << 20

KERNEL_BUDGET = 256 * KIB  # text, rodata, data and bss of any kernel, but for extra_kernel_bytes()
STATE_BUDGET = 2 * MIB  # all RAM beyond the model and its KV cache, of a model of up to 2 GiB
BLOB_HEADER_BYTES = 64
BLOB_ALIGN = 64  # a cache line: no two tensors share one
MAX_TILE_ROWS = 8
ROPE, ROPE_LOCAL = "rope", "rope_local"  # tables of angles; the other one of local layers
CTX_ALIGN = 64  # positions: one attention chunk

KvType = Literal["f16", "f32", "q8_0"]
RegionKind = Literal["kernel", "ro", "rw", "guard"]


def align_up(value: int, align: int) -> int:
    """The next multiple of align that is not below value."""
    return -(-value // align) * align


def rows_per_tile(type: GGMLType) -> int:
    """Rows that the tiles of a type interleave; kernel/nn/tiles.h says why."""
    return 4 if type in (GGMLType.F32, GGMLType.F16, GGMLType.BF16) else MAX_TILE_ROWS


# Types whose products are in any kernel, as most models have them.
COMMON_TYPES = frozenset(
    {
        GGMLType.F32, GGMLType.F16, GGMLType.BF16,
        GGMLType.Q8_0, GGMLType.Q4_0, GGMLType.Q4_K, GGMLType.Q6_K,
    }
)  # fmt: skip
OTHER_TYPES_WITHIN_BUDGET = 3  # beside them and the rest of a kernel: 180 KiB and 3 times 21
TYPE_BUDGET = 24 * KIB  # of one type's products: 10 to 21 KiB


def extra_kernel_bytes(types: Iterable[GGMLType]) -> int:
    """Bytes beyond KERNEL_BUDGET for a model that has these types; 0 for most models."""
    others = len(set(types) - COMMON_TYPES)
    return TYPE_BUDGET * max(0, others - OTHER_TYPES_WITHIN_BUDGET)


@dataclass(frozen=True)
class Region:
    """A span of physical memory with one purpose; `end` is exclusive.

    kind: kernel (the linker script places text, rodata, data and bss), ro (mapped read-only),
    rw (read-write, never executable), guard (not mapped).
    """

    name: str
    base: int
    size_bytes: int
    kind: RegionKind

    @property
    def end(self) -> int:
        """The first address after the region."""
        return self.base + self.size_bytes


@dataclass(frozen=True)
class Buffer:
    """A span inside a region; buffers of one region may share bytes when never live together."""

    name: str
    region: str
    offset: int
    size_bytes: int

    @property
    def end(self) -> int:
        """The first offset after the buffer."""
        return self.offset + self.size_bytes


@dataclass(frozen=True)
class BlobEntry:
    """A tensor or table in model.blob; offset from the blob's start.

    layout: `<type>_r4` or `_r8` for tiles of so many rows, f32 for vectors and tables, u32, u8,
    bytes.
    type: the GGML type number of a tensor, None for a table.
    """

    name: str
    layout: str
    type: int | None
    n_rows: int
    n_cols: int
    offset: int
    size_bytes: int

    @property
    def end(self) -> int:
        """The first offset after the entry."""
        return self.offset + self.size_bytes


@dataclass(frozen=True)
class MemoryPlan:
    """Where everything is.

    regions: those of the image, from its first byte on; the KV cache is the last of them unless it
    only fits elsewhere (kv_in_image False): then the kernel finds it a place at boot, and kv_cache
    says where that is likely to be.
    initrd_base: where the blob will be when it is not appended to the image, if QEMU loads it.
    ram_needed_bytes: the least RAM that holds image, initrd and device tree in one range.
    fits: whether the ranges of `ram` hold all; a plan that does not is only for its sizes.
    """

    model_name: str
    board_name: str
    ram_base: int
    ram_size_bytes: int
    ram: tuple[RamRange, ...]
    ram_needed_bytes: int
    fits: bool
    load_address: int
    kernel_budget: int
    n_ctx: int
    n_ctx_padded: int
    n_batch: int
    n_logit_rows: int
    kv_type: KvType
    kv_k_offset: int
    kv_v_offset: int
    kv_cache: Region
    kv_in_image: bool
    text_size_bytes: int
    scratch_size_bytes: int
    act_up_rows: int  # of a core's part of ACT_UP; 0: it holds all rows
    act_quant_row_size: int
    act_quant_q8_k: int
    blob_appended: bool
    blob_size_bytes: int
    initrd_base: int | None
    regions: tuple[Region, ...]
    buffers: tuple[Buffer, ...]
    blob: tuple[BlobEntry, ...]
    n_texts: int = 0  # of one pass of a model that makes vectors; 0: it goes on with texts
    architecture: str = "llama"

    def region(self, name: str) -> Region:
        """The region of that name; KeyError when the plan has none."""
        return _named(self.regions, name)

    def buffer(self, name: str) -> Buffer:
        """The buffer of that name."""
        return _named(self.buffers, name)

    def entry(self, name: str) -> BlobEntry:
        """The blob entry of that name."""
        return _named(self.blob, name)

    def has_entry(self, name: str) -> bool:
        """Whether the blob holds it; a tied model has no `output`."""
        return any(entry.name == name for entry in self.blob)

    @property
    def image_size(self) -> int:
        """Bytes of RAM from the image's start to the end of the last region."""
        return self.regions[-1].end - self.load_address

    @property
    def weights_bytes(self) -> int:
        """The tensors, as they lie in the blob."""
        return sum(entry.size_bytes for entry in self.blob if entry.type is not None)

    @property
    def vocabulary_bytes(self) -> int:
        """The token tables, which are the model's own data like its weights."""
        tables = (
            entry
            for entry in self.blob
            if entry.type is None and entry.name not in (ROPE, ROPE_LOCAL)
        )
        return sum(entry.size_bytes for entry in tables)

    @property
    def tables_bytes(self) -> int:
        """What the blob holds beyond the model: rope table, header, alignment."""
        return self.blob_size_bytes - self.weights_bytes - self.vocabulary_bytes

    @property
    def kv_bytes(self) -> int:
        """The KV cache; 0: a model that makes vectors has none."""
        return self.kv_cache.size_bytes

    @property
    def texts_bytes(self) -> int:
        """What all tokens of one pass hold at once, in a model that makes vectors; else 0."""
        return self.region("activations").size_bytes if self.n_texts else 0

    @property
    def state_bytes(self) -> int:
        """All RAM beyond the model's own data (weights, vocabulary) and what grows with texts."""
        regions = (r.size_bytes for r in self.regions if r.name not in ("blob", "kv_cache"))
        return sum(regions) - self.texts_bytes + self.tables_bytes

    @property
    def state_budget(self) -> int:
        """What the state may take: 2 MiB, of a large model a thousandth of its weights.

        A batch of one token would save less, and read all those weights for each token of a prompt.
        """
        return max(STATE_BUDGET, self.weights_bytes // 1024)

    @property
    def gap_bytes(self) -> int:
        """Bytes between regions that only align the next one."""
        return self.image_size - sum(region.size_bytes for region in self.regions)

    def as_dict(self) -> dict[str, Any]:
        """The plan and its totals as JSON types."""
        return asdict(self) | {
            "image_size": self.image_size,
            "weights_bytes": self.weights_bytes,
            "vocabulary_bytes": self.vocabulary_bytes,
            "tables_bytes": self.tables_bytes,
            "kv_bytes": self.kv_bytes,
            "texts_bytes": self.texts_bytes,
            "state_bytes": self.state_bytes,
            "state_budget": self.state_budget,
            "gap_bytes": self.gap_bytes,
        }

    def table(self) -> str:
        """The plan for a person to read."""
        from harness.plan.table import render_table

        return render_table(self)


T = TypeVar("T", Region, Buffer, BlobEntry)


def _named(items: tuple[T, ...], name: str) -> T:
    for item in items:
        if item.name == name:
            return item
    raise KeyError(name)
