"""The verdict on vectors passes a faithful kernel and fails every corrupted one."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.gguf import Model, read_gguf
from harness.link.messages import Stop
from harness.link.prompt import Prompt
from harness.link.vectors import Embedded, Embeddings
from harness.reference import ContractEncoder, encode
from harness.synth import synthesize
from harness.verify import VectorVerdict, compare_vectors

TEXTS = ["a little cat", "the sun goes down behind the hill"]
PROMPTS = [Prompt.of_text(text, parse_special=False) for text in TEXTS]


@pytest.fixture(scope="module", params=["gemma-embedding", "bert"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("models") / "m.gguf"
    changes = {"n_layer": 2} | ({} if request.param == "bert" else {"head_size": 16, "n_rot": 16})
    return read_gguf(
        synthesize("micro", arch=str(request.param), quant="Q8_0", path=path, changes=changes)
    )


@pytest.fixture(scope="module")
def ids(model: Model) -> list[list[int]]:
    return [encode(model.vocabulary, t, add_special=True, parse_special=False) for t in TEXTS]


@pytest.fixture(scope="module")
def faithful(model: Model, ids: list[list[int]]) -> Embeddings:
    made = [ContractEncoder(model).embed(text) for text in ids]
    return Embeddings(
        np.array([vector for vector, _ in made]),
        np.array([length for _, length in made], np.float32),
        tuple(map(len, ids)),
        Embedded(Stop.LENGTH, 2, sum(map(len, ids)), 1, 0, 0),
    )


def judge(found: Embeddings, ids: list[list[int]], model: Model) -> VectorVerdict:
    return compare_vectors(found, ids, model, PROMPTS)


def failed(verdict: VectorVerdict) -> set[str]:
    return {check.name for check in verdict.checks if not check.ok}


def test_a_faithful_kernel_passes(faithful: Embeddings, ids: list[list[int]], model: Model) -> None:
    verdict = judge(faithful, ids, model)
    assert failed(verdict) == set()
    assert verdict.report().endswith("verdict: PASS")
    assert "2 texts" in verdict.report()
    assert json.loads(json.dumps(verdict.as_dict(), allow_nan=False))["ok"] is True


def last_bit(found: Embeddings) -> Embeddings:
    vectors = found.vectors.copy()
    vectors[1, 3] = np.nextafter(vectors[1, 3], np.float32(2))
    return replace(found, vectors=vectors)


def turned(found: Embeddings) -> Embeddings:
    vectors = found.vectors + np.float32(0.02) * np.sign(found.vectors[::-1])
    return replace(found, vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def longer(found: Embeddings) -> Embeddings:
    return replace(found, lengths=found.lengths * np.float32(1.1))


@pytest.mark.parametrize(
    ("spoil", "wanted"),
    [
        (last_bit, {"contract: vectors"}),
        (turned, {"contract: vectors", "float64: cosine"}),
        (longer, {"contract: vectors", "float64: length"}),
    ],
)
def test_a_corrupted_vector_fails(
    spoil: Callable[[Embeddings], Embeddings],
    wanted: set[str],
    faithful: Embeddings,
    ids: list[list[int]],
    model: Model,
) -> None:
    assert wanted <= failed(judge(spoil(faithful), ids, model))


def test_other_tokens_fail(faithful: Embeddings, ids: list[list[int]], model: Model) -> None:
    assert failed(judge(faithful, [ids[0][:-1], ids[1]], model)) == {"tokens"}
    fewer = replace(faithful, n_tokens=(faithful.n_tokens[0] - 1, faithful.n_tokens[1]))
    assert failed(judge(fewer, ids, model)) == {"tokens"}


def test_the_pooling_that_was_asked_for_is_judged(
    faithful: Embeddings, ids: list[list[int]], model: Model, tmp_path: Path
) -> None:
    verdict = compare_vectors(faithful, ids, model, PROMPTS, pooling="cls")
    assert verdict.pooling == "cls"
    assert "float64: cosine" in failed(verdict)
