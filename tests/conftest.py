"""Fixtures for every ring of tests."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real models, vocabularies and device trees that live beside the checkout, never in it."""
    path = ROOT.parent / "shared"
    if not path.is_dir():
        pytest.skip("../shared is not there: real models and vectors are not part of the project")
    return path


@pytest.fixture(scope="session")
def stories260k(shared: Path) -> Path:
    """A real trained model of 260 thousand parameters, F32."""
    path = shared / "models" / "stories260K.gguf"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path
