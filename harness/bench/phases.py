"""What the instructions of a function are for: one table, by source and name.

The image is counted as it is shipped: code that the compiler inlined counts for the function that
holds it. The first row whose pattern is found in `SOURCE FUNCTION` decides; what no row knows is
`other`, and shown by name.
"""

import re

from harness.bench.code import Function
from harness.bench.counter import Mark, Piece

TYPES = "f32|f16|bf16|q[2-8]_[01k]|iq4_nl|iq4_xs"
MATMUL = re.compile(
    rf"(?:matvec|gemm|matmul|multiply|panel|unpack|dot|tile)\w*?_({TYPES})(?![a-z0-9])"
)
NO_PRODUCT = re.compile(r"quanti[sz]e|^vec_")

HEAD = "output head"
WAITING = "waiting"
LINK = "link"
SAMPLING = "sampling"
OTHER = "other"

# (kind, pattern). Sources are paths below kernel/; without objects they are empty and only the
# functions' names count.
TABLE: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("attention", r"attention|attend|\bexp_f32$"),  # it rescales when the maximum rises
        ("embedding row", r"\brow_get|embedding|\bf16_to_f32$"),
        ("rope, KV append", r"rope|kv_cache|f16_row|append"),
        ("norm, quantise", r"rmsnorm|norm_rows|quanti[sz]e|\bvec_dot_f32"),
        (SAMPLING, r"sampler|\bsoftmax|pcg32|\bllm/generate\.c"),
        ("matmul, any type", r"matmul|matvec|gemm|panel|unpack"),
        ("residual, SiLU", r"\bvec_|silu"),
        ("transformer", r"transformer|\bnn/"),
        ("barriers", r"^smp/|parallel_|barrier"),
        (LINK, r"^(link|app|dev|platform|arch|llm)/"),
    )
)
ORDER = (
    "attention", "norm, quantise", "residual, SiLU", "rope, KV append", "embedding row",
    "transformer", "matmul, any type", HEAD, SAMPLING, "barriers", OTHER, LINK, WAITING,
)  # fmt: skip
# What depends on how fast the host answers, or on how far cores run apart: shown, never judged.
UNSTEADY = (LINK, WAITING)
FORWARD = (Mark.PREFILL_BEGIN, Mark.DECODE_BEGIN)


def kind_of(function: Function) -> str:
    """`matmul q4_k`, `attention`, ...; `other` for what the table does not know."""
    text = f"{function.source} {function.name}"
    product = MATMUL.search(function.name) or MATMUL.search(function.source)
    if product and not NO_PRODUCT.search(function.name):
        return f"matmul {product[1]}"
    return next((kind for kind, pattern in TABLE if pattern.search(text)), OTHER)


def kind_of_piece(piece: Piece, function: Function) -> str:
    """The kind of what was executed, where it was executed.

    Between forward passes the arithmetic is the sampler's, the rest is the line to the host.
    """
    if piece.waiting:
        return WAITING
    kind = kind_of(function)
    if piece.phase not in FORWARD:
        samples = kind == SAMPLING or function.source.startswith("nn/")
        return SAMPLING if samples else LINK
    return HEAD if piece.in_head else kind


def in_order(kinds: set[str]) -> list[str]:
    """Products first, by type; then as one reads a layer; what is not counted last."""
    products = sorted(kind for kind in kinds if kind not in ORDER)
    return [*products, *(kind for kind in ORDER if kind in kinds)]
