"""Stack all regions upward from the load address, and check that the board's RAM holds them."""

from dataclasses import dataclass

from harness.board import Board
from harness.errors import FitError, PlanError
from harness.gguf import Model
from harness.plan.blob import BlobContents, blob_contents, blob_size_bytes
from harness.plan.buffers import (
    MAX_CORES,
    activation_buffers,
    link_buffers,
    n_logit_rows,
    quant_row,
    scratch_size_bytes,
    session_buffers,
    text_size_bytes,
    up_rows,
)
from harness.plan.memory import (
    CTX_ALIGN,
    KERNEL_BUDGET,
    KIB,
    MIB,
    KvType,
    MemoryPlan,
    Region,
    RegionKind,
    align_up,
    extra_kernel_bytes,
)
from harness.plan.place import PAGE, kv_base_in_image, place, ram_needed
from harness.plan.texts import key_rows, n_texts_of, text_buffers

N_CTX_DEFAULT = 2048
N_BATCHES = (16, 12, 8, 4, 2, 1)
APPEND_LIMIT = 16 * MIB  # a larger blob travels as initrd, which the loader need not copy twice
BLOB_FILE_ALIGN = 64 * KIB  # of a blob by itself: whole pages of any system that may map it
LANES = 4  # floats of a NEON vector
# Level 1, up to 4 of level 2 (per GiB that is not one block), 15 for ragged edges; and for three
# more ranges of RAM two edges each, with a table of level 2 and one of 3. The same for all boards.
PAGE_TABLES = 20 + 3 * 4
STACK_SIZE = 32 * KIB
# More than clang's largest frame, a GEMM's 7.9 KiB: none jumps over it. gcc's touch every page.
STACK_GUARD_SIZE = 8 * KIB
HEAD_SIZE_MAX = 256  # ATTENTION_MAX_HEAD of kernel/nn/kernels.h
CORE_SLOT_SIZE = 24 * KIB  # of kernel/arch/start.h: a guard below a stack


def plan_memory(
    model: Model,
    board: Board,
    *,
    n_ctx: int | None = None,
    kv_type: KvType = "f16",
    ram_size_bytes: int | None = None,
) -> MemoryPlan:
    """Give every buffer a place above the kernel, or explain what would have to shrink.

    FitError: the board has too little RAM, or it is in too small pieces. PlanError: the kernel
    cannot run such a model or context at all.
    n_ctx None: what the model was trained for, at most 2048. ram_size_bytes None: the board's.
    """
    _check_shape(model)
    n_ctx_train = model.hyper.n_ctx_train
    n_ctx = default_ctx(model) if n_ctx is None else n_ctx
    if not 1 <= n_ctx <= n_ctx_train:
        raise PlanError(
            f"a context of {n_ctx} tokens is out of range: "
            f"{model.name} was trained for {n_ctx_train}",
            hint=f"try --ctx {min(max(n_ctx, 1), n_ctx_train)}",
        )
    if ram_size_bytes is not None:
        board = board.with_ram(ram_size_bytes)
    planner = _Planner(model, board, blob_contents(model), kv_type)
    plan = planner.plan(n_ctx)
    if not planner.fits(n_ctx):
        pieces = ""
        if len(board.ram) > 1:
            largest = max(piece.size_bytes for piece in board.ram)
            pieces = f" in {len(board.ram)} pieces, the largest of {_mib(largest)}"
        raise FitError(
            f"{model.name} with n_ctx={n_ctx} needs {_mib(plan.ram_needed_bytes)} of RAM "
            f"(weights {_mib(plan.blob_size_bytes)}, {_grows(plan)}), "
            f"{board.name} has {_mib(board.ram_size_bytes)}{pieces}",
            hint=_hint(planner, n_ctx),
        )
    return plan


def default_ctx(model: Model) -> int:
    """What it was trained for, at most 2048 tokens."""
    return min(model.hyper.n_ctx_train, N_CTX_DEFAULT)


def largest_ctx(model: Model, board: Board, *, kv_type: KvType = "f16") -> int | None:
    """The most tokens of context that fit, of those that it was trained for; None: not one."""
    _check_shape(model)
    planner = _Planner(model, board, blob_contents(model), kv_type)
    return _largest_ctx(planner, model.hyper.n_ctx_train + 1)


