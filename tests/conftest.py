"""Fixtures for every ring of tests.

Real models, vocabularies and device trees are no part of the project. They are looked for in the
folder that the environment variable BAREWORD_SHARED names, by default `shared` beside the checkout.
A test that needs one skips where it is missing; what generated models can show is shown on those.
"""

import signal
from pathlib import Path

import pytest

from tests.models import shared_folder, trained_model


def pytest_configure() -> None:
    """As at a terminal: a shell's background job ignores Ctrl-C, and so would what it starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real models, vocabularies and device trees that live beside the checkout, never in it."""
    return shared_folder()


@pytest.fixture(scope="session")
def stories260k() -> Path:
    """A real trained model of 260 thousand parameters, F32."""
    return trained_model()
