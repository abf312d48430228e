"""EMBED over the link, on the host program of small models."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.boot.twin import boot_twin
from harness.errors import LinkError
from harness.gguf import Model, read_gguf
from harness.link.messages import SamplingParams
from harness.link.prompt import Prompt
from harness.link.session import Session
from harness.reference import ContractEncoder, encode
from harness.synth import synthesize
from tests.kernel.app.conftest import N_CTX, Twin, build_twin
from tests.kernel.app.test_twin import type_lines

pytestmark = pytest.mark.slow

TEXTS = ["a little cat named Tom", "", "the sun goes down", "x" * 60]


@dataclass(frozen=True)
class Encoder:
    """The program, and the model that it was made from."""

    twin: Twin
    model: Model


@pytest.fixture(scope="module", params=["gemma-embedding", "bert", "qwen3"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    path = tmp_path_factory.mktemp("encoder") / "m.gguf"
    changes: dict[str, Any] = {"n_layer": 2}
    changes |= {} if request.param == "bert" else {"head_size": 16, "n_rot": 16}
    changes["pooling"] = "last" if request.param == "qwen3" else "mean"
    synthesize("micro", arch=str(request.param), quant="Q8_0", path=path, changes=changes)
    return Encoder(build_twin(path), read_gguf(path))


@pytest.fixture
def session(encoder: Encoder) -> Iterator[Session]:
    with boot_twin(encoder.twin.program, encoder.twin.blob) as target:
        session = Session(target.stream)
        session.connect()
        yield session


def prompt(text: str) -> Prompt:
    return Prompt.of_text(text, parse_special=False)


def ids_of(model: Model, text: str) -> list[int]:
    return encode(model.vocabulary, text, add_special=True, parse_special=False)


def test_texts_become_the_contract_s_vectors(encoder: Encoder, session: Session) -> None:
    found = session.embed([prompt(text) for text in TEXTS])
    reference = ContractEncoder(encoder.model)
    for i, text in enumerate(TEXTS):
        ids = ids_of(encoder.model, text)
        vector, length = reference.embed(ids)
        assert found.n_tokens[i] == len(ids)
        assert np.array_equal(found.vectors[i].view("u4"), vector.view("u4"))
        assert found.lengths[i] == length
    assert (found.end.n_texts, found.end.n_passes) == (4, 1)
    other = session.embed([prompt(TEXTS[0])], pooling="last")
    vector, _ = reference.embed(ids_of(encoder.model, TEXTS[0]), "last")
    assert np.array_equal(other.vectors[0], vector)


def test_more_texts_than_a_pass_holds_take_several(encoder: Encoder, session: Session) -> None:
    texts = [f"the {word} and the {word}" for word in ("cat", "sun", "hill", "day")] * 30
    seen: list[int] = []
    found = session.embed([prompt(text) for text in texts], on_text=seen.append)
    assert seen == list(range(1, 121))
    total = sum(len(ids_of(encoder.model, text)) for text in texts)
    assert found.end.n_tokens == total
    assert total / N_CTX <= found.end.n_passes <= 2 * total / N_CTX + 2
    for i in range(4, 120):  # the same text, the same bits, whatever it shares a pass with
        assert np.array_equal(found.vectors[i], found.vectors[i % 4])


def test_a_text_that_is_too_long_is_refused_by_its_number(session: Session) -> None:
    with pytest.raises(LinkError, match=r"text 2 has \d+ tokens, the context holds 256") as refusal:
        session.embed([prompt("short"), prompt("q " * 300), prompt("never sent")])
    assert "--ctx" in refusal.value.hint
    with pytest.raises(LinkError, match="text 1 exceeds 4096 bytes"):
        session.embed([prompt("q" * 5000)])
    assert session.embed([prompt("and on it goes")]).end.n_texts == 1


def test_ids_are_taken_as_they_are(encoder: Encoder, session: Session) -> None:
    found = session.embed([[5, 6, 7]])
    vector, _ = ContractEncoder(encoder.model).embed([5, 6, 7])
    assert np.array_equal(found.vectors[0], vector)
    with pytest.raises(LinkError, match="token ids end at 511"):
        session.embed([[5, 512]])
    with pytest.raises(LinkError, match="text 1 is empty"):
        session.embed([[]])
    with pytest.raises(LinkError, match="there are no texts"):
        session.embed([])


def test_such_a_model_does_not_go_on_with_a_text(encoder: Encoder, session: Session) -> None:
    with pytest.raises(LinkError, match="makes vectors of texts") as refusal:
        session.generate("once", SamplingParams(n_predict=1))
    assert "embed" in refusal.value.hint
    assert session.tokenize(prompt("once")) == ids_of(encoder.model, "once")


def test_a_person_is_told(encoder: Encoder) -> None:
    screen = type_lines(encoder.twin, "hello", "/poweroff")
    assert "This model makes vectors of texts, for host programs." in screen


def test_a_model_that_goes_on_with_texts_makes_no_vectors(twin: Twin) -> None:
    with boot_twin(twin.program, twin.blob) as target:
        session = Session(target.stream)
        session.connect()
        with pytest.raises(LinkError, match="makes no vectors") as refusal:
            session.embed(["hello"])
        assert "embedding model" in refusal.value.hint
        assert session.tokenize("a")


def test_without_a_pooling_the_request_must_name_one(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    synthesize("micro", arch="bert", quant="Q8_0", path=path, changes={"pooling": None})
    twin = build_twin(path)
    with boot_twin(twin.program, twin.blob) as target:
        session = Session(target.stream)
        session.connect()
        with pytest.raises(LinkError, match="names no pooling") as refusal:
            session.embed(["hello"])
        assert "--pooling" in refusal.value.hint
        assert len(session.embed(["hello"], pooling="cls").vectors) == 1
