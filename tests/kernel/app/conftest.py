"""The host program for a small model."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.board import load_board
from harness.codegen import render_headers, write_headers
from harness.compile import compile_twin
from harness.gguf import read_gguf
from harness.image import pack_blob
from harness.plan import plan_memory
from harness.synth import synthesize
from tests.chat_model import write_chat_model

N_CTX = 256


@dataclass(frozen=True)
class Twin:
    """The program and its model."""

    program: Path
    blob: Path


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Twin:
    folder = tmp_path_factory.mktemp("twin")
    return build_twin(synthesize("micro", quant="Q8_0", path=folder / "m.gguf", seed=1))


@pytest.fixture(scope="session")
def chat_twin(tmp_path_factory: pytest.TempPathFactory) -> Twin:
    """With a chat template; its model is beside the blob."""
    return build_twin(write_chat_model(tmp_path_factory.mktemp("chat") / "m.gguf"))


def build_twin(path: Path) -> Twin:
    folder, model, board = path.parent, read_gguf(path), load_board("virt")
    plan = plan_memory(model, board, n_ctx=N_CTX)
    headers = render_headers(model, board, plan)
    write_headers(headers, folder)
    blob = pack_blob(model, plan, headers.build_id, folder / "model.blob")
    return Twin(compile_twin(folder, folder, sanitize=True), blob.path)
