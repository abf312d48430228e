"""Which type each tensor gets: llama.cpp's rules for the file types that the kernel supports."""

from typing import Final

from harness.errors import SynthError
from harness.gguf import GGMLType

Q5_0: Final = "Q5_0"  # what Q4_K falls back to, and what is not supported yet

# file type -> (most tensors, llama.cpp's number for general.file_type)
QUANTS: Final = {
    "F32": (GGMLType.F32, 0),
    "F16": (GGMLType.F16, 1),
    "BF16": (GGMLType.BF16, 32),
    "Q4_0": (GGMLType.Q4_0, 2),
    "Q8_0": (GGMLType.Q8_0, 7),
    "Q4_K_M": (GGMLType.Q4_K, 15),
    "Q6_K": (GGMLType.Q6_K, 18),
}


def tensor_type(name: str, n_in: int, quant: str, *, n_layer: int, tied: bool) -> GGMLType:
    """The type of a matrix of this name with rows of n_in values."""
    kind = QUANTS[quant][0]
    is_output = name == "output.weight" or (tied and name == "token_embd.weight")
    if quant in ("Q4_0", "Q4_K_M") and is_output:
        kind = GGMLType.Q6_K
    if quant == "Q4_K_M" and (".attn_v." in name or ".ffn_down." in name):
        layer = int(name.split(".")[1])
        kind = GGMLType.Q6_K if gets_more_bits(layer, n_layer) else GGMLType.Q4_K
    return _fallback(kind, name, n_in, quant)


def gets_more_bits(layer: int, n_layer: int) -> bool:
    """llama.cpp's use_more_bits(): the first and last eighth, and every third between."""
    eighth = n_layer // 8
    return layer < eighth or layer >= 7 * n_layer // 8 or (layer - eighth) % 3 == 2


def _fallback(kind: GGMLType, name: str, n_in: int, quant: str) -> GGMLType:
    """What llama.cpp takes when a row is not a whole number of blocks."""
    if n_in % kind.block_size == 0:
        return kind
    if n_in % 32:
        return GGMLType.F16
    if kind is GGMLType.Q6_K:
        return GGMLType.Q8_0
    raise SynthError(
        f"{quant} of this shape needs {Q5_0} for {name}, whose rows of {n_in} values are no "
        f"multiple of {kind.block_size}; {Q5_0} is not supported yet",
        hint="choose --quant Q8_0, Q4_0 or F16",
    )
