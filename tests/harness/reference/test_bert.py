"""BERT in the float reference against a writing of its own, element by element from the paper.

There is no recorded answer of llama.cpp's for BERT; this one shares with the reference only the
reader, and uses plain loops where the reference uses products of matrices.
"""

import math

import numpy as np
import numpy.typing as npt
import pytest
from gguf import GGMLQuantizationType
from gguf.quants import dequantize

from harness.gguf import Model, read_gguf
from harness.reference import FloatEncoder
from harness.synth import synthesize

Array = npt.NDArray[np.float64]
IDS = [101, 150, 7, 222, 399, 102]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    path = tmp_path_factory.mktemp("bert") / "m.gguf"
    changes = {"n_layer": 2, "n_head_kv": 8}
    return read_gguf(
        synthesize("micro", arch="bert", quant="Q8_0", path=path, n_vocab=400, changes=changes)
    )


class Bert:
    """Devlin et al. 2018, with GELU in tanh's form as llama.cpp has it."""

    def __init__(self, model: Model) -> None:
        self.model, self.h = model, model.hyper

    def weight(self, name: str) -> Array:
        tensor = self.model.tensor(name)
        rows = self.model.read_rows(name, 0, tensor.n_rows)
        values = dequantize(rows, GGMLQuantizationType(int(tensor.type)))
        return np.asarray(values, np.float64).reshape(tensor.n_rows, tensor.n_cols)

    def linear(self, name: str, x: list[Array]) -> list[Array]:
        w, b = self.weight(name + ".weight"), self.weight(name + ".bias")[0]
        return [np.array([math.fsum(row * v) for row in w]) + b for v in x]

    def norm(self, name: str, x: list[Array]) -> list[Array]:
        w, b = self.weight(name + ".weight")[0], self.weight(name + ".bias")[0]
        out = []
        for v in x:
            mean = math.fsum(v) / len(v)
            variance = math.fsum((v - mean) ** 2) / len(v)
            out.append((v - mean) / math.sqrt(variance + self.h.rms_eps) * w + b)
        return out

    def attention(self, blk: str, x: list[Array]) -> list[Array]:
        q, k, v = (self.linear(f"{blk}attn_{name}", x) for name in "qkv")
        size = self.h.head_size
        out = [np.zeros(self.h.n_head * size) for _ in x]
        for head in range(self.h.n_head):
            part = slice(head * size, (head + 1) * size)
            for i, query in enumerate(q):
                scores = [math.fsum(query[part] * key[part]) / math.sqrt(size) for key in k]
                weights = [math.exp(score - max(scores)) for score in scores]
                for weight, value in zip(weights, v, strict=True):
                    out[i][part] += weight / math.fsum(weights) * value[part]
        return self.linear(blk + "attn_output", out)

    def tokens(self, ids: list[int]) -> list[Array]:
        words, positions = self.weight("token_embd.weight"), self.weight("position_embd.weight")
        sentence_a = self.weight("token_types.weight")[0]
        x = [words[token] + sentence_a + positions[i] for i, token in enumerate(ids)]
        x = self.norm("token_embd_norm", x)
        for layer in range(self.h.n_layer):
            blk = f"blk.{layer}."
            added = [a + b for a, b in zip(x, self.attention(blk, x), strict=True)]
            x = self.norm(blk + "attn_output_norm", added)
            inner = [np.array([gelu(u) for u in v]) for v in self.linear(blk + "ffn_up", x)]
            outer = self.linear(blk + "ffn_down", inner)
            x = self.norm(blk + "layer_output_norm", [a + b for a, b in zip(x, outer, strict=True)])
        return x


def gelu(x: float) -> float:
    return 0.5 * x * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def test_the_float_reference_is_bert(model: Model) -> None:
    want = np.array(Bert(model).tokens(IDS))
    reference = FloatEncoder(model)
    # float64 twice: sums of at most 172 terms round by 172 x 2^-53 = 2e-14 of what they sum, which
    # two layers and their norms may raise a hundredfold.
    assert np.abs(reference.tokens(IDS) - want).max() <= 1e-11 * np.abs(want).max()
    assert np.allclose(reference.embed(IDS), want.mean(axis=0), atol=1e-11)
    assert np.allclose(reference.embed(IDS, "cls"), want[0], atol=1e-11)
    assert np.allclose(reference.embed(IDS, "last"), want[-1], atol=1e-11)


def test_a_later_token_changes_an_earlier_one(model: Model) -> None:
    reference = FloatEncoder(model)
    first, second = (reference.tokens([*IDS[:-1], last])[0] for last in (102, 103))
    assert np.abs(first - second).max() > 1e-3


def test_bert_by_pytorch(model: Model) -> None:
    """A second witness, where PyTorch is installed: its own layer norm, attention and GELU."""
    torch = pytest.importorskip("torch")
    bert, h = Bert(model), model.hyper

    def t(name: str) -> "torch.Tensor":  # type: ignore[name-defined]
        return torch.tensor(bert.weight(name))

    def norm(name: str, x: "torch.Tensor") -> "torch.Tensor":  # type: ignore[name-defined]
        weight, bias = t(name + ".weight")[0], t(name + ".bias")[0]
        return torch.nn.functional.layer_norm(x, (h.n_embd,), weight, bias, h.rms_eps)

    def linear(name: str, x: "torch.Tensor") -> "torch.Tensor":  # type: ignore[name-defined]
        return torch.nn.functional.linear(x, t(name + ".weight"), t(name + ".bias")[0])

    x = t("token_embd.weight")[IDS] + t("token_types.weight")[0]
    x = norm("token_embd_norm", x + t("position_embd.weight")[: len(IDS)])
    for layer in range(h.n_layer):
        blk = f"blk.{layer}."
        q, k, v = (
            linear(f"{blk}attn_{name}", x).reshape(len(IDS), h.n_head, -1).transpose(0, 1)
            for name in "qkv"
        )
        att = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        att = linear(blk + "attn_output", att.transpose(0, 1).reshape(len(IDS), -1))
        x = norm(blk + "attn_output_norm", x + att)
        inner = torch.nn.functional.gelu(linear(blk + "ffn_up", x), approximate="tanh")
        x = norm(blk + "layer_output_norm", x + linear(blk + "ffn_down", inner))
    want = x.numpy()
    found = FloatEncoder(model).tokens(IDS)
    assert np.abs(found - want).max() <= 1e-11 * np.abs(want).max()
