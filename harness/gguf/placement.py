"""From the tensor table to tensors: types that we know, whole blocks, places inside the file."""

from itertools import pairwise

from harness.errors import GgufError
from harness.gguf.container import Container, TensorInfo
from harness.gguf.model import Tensor
from harness.gguf.types import REMOVED, SUPPORTED, UNSUPPORTED, GGMLType


def place_tensors(container: Container) -> dict[str, Tensor]:
    """Every tensor with its absolute place; refuses what is misplaced or of another type."""
    tensors = {info.name: _place(info, container) for info in container.infos}
    by_offset = sorted(tensors.values(), key=lambda tensor: tensor.offset)
    for before, after in pairwise(by_offset):
        if before.offset + before.size_bytes > after.offset:
            raise GgufError(
                f"{after.name} at byte {after.offset} overlaps {before.name}, "
                f"which ends at byte {before.offset + before.size_bytes}"
            )
    return tensors


def _place(info: TensorInfo, container: Container) -> Tensor:
    kind = _known_type(info)
    # (n, 1) and (n) are the same tensor to ggml.
    shape = info.shape
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    if shape[0] % kind.block_size:
        raise GgufError(
            f"{info.name} is {kind.name} with rows of {shape[0]} values, wanted a multiple of "
            f"{kind.block_size} (entry at byte {info.at})"
        )
    n_rows = 1
    for n in shape[1:]:
        n_rows *= n
    size_bytes = n_rows * kind.row_bytes(shape[0])
    if info.offset % container.alignment:
        raise GgufError(
            f"{info.name} has offset {info.offset}, wanted a multiple of the alignment "
            f"{container.alignment} (entry at byte {info.at})"
        )
    room = container.size_bytes - container.data_start
    if info.offset > room or size_bytes > room - info.offset:
        raise GgufError(
            f"{info.name} takes {size_bytes} bytes at byte {container.data_start + info.offset}, "
            f"the file ends at byte {container.size_bytes}",
            hint="the file is truncated: download or convert it again",
        )
    return Tensor(info.name, shape, kind, container.data_start + info.offset, size_bytes)


def _known_type(info: TensorInfo) -> GGMLType:
    number = info.type_number
    if number in REMOVED:
        raise GgufError(
            f"{info.name} is {REMOVED[number]} (type {number}), a format that ggml removed; "
            f"supported: {SUPPORTED}",
            hint="quantise the original model again with a current llama-quantize",
        )
    if number in UNSUPPORTED:
        raise GgufError(
            f"{UNSUPPORTED[number]} in {info.name} is not supported; supported: {SUPPORTED}",
            hint="use another file of the same model, such as Q4_K_M or Q8_0",
        )
    try:
        return GGMLType(number)
    except ValueError:
        raise GgufError(
            f"{info.name} has unknown type {number} (entry at byte {info.at}); "
            f"supported: {SUPPORTED}"
        ) from None
