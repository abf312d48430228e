"""Does a model fit a board, and what bounds its speed there? Reckoned, never run on a board."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.bench.costs import instructions_per_token, visible_keys
from harness.bench.profile import weights_of
from harness.board import Board
from harness.errors import FitError
from harness.gguf import Model
from harness.plan import KvType, largest_ctx, plan_memory
from harness.plan.planner import kv_row_bytes

SHORT_CONTEXT = 128  # tokens: an answer to a short question


@dataclass(frozen=True)
class Ceiling:
    """What bounds one decoded token with n_context tokens in the KV cache.

    bytes_read: weights, keys and values, each read once. by_memory, by_instructions: tokens per
    second that the board's bandwidth and its cores allow; None without figures of the board.
    """

    n_context: int
    bytes_read: int
    instructions: float | None
    by_memory: float | None
    by_instructions: float | None

    @property
    def tokens_per_s(self) -> float | None:
        """The lower of the two."""
        if self.by_memory is None or self.by_instructions is None:
            return None
        return min(self.by_memory, self.by_instructions)


@dataclass(frozen=True)
class Fit:
    """The advice. refusal: why n_ctx tokens do not fit; "" when they do.

    largest_ctx None: no context fits. smallest_board: of the versions of this board, the first that
    holds n_ctx tokens; None: none does, or the board has no versions.
    """

    board: str
    fits: bool
    refusal: str
    n_ctx: int
    kv_type: str
    largest_ctx: int | None
    smallest_board: str | None
    weights_bytes_per_token: int  # of a model that makes vectors: per pass
    kv_bytes_per_position: int
    ceilings: tuple[Ceiling, ...]
    tier: str | None
    basis: str  # what the ceilings were reckoned from

    def as_dict(self) -> dict[str, Any]:
        """JSON types."""
        facts = asdict(self)
        for ceiling, known in zip(facts["ceilings"], self.ceilings, strict=True):
            ceiling["tokens_per_s"] = known.tokens_per_s
        return facts | {"is_prediction": True}


def advise(
    model: Model,
    board: Board,
    *,
    n_ctx: int,
    kv_type: KvType = "f16",
    versions: Sequence[Board] = (),
) -> Fit:
    """What is to be said about n_ctx tokens of this model on this board.

    versions: the same board with other sizes of RAM, ascending.
    """
    refusal = _refusal(model, board, n_ctx, kv_type)
    holding = (other.name for other in versions if not _refusal(model, other, n_ctx, kv_type))
    figures = board.prediction
    basis = (
        f"{figures.bandwidth_bytes_per_s / 1e9:.1f} GB/s; {figures.cores} cores at {figures.mhz} "
        f"MHz, {figures.ipc:g} instructions per cycle, {figures.tier}"
        if figures
        else ""
    )
    return Fit(
        board=board.name,
        fits=not refusal,
        refusal=refusal,
        n_ctx=n_ctx,
        kv_type=kv_type,
        largest_ctx=largest_ctx(model, board, kv_type=kv_type),
        smallest_board=next(holding, None),
        weights_bytes_per_token=weights_bytes(model),
        kv_bytes_per_position=kv_bytes(model, kv_type, 1),
        ceilings=tuple(_ceiling(model, board, kv_type, n) for n in _contexts(model, n_ctx)),
        tier=figures.tier if figures else None,
        basis=basis,
    )


def _contexts(model: Model, n_ctx: int) -> list[int]:
    """A short answer and a full context; a model that makes vectors decodes nothing."""
    return [] if model.makes_vectors else sorted({min(SHORT_CONTEXT, n_ctx), n_ctx})


def weights_bytes(model: Model) -> int:
    """Bytes of tensors that one token reads: all, but of an embedding table by itself one row.

    A model that makes vectors reads them once for all texts of a pass.
    """
    total = sum(tensor.size_bytes for tensor in model.tensors.values())
    table = model.tensor("token_embd.weight")
    is_output = model.tied and not model.makes_vectors
    return total if is_output else total - table.size_bytes + table.row_bytes


def kv_bytes(model: Model, kv_type: KvType, n_context: int) -> int:
    """Bytes of keys and values that a token with n_context others before it attends to."""
    if model.makes_vectors:
        return 0
    hyper = model.hyper
    row = kv_row_bytes(kv_type, hyper.head_size)
    return 2 * hyper.n_head_kv * row * sum(visible_keys(hyper, n_context))


def _refusal(model: Model, board: Board, n_ctx: int, kv_type: KvType) -> str:
    try:
        plan_memory(model, board, n_ctx=n_ctx, kv_type=kv_type)
    except FitError as error:
        return str(error)
    return ""


def _ceiling(model: Model, board: Board, kv_type: KvType, n_context: int) -> Ceiling:
    bytes_read = weights_bytes(model) + kv_bytes(model, kv_type, n_context)
    figures = board.prediction
    if figures is None:
        return Ceiling(n_context, bytes_read, None, None, None)
    instructions = instructions_per_token(model.hyper, weights_of(model), figures.tier, n_context)
    per_s = figures.cores * figures.mhz * 1e6 * figures.ipc
    return Ceiling(
        n_context,
        bytes_read,
        instructions,
        figures.bandwidth_bytes_per_s / bytes_read,
        per_s / instructions,
    )