@dataclass(frozen=True)
class _Planner:
    """All that is fixed while n_ctx is searched for."""

    model: Model
    board: Board
    contents: BlobContents
    kv_type: KvType

    def plan(self, n_ctx: int) -> MemoryPlan:
        """The plan with the largest batch that keeps the state within its budget."""
        if self.model.makes_vectors:
            return self._plan(n_ctx, n_ctx)  # a text is not cut
        for n_batch in N_BATCHES:
            plan = self._plan(n_ctx, n_batch)
            if plan.state_bytes <= plan.state_budget:
                return plan
        return plan

    def fits(self, n_ctx: int) -> bool:
        return self.plan(n_ctx).fits

    def _plan(self, n_ctx: int, n_batch: int) -> MemoryPlan:
        hyper, board = self.model.hyper, self.board
        entries = self.contents.entries(n_ctx)
        blob_bytes = blob_size_bytes(entries)
        appended = blob_bytes <= APPEND_LIMIT
        if not appended:
            blob_bytes = align_up(blob_bytes, BLOB_FILE_ALIGN)
        vectors = self.model.makes_vectors
        n_ctx_padded = key_rows(n_ctx) if vectors else align_up(n_ctx, CTX_ALIGN)
        kv_rows = hyper.n_layer * hyper.n_head_kv * n_ctx_padded
        keys_bytes = kv_rows * kv_row_bytes(self.kv_type, hyper.head_size)  # values: as many
        budget = KERNEL_BUDGET + extra_kernel_bytes(t.type for t in self.model.tensors.values())
        link = link_buffers()
        session = session_buffers(n_ctx)
        row = quant_row(hyper, {kind.block_size for kind in self.model.matrix_types})
        activations = (
            text_buffers(hyper, row.size_bytes, n_ctx)
            if vectors
            else activation_buffers(hyper, row.size_bytes, n_batch, n_ctx)
        )

        regions: list[Region] = []

        def add(name: str, kind: RegionKind, size_bytes: int, align: int = PAGE) -> None:
            base = regions[-1].end if regions else board.load_address
            regions.append(Region(name, align_up(base, align), align_up(size_bytes, PAGE), kind))

        add("kernel", "kernel", budget)
        if appended:
            add("blob", "ro", blob_bytes)
        add("page_tables", "rw", PAGE_TABLES * PAGE)
        add("stack_guard", "guard", STACK_GUARD_SIZE)
        add("stack", "rw", STACK_SIZE)
        add("core_stacks", "rw", (MAX_CORES - 1) * CORE_SLOT_SIZE)
        add("link", "rw", link.offset)
        add("session", "rw", session.offset)
        add("activations", "rw", activations.offset)
        kv_bytes = 0 if vectors else align_up(2 * keys_bytes, PAGE)
        initrd_bytes = 0 if appended else blob_bytes
        sizes = (regions[-1].end, kv_bytes, initrd_bytes)
        placement = place(board, *sizes)
        kv_in_image = placement is None or placement.kv_in_image
        kv_base = placement.kv_base if placement else kv_base_in_image(*sizes[:2])
        kv_cache = Region("kv_cache", kv_base, kv_bytes, "rw")
        if kv_in_image and not vectors:
            regions.append(kv_cache)
        return MemoryPlan(
            model_name=self.model.name,
            board_name=board.name,
            ram_base=board.ram_base,
            ram_size_bytes=board.ram_size_bytes,
            ram=board.ram,
            ram_needed_bytes=ram_needed(board, *sizes),
            fits=placement is not None,
            load_address=board.load_address,
            kernel_budget=budget,
            n_ctx=n_ctx,
            n_ctx_padded=n_ctx_padded,
            n_batch=n_batch,
            n_logit_rows=1 if vectors else n_logit_rows(hyper, n_batch),
            kv_type="f32" if vectors else self.kv_type,
            kv_k_offset=activations.offset_of("ACT_KEYS") if vectors else 0,
            kv_v_offset=activations.offset_of("ACT_VALUES") if vectors else keys_bytes,
            kv_cache=kv_cache,
            kv_in_image=kv_in_image,
            text_size_bytes=text_size_bytes(n_ctx),
            scratch_size_bytes=scratch_size_bytes(n_ctx),
            act_up_rows=0 if vectors else up_rows(hyper),
            act_quant_row_size=row.size_bytes,
            act_quant_q8_k=row.q8_k_offset,
            blob_appended=appended,
            blob_size_bytes=blob_bytes,
            initrd_base=placement.initrd_base if placement else None,
            regions=tuple(regions),
            buffers=(*link.buffers, *session.buffers, *activations.buffers),
            blob=entries,
            n_texts=n_texts_of(n_ctx) if vectors else 0,
            architecture=self.model.architecture,
        )


def kv_row_bytes(kv_type: KvType, head_size: int) -> int:
    """The key or value of one position and head, as kernel/nn/kv_layout.h has it."""
    if kv_type == "q8_0":
        return 2 * -(-head_size // 32) + align_up(head_size, 2)
    return head_size * (2 if kv_type == "f16" else 4)


def _check_shape(model: Model) -> None:
    """Vectors of a batch lie back to back, and each begins with a whole NEON vector."""
    hyper = model.hyper
    for what, n in (
        ("embedding length", hyper.n_embd),
        ("query length", hyper.n_head * hyper.head_size),
        ("key length", hyper.n_head_kv * hyper.head_size),
    ):
        if n % LANES:
            raise PlanError(
                f"{model.name}: {what} {n} is not a multiple of {LANES}",
                hint="such a model is not supported",
            )
    if hyper.head_size > HEAD_SIZE_MAX:
        raise PlanError(
            f"{model.name}: heads of {hyper.head_size} values, at most {HEAD_SIZE_MAX} fit",
            hint="such a model is not supported",
        )


def _hint(planner: _Planner, n_ctx: int) -> str:
    """The largest context that fits, or the RAM that would hold what was asked for."""
    needed = planner.plan(n_ctx).ram_needed_bytes
    if planner.board.any_ram:
        ram = f"--ram {-(-needed // MIB)}M"
    else:
        ram = f"a board with at least {_mib(needed)} of RAM"
    if len(planner.board.ram) > 1:
        ram += " in one piece"
    largest = _largest_ctx(planner, n_ctx)
    return f"try --ctx {largest}, or {ram}" if largest else f"no context fits; take {ram}"


def _largest_ctx(planner: _Planner, n_ctx: int) -> int | None:
    """The largest context below n_ctx that fits; None when not even one token does."""
    low, high = 1, n_ctx
    if high <= low or not planner.fits(low):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if planner.fits(middle):
            low = middle
        else:
            high = middle
    return low


def _grows(plan: MemoryPlan) -> str:
    if plan.n_texts:
        return f"texts of one pass {_mib(plan.texts_bytes)}"
    return f"KV cache {_mib(plan.kv_bytes)}"


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB:.1f} MiB"
