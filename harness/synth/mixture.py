"""Which type each tensor gets: llama.cpp's rules for the file types that the kernel supports."""

from typing import Final

from harness.gguf import GGMLType

EVERY_TYPE: Final = "every-type"  # no file type of llama.cpp's: each matrix another type

# file type -> (most tensors, llama.cpp's number for general.file_type)
QUANTS: Final = {
    "F32": (GGMLType.F32, 0),
    "F16": (GGMLType.F16, 1),
    "BF16": (GGMLType.BF16, 32),
    "Q4_0": (GGMLType.Q4_0, 2),
    "Q4_1": (GGMLType.Q4_1, 3),
    "Q5_0": (GGMLType.Q5_0, 8),
    "Q5_1": (GGMLType.Q5_1, 9),
    "Q8_0": (GGMLType.Q8_0, 7),
    "Q2_K": (GGMLType.Q2_K, 10),
    "Q3_K_M": (GGMLType.Q3_K, 12),
    "Q4_K_M": (GGMLType.Q4_K, 15),
    "Q5_K_M": (GGMLType.Q5_K, 17),
    "Q6_K": (GGMLType.Q6_K, 18),
    "IQ4_NL": (GGMLType.IQ4_NL, 25),
    "IQ4_XS": (GGMLType.IQ4_XS, 30),
    EVERY_TYPE: (GGMLType.F32, 1024),  # llama.cpp's "guessed"
}
_NEVER_QUANTISED: Final = ("position_embd.weight", "token_types.weight")
_OUTPUT_AS_IT_IS: Final = ("F32", "F16", "BF16", "Q8_0", "Q6_K")  # of the others Q6_K

# What llama.cpp takes when a row is not a whole number of blocks of 256.
_FALLBACKS: Final = {
    GGMLType.Q2_K: GGMLType.Q4_0,
    GGMLType.Q3_K: GGMLType.Q4_0,
    GGMLType.Q4_K: GGMLType.Q5_0,
    GGMLType.Q5_K: GGMLType.Q5_1,
    GGMLType.Q6_K: GGMLType.Q8_0,
    GGMLType.IQ4_XS: GGMLType.IQ4_NL,
}
_MATRICES: Final = (
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down",
)  # fmt: skip


def tensor_type(
    name: str, n_in: int, quant: str, *, n_layer: int, tied: bool, n_gqa: int = 1
) -> GGMLType:
    """The type of a matrix of this name with rows of n_in values; n_gqa: heads per kv head."""
    if name in _NEVER_QUANTISED:
        return GGMLType.F32
    if quant == EVERY_TYPE:
        return _fallback(_another_type(name), n_in)
    kind = QUANTS[quant][0]
    if name == "output.weight" or (tied and name == "token_embd.weight"):
        kind = kind if quant in _OUTPUT_AS_IT_IS else GGMLType.Q6_K
    elif name.startswith("blk."):
        _, layer, matrix, _ = name.split(".")
        kind = _in_layer(quant, matrix, int(layer), n_layer, n_gqa) or kind
    return _fallback(kind, n_in)


def _in_layer(quant: str, matrix: str, layer: int, n_layer: int, n_gqa: int) -> GGMLType | None:
    """The type where it is not the file's."""
    match quant, matrix:
        case (("Q4_K_M" | "Q5_K_M"), ("attn_v" | "attn_qkv" | "ffn_down")):
            return GGMLType.Q6_K if gets_more_bits(layer, n_layer) else None
        case "Q3_K_M", ("attn_v" | "attn_qkv"):
            return GGMLType.Q5_K if layer < 2 else GGMLType.Q4_K
        case "Q3_K_M", "ffn_down":
            return GGMLType.Q5_K if layer < n_layer // 16 else GGMLType.Q4_K
        case "Q3_K_M", "attn_output":
            return GGMLType.Q4_K
        case "Q2_K", ("attn_v" | "attn_qkv"):
            return GGMLType.Q4_K if n_gqa >= 4 else GGMLType.Q3_K
        case "Q2_K", ("ffn_down" | "attn_output"):
            return GGMLType.Q3_K
        case (("IQ4_NL" | "IQ4_XS"), ("attn_v" | "attn_qkv")):
            return GGMLType.Q5_K if n_gqa >= 4 else None
        case (("IQ4_NL" | "IQ4_XS"), "ffn_down"):
            return GGMLType.Q5_K if layer < n_layer // 8 else None
    return None


def gets_more_bits(layer: int, n_layer: int) -> bool:
    """llama.cpp's use_more_bits(): the first and last eighth, and every third between."""
    eighth = n_layer // 8
    return layer < eighth or layer >= 7 * n_layer // 8 or (layer - eighth) % 3 == 2


def _another_type(name: str) -> GGMLType:
    """One type after the other; 15 types and 7 matrices of a layer: three layers have all."""
    if not name.startswith("blk."):
        return GGMLType.Q5_1 if name == "token_embd.weight" else GGMLType.Q3_K
    _, layer, matrix, _ = name.split(".")
    types = list(GGMLType)
    nth = _MATRICES.index(matrix.removesuffix("kv"))  # attn_qkv takes the place of attn_q
    return types[(int(layer) * len(_MATRICES) + nth) % len(types)]


def _fallback(kind: GGMLType, n_in: int) -> GGMLType:
    """What llama.cpp takes when a row is not a whole number of blocks."""
    if n_in % kind.block_size == 0:
        return kind
    return GGMLType.F16 if n_in % 32 else _FALLBACKS[kind]
