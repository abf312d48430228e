"""Architectures in the kernel as it boots; llama: test_bits.py, qwen3, bert: test_embeddings.py."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.gguf import read_gguf
from harness.gguf.model import RopeScaling
from harness.link.prompt import Prompt
from harness.reference import ContractReference, teacher_forced
from harness.synth import synthesize
from tests.target.machine import Workshop, greedy

pytestmark = pytest.mark.target

# Each on a CPU of one tier: plain Armv8.0, dotprod or i8mm.
CPUS = {"granite": "cortex-a72", "qwen2": "cortex-a76", "phi3": "cortex-a72", "gemma2": "max"}
CHANGES: dict[str, dict[str, Any]] = {"gemma2": {"window": 20}}


@pytest.mark.parametrize("arch", CPUS)
def test_matrices_of_every_type_have_the_bits_of_the_contract(
    workshop: Workshop, tmp_path: Path, arch: str
) -> None:
    path = synthesize(
        "tiny",
        arch=arch,
        quant="every-type",
        path=tmp_path / "m.gguf",
        n_vocab=400,
        changes={"n_layer": 3} | CHANGES.get(arch, {}),
        optional=lambda name: name.startswith("rope_"),
    )
    ids = np.random.default_rng(3).integers(3, 400, 40).tolist()
    prompt, params = Prompt.of_ids(ids), greedy(4, ignore_eog=True)
    answer = workshop.answer(workshop.image(path, n_ctx=128), prompt, params, cpu=CPUS[arch])
    want = teacher_forced(ContractReference(read_gguf(path)), ids, answer.ids)
    assert answer.logits is not None
    assert np.array_equal(answer.logits.view(np.uint32), want.view(np.uint32))
    assert len(set(answer.ids)) > 1


def test_windows_caps_norms_and_gelu_have_the_bits_of_the_contract(
    workshop: Workshop, tmp_path: Path
) -> None:
    path = synthesize(
        "micro",
        arch="gemma3",
        quant="F32",
        path=tmp_path / "m.gguf",
        changes={
            "n_layer": 3,
            "head_size": 96,
            "n_rot": 80,
            "window": 9,
            "local_layers": (True, False, True),
            "logit_softcap": 9.0,
            "rope_scaling": RopeScaling(factor=8.0),
        },
    )
    ids = np.random.default_rng(2).integers(3, 400, 75).tolist()  # beyond a chunk of attention
    answer = workshop.answer(
        workshop.image(path), Prompt.of_ids(ids), greedy(8, ignore_eog=True), n_cores=3
    )
    want = teacher_forced(ContractReference(read_gguf(path)), ids, answer.ids)
    assert answer.logits is not None
    assert np.array_equal(answer.logits.view(np.uint32), want.view(np.uint32))
