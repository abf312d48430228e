"""The kernel says what the references say: tokens, logits, sampling, turns."""

from pathlib import Path

import numpy as np
import pytest

from harness.codegen import chat_of, fragments, markers
from harness.gguf import read_gguf
from harness.link.generation import Generation
from harness.link.messages import SamplingParams
from harness.link.prompt import Prompt
from harness.plan import KvType
from harness.reference import ContractReference, FloatReference, encode
from harness.reference.generate import generate
from harness.synth import synthesize
from harness.verify import compare
from harness.verify.agreement import agreement
from harness.verify.compare import ids_of_written
from harness.verify.limits import FLOAT32_ABS
from tests.models import TRAINED
from tests.target.machine import CPUS, Workshop, greedy

pytestmark = pytest.mark.target

PROMPT = "Once upon a time"
N_STORY = 200
N_RANDOM = 32
F32_MODELS = ["micro-F32", "stories260K-F32"]


def is_trained(model: Path) -> bool:
    return model.stem.startswith(TRAINED)


def with_end(answer: Generation) -> tuple[int, ...]:
    """The tokens chosen, the one that ended the text included."""
    return answer.ids if answer.eog_id is None else (*answer.ids, answer.eog_id)


@pytest.mark.parametrize("model", F32_MODELS, indirect=True)
def test_float_weights_say_the_words_of_the_float64_reference(
    workshop: Workshop, model: Path
) -> None:
    n_predict = N_STORY if is_trained(model) else N_RANDOM
    answer = workshop.answer(workshop.image(model), PROMPT, greedy(n_predict))
    source = read_gguf(model)
    prompt_ids = encode(source.vocabulary, PROMPT, add_special=True, parse_special=True)
    reference = generate(
        FloatReference(source), prompt_ids, greedy(n_predict), n_predict, source.vocabulary.eog_ids
    )
    assert len(answer.ids) > 8
    assert with_end(answer) == reference.ids
    assert answer.logits is not None
    logits = reference.logits[: len(answer.ids)]
    assert agreement(answer.logits, logits).cosine > 0.999999
    if is_trained(model):
        assert answer.text.startswith(", there was a little girl named Lily. She loved to play")


@pytest.mark.parametrize("model", ["stories260K-Q8_0", "stories260K-Q4_0"], indirect=True)
def test_requantised_stories_equal_the_contract_reference(workshop: Workshop, model: Path) -> None:
    answer = workshop.answer(workshop.image(model), PROMPT, greedy(N_STORY))
    source = read_gguf(model)
    reference = generate(
        ContractReference(source, "f16"),
        answer.prompt_ids,
        greedy(N_STORY),
        N_STORY,
        source.vocabulary.eog_ids,
    )
    assert with_end(answer) == reference.ids
    assert answer.logits is not None
    np.testing.assert_array_equal(
        answer.logits.view(np.uint32), reference.logits[: len(answer.ids)].view(np.uint32)
    )


@pytest.mark.parametrize(
    "model",
    ["micro-F32", "micro-F16", "micro-BF16", "micro-Q8_0", "tiny-Q8_0", "tiny-Q4_0"],
    indirect=True,
)
def test_every_tensor_type_equals_both_references(workshop: Workshop, model: Path) -> None:
    prompt, params = Prompt.of_text(PROMPT), greedy(N_RANDOM, ignore_eog=True)
    answer = workshop.answer(workshop.image(model), prompt, params)
    verdict = compare(
        answer, read_gguf(model), prompt=prompt, params=params, kv_type="f16", n_ctx=512
    )
    assert verdict.ok, verdict.report()
    assert len(set(answer.ids)) > 8, "a model that repeats one token would hide errors"


