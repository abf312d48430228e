"""Images and models that the tests of running targets share."""

from pathlib import Path

import pytest

from harness.synth import synthesize
from tests.models import requantise
from tests.target.machine import Workshop, needs_qemu


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    needs_qemu()
    return Workshop(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def tiny_q4_k_m(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights, dim 256: every width is a whole number of K-quant super-blocks."""
    path = tmp_path_factory.mktemp("models") / "tiny-Q4_K_M.gguf"
    synthesize("tiny", quant="Q4_K_M", path=path, seed=1)
    return path


@pytest.fixture(scope="session")
def stories260k_q8_0(stories260k: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "stories260K-Q8_0.gguf"
    return requantise(stories260k, "Q8_0", path)


@pytest.fixture(scope="session")
def stories260k_q4_0(stories260k: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "stories260K-Q4_0.gguf"
    return requantise(stories260k, "Q4_0", path)
