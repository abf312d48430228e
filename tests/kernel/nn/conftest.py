"""The operations, compiled by every compiler that is here."""

import shutil

import numpy as np
import pytest

from tests.kernel.nn.library import OPERATIONS, Library

COMPILERS = [name for name in ("gcc", "clang", "clang-19") if shutil.which(name)]


@pytest.fixture(scope="session", params=COMPILERS)
def nn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Library:
    compiler = str(request.param)
    return Library(tmp_path_factory.mktemp("nn") / f"{compiler}.so", OPERATIONS, compiler)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1)
