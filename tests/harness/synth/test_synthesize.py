"""Synthetic models: accepted by both readers, sane in the numbers, the same for the same seed."""

import hashlib
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest

from harness.errors import SynthError
from harness.gguf import GGMLType, read_gguf
from harness.synth import PRESETS, synthesize
from harness.synth.mixture import QUANTS
from harness.synth.spread import weight_std
from tests.harness.gguf.gguf_bytes import check_weights
from tests.harness.synth.float_forward import FloatForward, dequantised

pytestmark = pytest.mark.slow

PROMPT = [1, 300, 310, 320, 330, 340, 350, 290, 280]


@pytest.mark.parametrize("quant", QUANTS)
def test_both_readers_accept_every_quantisation(quant: str, tmp_path: Path) -> None:
    path = synthesize("tiny", quant=quant, path=tmp_path / "m.gguf", n_vocab=500)
    model, witness = read_gguf(path), gguf.GGUFReader(path)
    assert (model.hyper.n_vocab_rows, len(model.vocabulary.tokens)) == (500, 500)
    assert [t.name for t in witness.tensors] == list(model.tensors)
    for theirs in witness.tensors:
        ours = model.tensor(theirs.name)
        assert (ours.offset, ours.size_bytes) == (theirs.data_offset, theirs.n_bytes)
        assert int(ours.type) == int(theirs.tensor_type)
    end = max(tensor.offset + tensor.size_bytes for tensor in model.tensors.values())
    assert end <= model.size_bytes < end + 32


@pytest.mark.parametrize("quant", QUANTS)
def test_weights_have_mean_zero_and_the_wanted_spread(quant: str, tmp_path: Path) -> None:
    model = read_gguf(synthesize("tiny", quant=quant, path=tmp_path / "m.gguf"))
    check_weights(model)
    for name, tensor in model.tensors.items():
        values = dequantised(model, name)
        assert np.isfinite(values).all()
        if len(tensor.shape) == 1:
            assert 0.7 <= values.min() < values.max() <= 1.3
            continue
        std = weight_std(name, model.hyper, tied=False)
        # The estimate of a deviation from n values has 1/sqrt(2n), of a mean 1/sqrt(n); scales are
        # shared by a block (of 256), so that n/256 of them count in the worst case.
        n = values.size / 256
        assert values.std() == pytest.approx(std, rel=4 / np.sqrt(2 * n) + 0.01), name
        assert abs(values.mean()) < 5 * std / np.sqrt(n), name


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("quant", ["F32", "Q8_0", "Q4_K_M"])
def test_tiny_decodes_without_collapse(quant: str, seed: int, tmp_path: Path) -> None:
    model = read_gguf(synthesize("tiny", quant=quant, path=tmp_path / "m.gguf", seed=seed))
    ids, logits = FloatForward(model).greedy(PROMPT, 48)
    assert np.isfinite(logits).all()
    assert 4.0 < logits.std() < 7.0
    assert len(set(ids)) >= 32  # 43 to 47 measured


@pytest.mark.parametrize(
    ("like", "quant", "n_vocab"), [("micro", "F16", 512), ("smollm-135m", "Q8_0", 2000)]
)
def test_other_shapes_decode_without_collapse(
    like: str, quant: str, n_vocab: int, tmp_path: Path
) -> None:
    path = synthesize(like, quant=quant, path=tmp_path / "m.gguf", n_vocab=n_vocab)
    model = read_gguf(path)
    assert model.tied is PRESETS[like].tied
    ids, logits = FloatForward(model).greedy(PROMPT, 16)
    assert 4.0 < logits.std() < 7.0
    assert len(set(ids)) >= 11


