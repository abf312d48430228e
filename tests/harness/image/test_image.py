"""harness/image/image.py: the flat image, with the blob where the plan wants it."""

import dataclasses
from pathlib import Path

import pytest

from harness.board import load_board
from harness.errors import ImageError
from harness.image import Blob, image, make_image
from harness.plan import MemoryPlan, plan_memory
from tests.harness.plan.shapes import model_of

PLAN = plan_memory(model_of(), load_board("virt"))


def kernel_of(size_bytes: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    flat = bytes(i * 7 % 251 for i in range(size_bytes))
    monkeypatch.setattr(image, "flat_bytes", lambda *_: flat)
    return Path("kernel.elf")


def blob_of(plan: MemoryPlan, directory: Path) -> Blob:
    path = directory / "model.blob"
    path.write_bytes(b"B" * plan.blob_size_bytes)
    return Blob(path, plan.blob_size_bytes, crc=0, build_id=7)


def test_an_appended_blob_lies_at_its_region(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elf = kernel_of(1001, monkeypatch)
    made = make_image(elf, blob_of(PLAN, tmp_path), PLAN, tmp_path)
    data = made.kernel8.read_bytes()
    offset = PLAN.region("blob").base - PLAN.load_address
    assert made.blob is None
    assert made.build_id == 7
    assert data[:1001] == bytes(i * 7 % 251 for i in range(1001))
    assert not any(data[1001:offset])
    assert data[offset:] == b"B" * PLAN.blob_size_bytes
    assert len(data) % 4 == 0
    assert len(data) <= PLAN.image_size


def test_a_blob_beside_the_image_stays_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = dataclasses.replace(PLAN, blob_appended=False)
    blob = blob_of(plan, tmp_path)
    made = make_image(kernel_of(1001, monkeypatch), blob, plan, tmp_path)
    assert made.blob == blob.path
    data = made.kernel8.read_bytes()
    assert len(data) == 1004
    assert not any(data[1001:])


def test_a_kernel_over_its_budget_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elf = kernel_of(PLAN.kernel_budget + 1, monkeypatch)
    with pytest.raises(ImageError, match=f"{PLAN.kernel_budget + 1} bytes.*{PLAN.kernel_budget}"):
        make_image(elf, blob_of(PLAN, tmp_path), PLAN, tmp_path)
    assert not (tmp_path / "kernel8.img").exists()


def test_a_blob_of_another_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = dataclasses.replace(blob_of(PLAN, tmp_path), size_bytes=64)
    with pytest.raises(ImageError, match=f"64 bytes, planned were {PLAN.blob_size_bytes}"):
        make_image(kernel_of(100, monkeypatch), blob, PLAN, tmp_path)
