"""Models that make vectors, in the kernel as it boots and by the verbs: an image of each kind."""

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cli.pipeline import Built
from harness.gguf import read_gguf
from harness.link.prompt import Prompt
from harness.reference import ContractEncoder, encode
from harness.synth import synthesize
from tests.kernel.llm.test_bpe_c import random_text
from tests.models import ROOT
from tests.target.machine import Workshop

pytestmark = pytest.mark.target

N_CTX = 128
N_TEXTS = 1000  # a few milliseconds each on a quiet machine
RNG = np.random.default_rng(8)
LONG = RNG.integers(3, 400, 75).tolist()  # beyond a chunk of attention
SHORT = [RNG.integers(3, 400, 8).tolist() for _ in range(4)]
CHANGES: dict[str, dict[str, Any]] = {
    "gemma-embedding": {
        "head_size": 96,
        "n_rot": 80,
        "window": 26,
        "n_layer": 3,
        "local_layers": (True, False, True),
    },
    "bert": {"n_layer": 3},
    "qwen3": {"n_layer": 3, "head_size": 16, "n_rot": 16, "pooling": "last"},
}
PRE = {"qwen3": "qwen2"}


@dataclass(frozen=True)
class Encoder:
    """A small model and its image."""

    model: Path
    built: Built

    def __call__(
        self, verb: str, *arguments: str, on: Path | None = None, exit_code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """`python -m harness` on the image, or on a model."""
        where = ["-m", str(on or self.built.directory)]
        command = [sys.executable, "-m", "harness", verb, *where, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
        assert done.returncode == exit_code, done.stderr
        assert "Traceback" not in done.stderr
        return done


def encoder(arch: str, workshop: Workshop, folder: Path) -> Encoder:
    path = folder / f"{arch}.gguf"
    synthesize(
        "micro", arch=arch, quant="Q8_0", path=path, n_ctx=N_CTX, pre=PRE.get(arch),
        changes=CHANGES[arch],
    )  # fmt: skip
    return Encoder(path, workshop.image(path, n_ctx=N_CTX))


@pytest.fixture(scope="module")
def bert(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return encoder("bert", workshop, tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def gemma(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return encoder("gemma-embedding", workshop, tmp_path_factory.mktemp("gemma"))


@pytest.fixture(scope="module")
def qwen3(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return encoder("qwen3", workshop, tmp_path_factory.mktemp("qwen3"))


@pytest.mark.parametrize("arch", CHANGES)
def test_vectors_have_the_bits_of_the_contract_on_three_cores(
    arch: str, workshop: Workshop, request: pytest.FixtureRequest
) -> None:
    found: Encoder = request.getfixturevalue(arch.split("-")[0])
    texts = [LONG, *SHORT, [3]]
    with workshop.session(found.built, n_cores=3) as session:
        made = session.embed([Prompt.of_ids(text) for text in texts])
    assert made.end.n_passes == 1
    reference = ContractEncoder(read_gguf(found.model))
    for i, text in enumerate(texts):
        vector, length = reference.embed(text)
        assert np.array_equal(made.vectors[i].view("u4"), vector.view("u4"))
        assert made.lengths[i] == length


def test_texts_together_cost_fewer_instructions_than_alone(
    workshop: Workshop, bert: Encoder
) -> None:
    """A pass over the weights unpacks them once, for however many texts."""
    one = [Prompt.of_ids(SHORT[0][:2])]
    with workshop.session(bert.built, icount=True) as session:
        alone = session.embed(one).end.ticks_compute
        together = session.embed(one * 8).end
    assert together.n_passes == 1
    # What is each token's own remains: norms, activations, attention. 0.83 measured, of matrices of
    # 64 columns that hardly take longer to read than to multiply.
    assert together.ticks_compute < 0.9 * 8 * alone


TWIN = ("--target", "twin")


def test_json_is_one_object_of_the_model_s_vectors(bert: Encoder) -> None:
    answer = json.loads(bert("embed", "-p", "a little cat", "--json", *TWIN).stdout)
    model = read_gguf(bert.model)
    ids = encode(model.vocabulary, "a little cat", add_special=True, parse_special=False)
    vector, length = ContractEncoder(model).embed(ids)
    assert np.array_equal(np.array(answer["embedding"], np.float32), vector)
    assert answer["embeddings"] == [answer["embedding"]]
    assert (answer["n_tokens"], answer["dim"]) == ([len(ids)], 64)
    assert answer["lengths"] == [float(length)]
    assert answer["timing"]["passes"] == 1


def test_lines_of_a_file_become_rows_of_a_file(bert: Encoder, tmp_path: Path) -> None:
    lines, rows = tmp_path / "lines.txt", tmp_path / "rows.npy"
    lines.write_text("a little cat\nthe sun\na little cat\n")
    done = bert("embed", "-f", str(lines), "--npy", str(rows), "--dim", "16", *TWIN)
    found = np.load(rows)
    assert (found.shape, found.dtype) == ((3, 16), np.float32)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert np.array_equal(found[0], found[2])
    assert done.stdout.splitlines()[0].startswith("1: ")
    assert "does not say to which sizes" in done.stderr
    assert "3 texts" in done.stderr


def test_verify_judges_vectors_and_passes(bert: Encoder) -> None:
    report = bert("verify", *TWIN).stdout
    assert "2 texts" in report  # the longest of them does not fit
    assert report.endswith("verdict: PASS\n")
    verdict = json.loads(bert("verify", "-p", "a cat", "--pooling", "cls", "--json", *TWIN).stdout)
    assert verdict["ok"]
    assert verdict["pooling"] == "cls"


@pytest.mark.parametrize("verb", ["run", "chat", "evaluate", "bench"])
def test_what_wants_text_says_what_the_model_is(verb: str, bert: Encoder) -> None:
    words = ("-p", "x") if verb in ("run", "chat") else ()
    for model in (
        bert.model,
        bert.built.directory,
    ):  # before anything is built, and of a finished image
        error = bert(verb, *words, on=model, exit_code=2).stderr
        assert "error: this is an embedding model (bert)" in error
        assert "hint: python -m harness embed" in error


def test_a_model_that_goes_on_with_texts_is_refused(bert: Encoder, tmp_path: Path) -> None:
    model = synthesize("micro", quant="F32", path=tmp_path / "m.gguf")
    error = bert("embed", "-p", "x", on=model, exit_code=2).stderr
    assert "error: this model (llama) goes on with texts" in error


def test_wishes_that_cannot_be_granted_are_sentences(bert: Encoder) -> None:
    for words, wanted in {
        ("-p", "q " * 200): "text 1 has",
        ("-p", "x", "--dim", "65"): "vectors have 64 values",
        ("-p", "x", "--npy", "/no/such/folder/x"): "/no/such/folder is not a directory",
        (): "no text",
    }.items():
        assert wanted in bert("embed", *words, *TWIN, exit_code=2).stderr
    error = bert("build", "--kv", "f16", on=bert.model, exit_code=2).stderr
    assert "--kv f16: bert keeps no keys and values" in error


def test_symbols_promises_what_such_a_model_uses(bert: Encoder) -> None:
    listed = json.loads(bert("symbols", "--json").stdout)["operations"]
    promised = {o["symbol"]: o["fault"] for o in listed if o["promised"]}
    assert set(promised.values()) == {""}
    assert {"layernorm_neon", "attention_around_f32_neon"} <= set(promised)
    assert "softmax_neon" not in promised


def test_bench_counts_the_latency_of_vectors(bert: Encoder) -> None:
    run = ("--latency", "8,32", "--repeat", "2", "--cpu", "cortex-a76", "--json")
    short, long = json.loads(bert("bench", *run).stdout)["latency"]
    assert (short["makes"], short["decoded"]) == ("vectors", [])
    assert 3 < long["texts_percentiles"]["p50"] / short["texts_percentiles"]["p95"] < 5


@pytest.mark.parametrize("arch", ["bert", "qwen3"])
def test_random_texts_have_the_tokens_of_the_reference(
    arch: str, workshop: Workshop, request: pytest.FixtureRequest
) -> None:
    """WordPiece and byte-level BPE on an emulated CPU; ten thousand on the host: kernel/llm."""
    found: Encoder = request.getfixturevalue(arch)
    vocabulary, source = read_gguf(found.model).vocabulary, random.Random(arch)
    wanted = {
        text: encode(vocabulary, text, add_special=True, parse_special=False)
        for text in (random_text(source) for _ in range(N_TEXTS))
    }
    wanted = {text: ids for text, ids in wanted.items() if len(ids) <= N_CTX}
    assert len(wanted) > 0.9 * N_TEXTS
    with workshop.session(found.built) as session:
        for text, ids in wanted.items():
            assert session.tokenize(Prompt.of_text(text, parse_special=False)) == ids, text
