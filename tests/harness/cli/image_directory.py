"""An image directory as `build` leaves it, without a compiler: bytes that nobody boots."""

import hashlib
import json
from pathlib import Path

from harness.cli.pipeline import Built, load_built
from harness.image.card.listing import CardList
from harness.image.card.mbr import Partition, boot_record

BUILD_ID = "00c0ffee00c0ffee"


def image_directory(directory: Path, *, board: str = "raspi4b", appended: bool = False) -> Built:
    """kernel8.img, model.blob unless it is part of the kernel, and the manifest of both."""
    directory.mkdir(parents=True)
    (directory / "kernel8.img").write_bytes(b"kernel" * 1000)
    (directory / "model.blob").write_bytes(b"BAREWORD" * 1000)
    manifest = {
        "complete": True,
        "board": board,
        "build_id": BUILD_ID,
        "blob_appended": appended,
        "model": "fake",
        "model_path": str(directory / "fake.gguf"),
        "n_ctx": 64,
        "kv_type": "f16",
        "chat": False,
        "cpu": None,
        "ram_bytes": None,
        "ram_needed_bytes": 1 << 20,
        "kernel8_bytes": 6000,
        "blob_bytes": 8000,
        "inputs": {"gguf": {}, "blob": "b", "image": "i", "crc": 1},
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return load_built(directory)


def add_card(built: Built, size_bytes: int = 8 << 20) -> bytes:
    """card.img and card.json that mtools had no part in; the image's bytes."""
    sectors = size_bytes // 512
    data = boot_record([Partition(0x0C, 8192, sectors - 8192)], 1)
    data += hashlib.sha256(b"card").digest() * ((size_bytes - 512) // 32)
    (built.directory / "card.img").write_bytes(data)
    card = CardList(
        board=built.board.name,
        build_id=BUILD_ID,
        image="card.img",
        size_bytes=size_bytes,
        sha256=hashlib.sha256(data).hexdigest(),
        extents=((0, size_bytes),),
        partitions=(),
        files=(),
        notes=(),
        key="k",
    )
    (built.directory / "card.json").write_text(json.dumps(card.as_dict()))
    return data