def test_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    digests = [
        hashlib.sha256(
            synthesize("tiny", path=tmp_path / f"{i}.gguf", seed=seed, n_vocab=500).read_bytes()
        ).hexdigest()
        for i, seed in enumerate((7, 7, 8))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_q4_k_m_has_the_types_of_llama_cpp(tmp_path: Path) -> None:
    model = read_gguf(synthesize("tiny", path=tmp_path / "m.gguf", n_vocab=500))
    types = {name: tensor.type for name, tensor in model.tensors.items()}
    assert types["token_embd.weight"] is GGMLType.Q4_K
    assert types["output.weight"] is GGMLType.Q6_K
    # Of 4 layers the last eighth begins at 3 (integer division), and 2 is the third.
    for layer, kind in enumerate([GGMLType.Q4_K, GGMLType.Q4_K, GGMLType.Q6_K, GGMLType.Q6_K]):
        for name in ("attn_v", "ffn_down"):
            assert types[f"blk.{layer}.{name}.weight"] is kind
        for name in ("attn_q", "attn_k", "attn_output", "ffn_gate", "ffn_up"):
            assert types[f"blk.{layer}.{name}.weight"] is GGMLType.Q4_K


def test_large_model_is_written_as_a_stream(tmp_path: Path) -> None:
    """The embedding alone has 125 MiB in F16; a child measures its own peak."""
    script = (
        "import resource; from pathlib import Path; from harness.synth import synthesize;"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        f"synthesize('stories15m', quant='F32', path=Path({str(tmp_path / 'm.gguf')!r}));"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60
    )
    assert (tmp_path / "m.gguf").stat().st_size > 90 << 20
    assert int(done.stdout) < 64 << 10  # KiB


def test_1b_model_takes_less_than_a_minute(tmp_path: Path) -> None:
    start = time.monotonic()
    path = synthesize("tinyllama-1.1b", path=tmp_path / "m.gguf")
    assert time.monotonic() - start < 60  # 2 s measured
    model = read_gguf(path)
    assert 0.66e9 < model.size_bytes < 0.68e9
    check_weights(model)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1 << 20  # KiB


def test_context_and_vocabulary_can_be_chosen(tmp_path: Path) -> None:
    path = synthesize("tiny", path=tmp_path / "m.gguf", n_vocab=700, n_ctx=96)
    hyper = read_gguf(path).hyper
    assert (hyper.n_vocab_rows, hyper.n_ctx_train) == (700, 96)


def test_chat_preset_has_a_template_and_stops_at_its_end(tmp_path: Path) -> None:
    path = synthesize("tinyllama-1.1b", path=tmp_path / "m.gguf", n_vocab=400, quant="Q4_0")
    model = read_gguf(path)
    assert model.chat_template is not None
    assert "<|assistant|>" in model.chat_template
    assert model.vocabulary.eog_ids == (2,)


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    path = synthesize(
        "micro",
        quant="F32",
        path=tmp_path / "m.gguf",
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (read_gguf(path).weights_bytes, read_gguf(path).weights_bytes)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ({"like": "gpt-5"}, "--like is 'gpt-5'", "tinyllama-1.1b"),
        ({"quant": "IQ2_XS"}, "--quant is 'IQ2_XS'", "Q4_K_M"),
        ({"arch": "mamba"}, "--arch is 'mamba'", "llama"),
        ({"n_vocab": 100}, "100 tokens", "354"),
        ({"n_ctx": 0}, "context of 0", ""),
        ({"seed": -1}, "--seed is -1", ""),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_impossible_wishes_are_refused(
    arguments: dict[str, object], message: str, hint: str, tmp_path: Path
) -> None:
    wishes: dict[str, object] = {"like": "tiny", "path": tmp_path / "m.gguf"} | arguments
    with pytest.raises(SynthError, match=message) as refusal:
        synthesize(**wishes)  # type: ignore[arg-type]
    assert hint in refusal.value.hint
    assert list(tmp_path.iterdir()) == []


def test_unwritable_path_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SynthError, match=r"cannot write .*No such file"):
        synthesize("micro", quant="F16", path=tmp_path / "no" / "m.gguf")
    (tmp_path / "taken").mkdir()
    with pytest.raises(SynthError, match=r"cannot write .*directory"):
        synthesize("micro", quant="F16", path=tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_a_shape_has_its_model_s_architecture_and_scales(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    granite = PRESETS["granite-3.3-8b"]
    per_layer = 4096 * (2 * 4096 + 2 * 1024 + 3 * 12800) + 2 * 4096
    assert granite.n_layer * per_layer + 49159 * 4096 + 4096 == 8_170_864_640
    small = replace(granite, n_embd=64, n_layer=1, n_head=4, n_head_kv=2, n_ff=64, n_vocab=400)
    monkeypatch.setitem(PRESETS, "granite-3.3-8b", small)
    model = read_gguf(synthesize("granite-3.3-8b", quant="Q8_0", path=tmp_path / "g.gguf"))
    assert (model.architecture, model.tied) == ("granite", True)
    hyper = model.hyper
    assert (hyper.logit_scale, hyper.attn_scale, hyper.rope_freq_base) == (1 / 16, 1 / 128, 1e7)
    model = read_gguf(synthesize("granite-3.3-8b", arch="llama", path=tmp_path / "l.gguf"))
    assert (model.architecture, model.hyper.logit_scale) == ("llama", 1.0)
