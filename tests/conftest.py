"""Fixtures for every ring of tests.

Real models, vocabularies and device trees are no part of the project. They are looked for in the
folder that the environment variable BAREWORD_SHARED names, by default `shared` beside the checkout.
A test that needs one skips where it is missing; what generated models can show is shown on those.
"""

import re
import signal
from pathlib import Path

import pytest

from tests.models import shared_folder, trained_model

MODULE_MARK = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.(\w+)", re.MULTILINE)


def pytest_configure() -> None:
    """As at a terminal: a shell's background job ignores Ctrl-C, and so would what it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A module whose tests are all of a mark that is not wanted is not imported.

    Half of what collecting costs is imports for tests that do not run: PyTorch's takes two seconds,
    in each worker.
    """
    unwanted = [term[4:] for term in config.option.markexpr.split(" and ") if term[:4] == "not "]
    if not unwanted or collection_path.suffix != ".py":
        return None
    marked = MODULE_MARK.search(collection_path.read_text(encoding="utf-8"))
    return True if marked and marked[1] in unwanted else None


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real models, vocabularies and device trees that live beside the checkout, never in it."""
    return shared_folder()


@pytest.fixture(scope="session")
def stories260k() -> Path:
    """A real trained model of 260 thousand parameters, F32."""
    return trained_model()
