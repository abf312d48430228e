"""Are all weights finite? Asked once per build, because one NaN silences every logit."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from harness.errors import GgufError
from harness.gguf.model import Model, Tensor
from harness.gguf.types import GGMLType

# Where a block keeps its half-precision scales, as (first byte, last byte + 1).
_SCALES: Final = {
    GGMLType.Q4_0: (0, 2),
    GGMLType.Q4_1: (0, 4),  # d and m
    GGMLType.Q5_0: (0, 2),
    GGMLType.Q5_1: (0, 4),
    GGMLType.Q8_0: (0, 2),
    GGMLType.Q2_K: (80, 84),  # d and dmin
    GGMLType.Q3_K: (108, 110),
    GGMLType.Q4_K: (0, 4),
    GGMLType.Q5_K: (0, 4),
    GGMLType.Q6_K: (208, 210),
    GGMLType.IQ4_NL: (0, 2),
    GGMLType.IQ4_XS: (0, 2),
}
# Infinity and NaN have all exponent bits set: dtype to view as, and those bits.
_EXPONENTS: Final = {
    GGMLType.F32: ("<u4", 0x7F800000),
    GGMLType.F16: ("<u2", 0x7C00),
    GGMLType.BF16: ("<u2", 0x7F80),
}


def finite_rows(
    model: Model,
    tensor: Tensor,
    rows_at_once: int,
    *,
    first_row: int = 0,
    n_rows: int | None = None,
) -> Iterator[npt.NDArray[np.uint8]]:
    """Rows of a tensor (all of them), some at a time, as the file has them; refuses the first that
    is not finite.
    """
    end = tensor.n_rows if n_rows is None else first_row + n_rows
    for first in range(first_row, end, rows_at_once):
        rows = model.read_rows(tensor.name, first, min(rows_at_once, end - first))
        bad = _first_non_finite(tensor, rows)
        if bad is not None:
            at = first * tensor.row_bytes + bad
            raise GgufError(
                f"{model.path.name}: {tensor.name} ({tensor.type.name}) holds an infinity or "
                f"a NaN in row {at // tensor.row_bytes} (at byte {tensor.offset + at}), "
                "wanted finite weights",
                hint="the file is damaged or was badly converted: download it again",
            )
        yield rows


def _first_non_finite(tensor: Tensor, rows: npt.NDArray[np.uint8]) -> int | None:
    """Byte offset within `rows` of the first weight or block scale that is not finite."""
    if tensor.type in _SCALES:
        start, end = _SCALES[tensor.type]
        blocks = rows.reshape(-1, tensor.type.block_bytes)
        scales = np.ascontiguousarray(blocks[:, start:end]).view("<u2")
        bad = np.flatnonzero((scales & 0x7C00 == 0x7C00).any(axis=1))
        return int(bad[0]) * tensor.type.block_bytes + start if bad.size else None
    dtype, exponent = _EXPONENTS[tensor.type]
    values = rows.reshape(-1).view(dtype)
    bad = np.flatnonzero(values & np.array(exponent, dtype) == exponent)
    return int(bad[0]) * values.itemsize if bad.size else None
