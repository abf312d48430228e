"""An image directory and a machine with a card, for the verbs that write one."""

from pathlib import Path

import pytest

from harness.cli.pipeline import Built
from tests.harness.cli.flash_bench import Bench
from tests.harness.cli.image_directory import image_directory


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return image_directory(tmp_path / "image")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)
