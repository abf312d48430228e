"""Images and models that the tests of running targets share."""

from pathlib import Path

import pytest

from tests.models import Models
from tests.target.machine import Workshop, needs_qemu


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    needs_qemu()
    return Workshop(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def model(request: pytest.FixtureRequest, models: Models) -> Path:
    """The model that a test names by indirect parametrisation."""
    return models(request.param)


@pytest.fixture(scope="session")
def tiny_q4_k_m(models: Models) -> Path:
    """Random weights, dim 256: every width is a whole number of K-quant super-blocks."""
    return models("tiny-Q4_K_M")
