"""A pytest plugin for tests that talk to a kernel: in QEMU, or on a board.

It is loaded wherever Bareword is installed, and does nothing unless a project asks for it:
`bareword = true` in its pytest settings, or `-p bareword` on the command line.
"""

import pytest

NAMES = ("bareword", __name__)  # of the entry point, and of this module


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """The setting; where it is true, everything else."""
    parser.addini(
        "bareword", "fixtures, options and markers for tests on kernels", type="bool", default=False
    )
    config = pluginmanager.getplugin("pytestconfig")
    if config is not None and _is_asked_for(config):
        from harness.plugin import boards  # what it imports, other projects need not wait for

        pluginmanager.register(boards, "bareword-boards")


def _is_asked_for(config: pytest.Config) -> bool:
    if config.getini("bareword"):
        return True
    given = [str(word) for word in config.invocation_params.args]
    pairs = zip(["", *given], given, strict=False)
    return any(
        name in (f"-p{n}" for n in NAMES) or (before == "-p" and name in NAMES)
        for before, name in pairs
    )
