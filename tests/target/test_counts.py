"""What an answer costs, in instructions and bytes; one instruction is one tick of virtual time."""

from pathlib import Path

import pytest

from harness.board import load_board
from harness.cli.pipeline import Built
from harness.compile import flat_bytes
from harness.gguf import read_gguf
from harness.link.prompt import Prompt
from harness.plan import plan_memory
from tests.target.machine import Workshop, greedy

# micro has the shape and the tensor types of stories260K, so the same limits hold.
pytestmark = [
    pytest.mark.target,
    pytest.mark.parametrize("model", ["micro-F32", "stories260K-F32"], indirect=True),
]

MIB = 1 << 20
NS_PER_S = 1_000_000_000  # -icount shift=0: an instruction takes a nanosecond
# "Once upon a time, there was" to stories260K; any eight tokens cost the same.
PROMPT_IDS = [1, 403, 407, 261, 378, 432, 383, 286]


@pytest.fixture(scope="module")
def built(workshop: Workshop, model: Path) -> Built:
    return workshop.image(model)


def test_the_first_token_takes_at_most_12_million_instructions_from_reset(
    workshop: Workshop, built: Built
) -> None:
    with workshop.session(built, icount=True) as session:
        answer = session.generate(Prompt.of_ids(PROMPT_IDS), greedy(1))
        stats, welcome = answer.stats, session.welcome
    assert stats is not None
    ticks = welcome.boot_ticks + stats.ticks_receive + stats.ticks_prefill
    instructions = ticks * NS_PER_S // welcome.ticks_per_s
    assert 100_000 < instructions <= 12_000_000


def test_a_decoded_token_takes_at_most_600_thousand_instructions(
    workshop: Workshop, built: Built
) -> None:
    with workshop.session(built, icount=True) as session:
        answer = session.generate(Prompt.of_ids(PROMPT_IDS), greedy(17, ignore_eog=True))
        stats = answer.stats
    assert stats is not None
    assert len(answer.ids) == 17
    per_token = stats.ticks_decode * NS_PER_S // stats.ticks_per_s // 16
    assert 50_000 < per_token <= 600_000


def test_the_image_without_weights_is_at_most_256_kib(built: Built) -> None:
    code_and_data = len(flat_bytes(built.elf, built.board.load_address))
    assert 32 * 1024 < code_and_data <= 192 * 1024  # the rest up to the blob is padding
    assert built.image.kernel8.stat().st_size - _blob_bytes(built) <= 256 * 1024


def test_state_beyond_weights_and_cache_is_at_most_2_mib(model: Path) -> None:
    plan = plan_memory(read_gguf(model), load_board("virt"), n_ctx=None)
    assert plan.state_bytes <= 2 * MIB


def _blob_bytes(built: Built) -> int:
    return (built.directory / "model.blob").stat().st_size
