"""The same logits bits on every CPU, at every entry level, and on the host."""

import dataclasses
from itertools import product
from pathlib import Path
from shutil import which

import numpy as np
import pytest

from harness.cli.pipeline import Built
from harness.link.generation import Generation
from harness.link.messages import GenerateFlag
from harness.link.prompt import Prompt
from tests.target.machine import CPUS, Workshop, greedy

pytestmark = pytest.mark.target

N_TOKENS = 64
TIERS = (GenerateFlag.TIER_NEON, GenerateFlag.TIER_DOTPROD, GenerateFlag(0))  # the last: i8mm
# micro's rows of 172 weights are no whole number of blocks; tiny's Q4_0 and Q4_K_M hold Q6_K too.
# One model of every type is enough beside the self-test, which runs each product on each CPU.
MODELS = (
    "micro-F32",
    "micro-F16",
    "micro-BF16",
    "tiny-Q8_0",
    "tiny-Q4_0",
    "tiny-Q4_K_M",
    "stories260K-F32",
    "stories260K-Q8_0",
)


@pytest.fixture(scope="module")
def on_the_host(workshop: Workshop, model: Path) -> Generation:
    """The model's answer from portable C under AddressSanitizer and UBSan."""
    return answer_of(workshop, workshop.image(model), "twin")


def answer_of(workshop: Workshop, built: Built, cpu: str) -> Generation:
    params = greedy(N_TOKENS, ignore_eog=True)
    answer = workshop.answer(built, "Once upon a time", params, cpu=cpu)
    assert len(set(answer.ids)) > 8, "a model that repeats one token would hide errors"
    return answer


def bits(answer: Generation) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    assert answer.logits is not None
    assert answer.logits.shape[0] == N_TOKENS
    return answer.logits.view(np.uint32)


@pytest.mark.parametrize("model", MODELS, indirect=True)
@pytest.mark.parametrize("cpu", CPUS)
def test_every_cpu_gives_the_host_s_bits(
    workshop: Workshop, model: Path, on_the_host: Generation, cpu: str
) -> None:
    answer = answer_of(workshop, workshop.image(model), cpu)
    assert answer.ids == on_the_host.ids
    np.testing.assert_array_equal(bits(answer), bits(on_the_host))


@pytest.mark.parametrize(
    "model", ["tiny-Q8_0", "tiny-Q4_0", "tiny-Q4_K_M", "tiny-every-type"], indirect=True
)
def test_one_cpu_gives_the_same_bits_in_every_tier(
    workshop: Workshop, model: Path, on_the_host: Generation
) -> None:
    with workshop.session(workshop.image(model), cpu="max") as session:
        assert "(i8mm)" in session.welcome.description
        for tier in TIERS:
            session.tier = tier
            session.generate(Prompt.of_ids([2]), greedy(1))  # nothing of the prompt stays cached
            answer = session.generate(
                "Once upon a time", greedy(N_TOKENS, ignore_eog=True), want_logits=True
            )
            np.testing.assert_array_equal(bits(answer), bits(on_the_host))


@pytest.mark.parametrize("model", ["micro-F32", "tiny-Q4_K_M"], indirect=True)
def test_an_image_entered_at_el2_gives_the_same_bits(
    workshop: Workshop, model: Path, on_the_host: Generation
) -> None:
    built = workshop.image(model, board="virt-el2")
    with workshop.session(built) as session:
        assert "EL2" in session.welcome.description
        answer = session.generate(
            "Once upon a time", greedy(N_TOKENS, ignore_eog=True), want_logits=True
        )
    np.testing.assert_array_equal(bits(answer), bits(on_the_host))


@pytest.mark.parametrize("model", ["tiny-Q4_K_M"], indirect=True)
def test_a_gcc_kernel_gives_the_same_bits(
    workshop: Workshop, model: Path, on_the_host: Generation
) -> None:
    if which("aarch64-linux-gnu-gcc") is None:
        pytest.skip("aarch64-linux-gnu-gcc is not installed")
    built = workshop.image(model, cc="aarch64-linux-gnu-gcc")
    answer = answer_of(workshop, built, "cortex-a53")
    np.testing.assert_array_equal(bits(answer), bits(on_the_host))


@pytest.mark.parametrize(
    "model", ["tiny-Q8_0", "tiny-Q4_0", "tiny-Q4_K_M", "tiny-every-type"], indirect=True
)
def test_a_prompt_gives_the_same_bits_however_it_is_cut(workshop: Workshop, model: Path) -> None:
    built = workshop.image(model)
    ids = [1, *range(300, 340)]
    rows = []
    with workshop.session(built, cpu="max") as session:
        for tier, cuts in product(TIERS, ([41], [1, 41], [7, 8, 23, 41], [2, 5, 17, 41])):
            session.tier = tier
            session.generate(Prompt.of_ids([2]), greedy(1))  # nothing of the prompt stays cached
            for start, end in zip([0, *cuts], cuts, strict=False):
                last = session.generate(
                    Prompt.of_ids(ids[start:end]),
                    greedy(1 if end == 41 else 0, ignore_eog=True),
                    append=start > 0,
                    want_logits=True,
                )
            assert last.logits is not None
            rows.append(last.logits[0].view(np.uint32))
    for row in rows[1:]:
        np.testing.assert_array_equal(row, rows[0])


@pytest.mark.parametrize("cpu", ["cortex-a72", "cortex-a76"])
def test_guessing_ahead_gives_the_same_bits(
    workshop: Workshop, tiny_q4_k_m: Path, cpu: str
) -> None:
    """What is guessed goes through the code of prompts, a plain token through that of decoding."""
    plain = greedy(N_TOKENS, ignore_eog=True)
    with workshop.session(workshop.image(tiny_q4_k_m), cpu=cpu) as session:
        answers = []
        for params in (plain, dataclasses.replace(plain, n_draft=8)):
            session.generate(Prompt.of_ids([2]), greedy(1))  # nothing of the prompt stays cached
            prompt = Prompt.of_ids([1, *[300, 41, 77, 250, 12] * 6])
            answers.append(session.generate(prompt, params, want_logits=True))
    assert answers[1].stats is not None
    assert answers[1].stats.n_drafted > 0
    assert answers[0].ids == answers[1].ids
    np.testing.assert_array_equal(bits(answers[0]), bits(answers[1]))