def test_a_byte_level_vocabulary_equals_both_references(
    workshop: Workshop, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("bpe") / "bpe.gguf"
    model = read_gguf(synthesize("micro", quant="Q8_0", path=path, pre="llama-bpe"))
    text = "Hello, it's 12345 o'clock:  THEY'LL say\r\n\n naïve 你好 नमस्ते 😀 <|eot_id|> "
    prompt, params = Prompt.of_text(text), greedy(8, ignore_eog=True)
    turns = [("system", b"Be kind."), ("user", text.encode()), ("assistant", b""), ("user", b"b")]
    with workshop.session(workshop.image(path)) as session:
        answer = session.generate(prompt, params, want_logits=True)
        said = session.tokenize(Prompt.of_turns(*turns))
    verdict = compare(answer, model, prompt=prompt, params=params, kv_type="f16", n_ctx=512)
    assert verdict.ok, verdict.report()
    assert len(answer.prompt_ids) > 40
    chat = chat_of(model)
    assert chat.form
    parts = fragments(chat.form, turns)
    assert said == list(ids_of_written(model, parts, markers(model, chat)))
    eot = model.vocabulary.tokens.index(b"<|eot_id|>")
    assert said.count(eot) == len(turns)  # none of the user's own


@pytest.mark.parametrize("cpu", CPUS)
def test_k_quants_equal_the_contract_reference(
    workshop: Workshop, tiny_q4_k_m: Path, cpu: str
) -> None:
    built = workshop.image(tiny_q4_k_m)
    prompt = Prompt.of_text("Hello there, how are you?")
    params = greedy(24, ignore_eog=True)
    answer = workshop.answer(built, prompt, params, cpu=cpu)
    verdict = compare(
        answer, read_gguf(tiny_q4_k_m), prompt=prompt, params=params, kv_type="f16", n_ctx=512
    )
    assert verdict.ok, verdict.report()
    assert len(set(answer.ids)) > 8, "a model that repeats one token would hide errors"


@pytest.mark.parametrize("model", F32_MODELS, indirect=True)
def test_the_same_seed_draws_the_same_tokens_as_the_reference(
    workshop: Workshop, model: Path
) -> None:
    built = workshop.image(model)
    source = read_gguf(model)
    params = SamplingParams(
        n_predict=48, temp=0.9, top_k=50, top_p=0.9, min_p=0.02, repeat_penalty=1.2, seed=7
    )
    answer = workshop.answer(built, PROMPT, params)
    reference = generate(
        ContractReference(source, "f16"),
        answer.prompt_ids,
        params,
        params.n_predict,
        source.vocabulary.eog_ids,
    )
    assert with_end(answer) == reference.ids
    other = workshop.answer(built, PROMPT, SamplingParams(n_predict=48, temp=0.9, seed=8))
    assert other.ids != answer.ids


@pytest.mark.parametrize("model", F32_MODELS, indirect=True)
def test_a_second_turn_computes_only_its_own_tokens_and_the_same_bits(
    workshop: Workshop, model: Path
) -> None:
    built = workshop.image(model)
    with workshop.session(built) as session:
        first = session.generate(PROMPT, greedy(40), want_logits=True)
        turn = Prompt.of_text(" The end. Then", add_special=False)
        second = session.generate(turn, greedy(20), append=True, want_logits=True)
        assert second.stats is not None
        assert second.stats.n_reused >= len(first.prompt_ids) + len(first.ids) - 1
        whole = [*first.prompt_ids, *first.ids, *second.prompt_ids]
    with workshop.session(built) as session:
        fresh = session.generate(Prompt.of_ids(whole), greedy(20), want_logits=True)
    assert fresh.ids == second.ids
    assert fresh.logits is not None
    assert second.logits is not None
    np.testing.assert_array_equal(fresh.logits.view(np.uint32), second.logits.view(np.uint32))


@pytest.mark.parametrize("kv_type", ["f32", "q8_0"])
def test_other_caches_equal_the_contract_reference(
    workshop: Workshop, tiny_q4_k_m: Path, kv_type: KvType
) -> None:
    built = workshop.image(tiny_q4_k_m, kv_type=kv_type)
    prompt, params = Prompt.of_ids(range(3, 63)), greedy(16, ignore_eog=True)  # two chunks
    answer = workshop.answer(built, prompt, params)
    verdict = compare(
        answer, read_gguf(tiny_q4_k_m), prompt=prompt, params=params, kv_type=kv_type, n_ctx=512
    )
    assert verdict.ok, verdict.report()


@pytest.mark.parametrize("model", F32_MODELS, indirect=True)
def test_a_float32_cache_is_nearer_to_float64(workshop: Workshop, model: Path) -> None:
    source = read_gguf(model)
    errors = []
    kv_types: tuple[KvType, ...] = ("f16", "f32")
    for kv_type in kv_types:
        built = workshop.image(model, kv_type=kv_type)
        answer = workshop.answer(built, PROMPT, greedy(16))
        assert answer.logits is not None
        exact = generate(FloatReference(source), answer.prompt_ids, greedy(16), 16).logits
        errors.append(agreement(answer.logits, exact))
        assert errors[-1].cosine > 0.999999
    f16, f32 = errors
    assert f32.max_abs < f16.max_abs / 10
    assert f32.max_abs < FLOAT32_ABS
