from pathlib import Path

import pytest

from harness.plan import MemoryPlan
from tests.harness.compile.tiny_elf import Workbench, tiny_plan


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> MemoryPlan:
    return tiny_plan(tmp_path_factory.mktemp("plan"))


@pytest.fixture
def bench(tmp_path: Path, plan: MemoryPlan) -> Workbench:
    return Workbench(tmp_path, plan)
