"""kernel.elf + weights in row tiles -> kernel8.img and model.blob."""

from harness.image.blob import Blob, pack_blob
from harness.image.image import Image, make_image
from harness.image.tiles import tile_rows

__all__ = ["Blob", "Image", "make_image", "pack_blob", "tile_rows"]
