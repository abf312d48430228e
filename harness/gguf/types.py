"""Tensor element types: their numbers in a GGUF file, and how many bytes a block takes."""

from enum import IntEnum
from typing import Final


class GGMLType(IntEnum):
    """The element types that the kernel can multiply; values are ggml's type numbers."""

    F32 = 0
    F16 = 1
    Q4_0 = 2
    Q4_1 = 3
    Q5_0 = 6
    Q5_1 = 7
    Q8_0 = 8
    Q2_K = 10
    Q3_K = 11
    Q4_K = 12
    Q5_K = 13
    Q6_K = 14
    IQ4_NL = 20
    IQ4_XS = 23
    BF16 = 30

    @property
    def block_size(self) -> int:
        """Values in one block; blocks lie along a row, and a row holds whole blocks."""
        return _BLOCKS[self][0]

    @property
    def block_bytes(self) -> int:
        """Bytes of one block in the file."""
        return _BLOCKS[self][1]

    def row_bytes(self, n_cols: int) -> int:
        """Bytes of a row of `n_cols` values; `n_cols` must be a whole number of blocks."""
        assert n_cols % self.block_size == 0
        return n_cols // self.block_size * self.block_bytes


_BLOCKS: Final = {  # type -> (values, bytes) of a block
    GGMLType.F32: (1, 4),
    GGMLType.F16: (1, 2),
    GGMLType.BF16: (1, 2),
    GGMLType.Q4_0: (32, 2 + 16),  # d, nibbles
    GGMLType.Q4_1: (32, 2 + 2 + 16),  # d, m, nibbles
    GGMLType.Q5_0: (32, 2 + 4 + 16),  # d, high bits, nibbles
    GGMLType.Q5_1: (32, 2 + 2 + 4 + 16),  # d, m, high bits, nibbles
    GGMLType.Q8_0: (32, 2 + 32),  # d, int8
    GGMLType.Q2_K: (256, 16 + 64 + 2 + 2),  # 4-bit scales and mins, pairs, d, dmin
    GGMLType.Q3_K: (256, 32 + 64 + 12 + 2),  # high bits, low pairs, 6-bit scales, d
    GGMLType.Q4_K: (256, 2 + 2 + 12 + 128),  # d, dmin, 6-bit scales and mins, nibbles
    GGMLType.Q5_K: (256, 2 + 2 + 12 + 32 + 128),  # as Q4_K, with high bits before the nibbles
    GGMLType.Q6_K: (256, 128 + 64 + 16 + 2),  # low nibbles, high pairs, int8 scales, d
    GGMLType.IQ4_NL: (32, 2 + 16),  # d, nibbles
    GGMLType.IQ4_XS: (256, 2 + 2 + 4 + 128),  # d, high pairs and low nibbles of scales, nibbles
}

SUPPORTED: Final = ", ".join(t.name for t in GGMLType)

# Known to ggml, not to this kernel: named so that a refusal can say what the file holds.
UNSUPPORTED: Final = {
    9: "Q8_1",
    15: "Q8_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    21: "IQ3_S",
    22: "IQ2_S",
    24: "I8",
    25: "I16",
    26: "I32",
    27: "I64",
    28: "F64",
    29: "IQ1_M",
    34: "TQ1_0",
    35: "TQ2_0",
    39: "MXFP4",
    40: "NVFP4",
}

# Numbers whose formats were withdrawn from ggml; files that hold them must be converted again.
REMOVED: Final = {
    4: "Q4_2",
    5: "Q4_3",
    31: "Q4_0_4_4",
    32: "Q4_0_4_8",
    33: "Q4_0_8_8",
    36: "IQ4_NL_4_4",
    37: "IQ4_NL_4_8",
    38: "IQ4_NL_8_8",
}
