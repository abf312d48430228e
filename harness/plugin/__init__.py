"""A pytest plugin for tests that talk to a kernel: in QEMU, or on a board.

It is loaded wherever Bareword is installed, and does nothing unless a project asks for it:
`bareword = true` in its pytest settings, or `-p bareword` on the command line, in `addopts`, or in
PYTEST_ADDOPTS. That is the name of the entry point: pytest knows no plugin under two names, so
`-p harness.plugin` is for where Bareword is not installed, and then with the setting.
"""

import os
import shlex

import pytest

NAME = "bareword"  # of the entry point


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
    sources = (
        shlex.split(os.environ.get("PYTEST_ADDOPTS", "")),
        _addopts(config),
        [str(word) for word in config.invocation_params.args],
    )
    return any(
        word == f"-p{NAME}" or (before == "-p" and word == NAME)
        for words in sources
        for before, word in zip(["", *words], words, strict=False)
    )


def _addopts(config: pytest.Config) -> list[str]:
    try:
        return [str(word) for word in config.getini("addopts")]
    except ValueError:  # given to pytest.main(plugins=...): no settings have been read yet
        return []
