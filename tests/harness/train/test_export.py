"""A trained model leaves torch and is the same model in NumPy, token for token, logit for logit."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import jinja2
import numpy as np
import pytest

from harness.gguf import read_gguf
from harness.gguf.model import TOKEN_BYTE, TOKEN_CONTROL, TOKEN_NORMAL
from harness.reference import FloatReference, decode, encode
from harness.train.packing import tokenise
from tests.harness.gguf.gguf_bytes import check_weights
from tests.harness.train.standin import CONFIG, source

torch = pytest.importorskip("torch", reason="training needs the extra [train]: torch")
pytest.importorskip("sentencepiece", reason="training needs the extra [train]: sentencepiece")

from harness.train import export as export_module  # noqa: E402
from harness.train.data import make_vocabulary  # noqa: E402
from harness.train.finish import export, to_numpy  # noqa: E402
from harness.train.model import Llama, Weights, init_weights  # noqa: E402
from harness.train.vocabulary import CONTROL, Tokenizer  # noqa: E402

pytestmark = pytest.mark.slow

TEXTS = [
    "Ada took the ball to the garden. 37 birds saw it.\nThe ball was old.",
    "  two  spaces, trailing ",
    "Ünïcödé 漢字 \U0001f642 and a tab\there",
    "\n\n1234 + 5 = 1239",
    "",
    "Ada",
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(make_vocabulary(source, 1, 20_000, CONFIG.model.n_vocab))


def large_weights(tied: bool) -> Weights:
    """Larger than at initialisation, so that attention is not flat and every formula shows."""
    weights = init_weights(CONFIG.hyper, tied=tied, seed=5)
    generator = torch.Generator().manual_seed(6)
    return {
        name: 4 * tensor if tensor.dim() > 1 else torch.rand(tensor.shape, generator=generator) + 1
        for name, tensor in weights.items()
    }


def exported(out: Path, tokenizer: Tokenizer, weights: Weights) -> dict[str, Path]:
    files = export(out, CONFIG, to_numpy(weights), tokenizer.table())
    return {name.split("-")[-1].removesuffix(".gguf"): out / name for name in files}


@pytest.mark.parametrize("tied", [True, False])
def test_torch_and_numpy_compute_the_same_logits(
    tied: bool, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    weights = large_weights(tied)
    model = read_gguf(exported(tmp_path, tokenizer, weights)["F32"])
    check_weights(model)
    ids = np.random.default_rng(0).integers(0, CONFIG.model.n_vocab, 40).tolist()
    with torch.no_grad():
        ours = Llama(CONFIG.hyper, weights, 48).logits(torch.tensor([ids]))[0].numpy()
    wanted = FloatReference(model).forward(ids, 0)
    # float32 against float64 of the same formulas: sums of 256 products of relative error 6e-8
    # each, a few layers deep, on logits of about 10: 1e-4 at the very most. A wrong formula (pairs
    # of rope, order of heads, eps) is off by more than 0.1.
    assert wanted.std() > 1
    assert np.abs(ours - wanted).max() < 1e-3


@pytest.mark.parametrize("parse_special", [True, False])
def test_device_tokenizer_gives_the_ids_of_training(
    parse_special: bool, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    vocabulary = read_gguf(exported(tmp_path, tokenizer, large_weights(True))["F32"]).vocabulary
    for text in TEXTS:
        ids = encode(vocabulary, text, add_special=False, parse_special=parse_special)
        assert ids == tokenizer.encode(text)
        assert decode(vocabulary, ids) == text.encode()
    for pieces in islice(source(9, "valid"), 100):
        ids = tokenise(pieces, tokenizer.encode, tokenizer.special).ids
        text = "".join(piece for piece, _ in pieces)
        assert encode(vocabulary, text, add_special=False, parse_special=True) == ids


def test_vocabulary_is_what_llama_cpp_expects(tokenizer: Tokenizer, tmp_path: Path) -> None:
    model = read_gguf(exported(tmp_path, tokenizer, large_weights(True))["Q8_0"])
    vocabulary = model.vocabulary
    assert len(vocabulary.tokens) == CONFIG.model.n_vocab
    assert vocabulary.tokens[:3] == (b"<unk>", b"<s>", b"</s>")
    for name in CONTROL:
        assert vocabulary.types[vocabulary.tokens.index(name.encode())] == TOKEN_CONTROL
    assert int((vocabulary.types == TOKEN_BYTE).sum()) == 256
    scores = vocabulary.scores[vocabulary.types == TOKEN_NORMAL]
    assert (np.diff(scores) < 0).all()
    assert not vocabulary.add_space_prefix
    assert {vocabulary.tokens[i] for i in vocabulary.eog_ids} == {b"</s>", b"<|end|>"}
    assert tokenizer.encode("x\ny")[1] == vocabulary.tokens.index(b"<0x0A>")
    assert len(tokenizer.encode("1907")) == 4  # digits stand alone


def test_the_vocabulary_is_reproducible() -> None:
    a, b = (make_vocabulary(source, 1, 5_000, 340) for _ in range(2))
    assert a == b


def test_quantised_files_keep_the_mixture_and_the_model(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    weights = large_weights(True)
    files = exported(tmp_path, tokenizer, weights)
    ids = list(range(20, 60))
    exact = FloatReference(read_gguf(files["F32"])).forward(ids, 0)
    # rms of the weights' rounding: 0.5 % for Q8_0, some 7 % for Q4_K; a few matrices deep it adds
    # up, and random weights have no structure that would average it out.
    for quant, limit in (("Q8_0", 0.03), ("Q4_K_M", 0.35)):
        model = read_gguf(files[quant])
        check_weights(model)
        miss = FloatReference(model).forward(ids, 0) - exact
        assert np.sqrt((miss**2).mean()) < limit * exact.std()
    kinds = {name: t.type.name for name, t in read_gguf(files["Q4_K_M"]).tensors.items()}
    assert kinds["token_embd.weight"] == "Q6_K"  # it is the output too
    assert kinds["blk.0.attn_q.weight"] == "Q4_K"
    assert kinds["blk.0.attn_v.weight"] == "Q6_K"  # the only layer is among the last eighth
    assert kinds["blk.0.attn_norm.weight"] == "F32"


def test_chat_template_renders_what_training_saw() -> None:
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(export_module.CHAT_TEMPLATE)
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]
    text = template.render(messages=messages, add_generation_prompt=True)
    assert text == "<|system|>\nS<|end|>\n<|user|>\nU<|end|>\n<|assistant|>\n"
    answered = template.render(messages=[*messages, {"role": "assistant", "content": "A"}])
    assert answered == text + "A<|end|>\n"


def test_name_and_licence_are_in_the_file(tokenizer: Tokenizer, tmp_path: Path) -> None:
    config = replace(CONFIG, name="speaks")
    export(tmp_path, config, to_numpy(large_weights(True)), tokenizer.table())
    model = read_gguf(tmp_path / "speaks-Q8_0.gguf")
    assert (model.name, model.metadata["general.license"]) == ("speaks", "CC0-1.0")
