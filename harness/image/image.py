"""kernel8.img: the flat kernel, with the blob behind it when the plan says so."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.compile import flat_bytes
from harness.errors import ImageError
from harness.image.blob import Blob
from harness.image.files import atomic_file
from harness.plan import MemoryPlan


@dataclass(frozen=True)
class Image:
    """What a loader takes; blob None: it is part of kernel8."""

    kernel8: Path
    blob: Path | None
    build_id: int


def make_image(elf: Path, blob: Blob, plan: MemoryPlan, directory: Path) -> Image:
    """Write kernel8.img; the blob stays where it is."""
    flat = flat_bytes(elf, plan.load_address)
    if len(flat) > plan.kernel_budget:
        raise ImageError(
            f"{elf.name} has {len(flat)} bytes to load, its budget is {plan.kernel_budget}"
        )
    if blob.size_bytes != plan.blob_size_bytes:
        raise ImageError(
            f"{blob.path.name} has {blob.size_bytes} bytes, planned were {plan.blob_size_bytes}",
            hint="pack the blob again",
        )
    kernel8 = directory / "kernel8.img"
    with atomic_file(kernel8) as file:
        if plan.blob_appended:
            file.write(flat.ljust(plan.region("blob").base - plan.load_address, b"\0"))
            with blob.path.open("rb") as source:
                shutil.copyfileobj(source, file)
        else:
            file.write(flat.ljust(len(flat) + -len(flat) % 4, b"\0"))  # loaders copy whole words
    return Image(kernel8, None if plan.blob_appended else blob.path, blob.build_id)
