"""What tells architectures apart: the keys and tensors that each takes, and those it refuses."""

import struct
from math import sqrt
from pathlib import Path

import pytest

from harness.errors import GgufError
from harness.gguf import HyperParameters, read_gguf
from harness.gguf.architecture import ARCHITECTURES
from harness.gguf.fused import rows_of
from harness.gguf.model import RopeScaling
from harness.synth import synthesize
from tests.harness.gguf.gguf_bytes import ARRAY, BOOL, F32, U32, GgufBytes, Row, array, small_model
from tests.harness.gguf.test_refusals import Spoil, extra, llama, text

LAYER = "blk.0."


def of_architecture(name: str) -> GgufBytes:
    """The small llama as another architecture: its keys under that name, its own tensors."""
    file = small_model()
    file.text("general.architecture", name.encode())
    file.keys = [(key.replace(b"llama.", name.encode() + b"."), e) for key, e in file.keys]
    if name == "granite":
        file.set("granite.logit_scale", F32, 4.0)
    vectors = {
        "qwen2": {"attn_q.bias": 32, "attn_k.bias": 16, "attn_v.bias": 16},
        "qwen3": {"attn_q_norm.weight": 8, "attn_k_norm.weight": 8},
        "gemma2": {"post_attention_norm.weight": 32, "post_ffw_norm.weight": 32},
    }
    vectors["gemma3"] = vectors["qwen3"] | vectors["gemma2"]
    vectors["gemma-embedding"] = vectors["gemma3"]
    if name == "gemma-embedding":
        file.drop("output.weight")
    if name == "bert":
        make_bert(file)
    if name == "phi3":
        for split in ("attn_q", "attn_k", "attn_v", "ffn_gate", "ffn_up"):
            file.drop(f"{LAYER}{split}.weight")
        file.tensors += [
            Row(b"blk.0.attn_qkv.weight", [32, 64]),
            Row(b"blk.0.ffn_up.weight", [32, 64]),
        ]
    file.tensors += [Row((LAYER + k).encode(), [n]) for k, n in vectors.get(name, {}).items()]
    return file


def make_bert(file: GgufBytes) -> None:
    """Norms behind the branches, biases everywhere, learned positions, no gate, no logits."""
    file.remove("bert.attention.layer_norm_rms_epsilon")
    file.set("bert.attention.layer_norm_epsilon", F32, 1e-12)
    for key in ("rope.dimension_count", "rope.freq_base"):
        file.remove(f"bert.{key}")
    dropped = ("output", "output_norm", *(f"blk.0.{n}" for n in ("attn_norm", "ffn_norm")))
    for tensor in (*dropped, "blk.0.ffn_gate"):
        file.drop(f"{tensor}.weight")
    file.tensors += [Row(b"position_embd.weight", [32, 64]), Row(b"token_types.weight", [32, 2])]
    norms = ("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm")
    file.tensors += [
        Row(f"{norm}.{kind}".encode(), [32]) for norm in norms for kind in ("weight", "bias")
    ]
    sizes = {"attn_q": 32, "attn_k": 16, "attn_v": 16, "attn_output": 32, "ffn_up": 32}
    sizes["ffn_down"] = 32
    file.tensors += [Row(f"blk.0.{n}.bias".encode(), [size]) for n, size in sizes.items()]


REFUSALS: dict[str, tuple[Spoil, list[str]]] = {
    "a rope scaled by 0": (llama("rope.scaling.factor", F32, 0.0), ["rope.scaling.factor is 0.0"]),
    "an old rope scale below 0": (
        llama("rope.scale_linear", F32, -2.0),
        ["llama.rope.scale_linear is -2.0"],
    ),
    "a rope scaled in another way": (
        text("llama.rope.scaling.type", b"longrope"),
        ["rope.scaling.type is 'longrope'", "'yarn'"],
    ),
    "a yarn rope with constants of its own": (
        lambda f: (
            text("llama.rope.scaling.type", b"yarn")(f),
            llama("rope.scaling.yarn_beta_fast", F32, 16.0)(f),
        )[-1],
        ["llama.rope.scaling.yarn_beta_fast is 16.0", "only 32.0"],
    ),
    "a yarn rope that shrinks": (
        lambda f: (
            text("llama.rope.scaling.type", b"yarn")(f),
            llama("rope.scaling.factor", F32, 0.5)(f),
        )[-1],
        ["llama.rope.scaling.factor is 0.5", "1 or more"],
    ),
    "an attn_factor of 0": (
        llama("rope.scaling.attn_factor", F32, 0.0),
        ["rope.scaling.attn_factor is 0.0"],
    ),
    "a bias that no llama has": (
        extra(b"output_norm.bias", [32]),
        ["output_norm.bias is not supported"],
    ),
    "a bias of another size": (
        extra(b"blk.0.attn_k.bias", [32]),
        ["blk.0.attn_k.bias has shape [32], wanted [16]"],
    ),
    "a bias in F16": (extra(b"blk.0.attn_q.bias", [32], 1), ["blk.0.attn_q.bias is F16", "F32"]),
    "rope factors for another rope": (
        extra(b"rope_freqs.weight", [8]),
        ["rope_freqs.weight has shape [8], wanted [4]"],
    ),
}


@pytest.mark.parametrize("fault", REFUSALS)
def test_llama_with_a_fault_is_refused_by_name(fault: str, tmp_path: Path) -> None:
    spoil, wanted = REFUSALS[fault]
    file = small_model()
    spoil(file)
    refused(file, tmp_path, *wanted)


def refused(file: GgufBytes, folder: Path, *wanted: str) -> None:
    path = folder / "bad.gguf"
    path.write_bytes(file.build())
    with pytest.raises(GgufError) as refusal:
        read_gguf(path)
    for part in wanted:
        assert part in str(refusal.value), str(refusal.value)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_file_of_each_architecture_is_accepted(name: str, tmp_path: Path) -> None:
    path = tmp_path / "good.gguf"
    path.write_bytes(of_architecture(name).build())
    model = read_gguf(path)
    assert (model.architecture, model.hyper.arch.name) == (name, name)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("qwen2", "attn_v.bias"),
        ("qwen3", "attn_k_norm.weight"),
        ("granite", "ffn_norm.weight"),
        ("phi3", "attn_qkv.weight"),
        ("gemma2", "post_ffw_norm.weight"),
        ("gemma3", "attn_q_norm.weight"),
        ("gemma-embedding", "post_ffw_norm.weight"),
        ("bert", "layer_output_norm.bias"),
        ("bert", "ffn_down.bias"),
    ],
)
def test_what_an_architecture_needs_must_be_there(name: str, tensor: str, tmp_path: Path) -> None:
    file = of_architecture(name)
    file.drop(LAYER + tensor)
    refused(file, tmp_path, f"tensor blk.0.{tensor} is missing")


@pytest.mark.parametrize(
    ("name", "tensor", "size"),
    [
        ("qwen2", "blk.0.attn_output.bias", 32),
        ("qwen3", "blk.0.attn_q.bias", 32),
        ("llama", "blk.0.attn_q_norm.weight", 8),
        ("qwen2", "rope_freqs.weight", 4),
        ("phi3", "blk.0.ffn_gate.weight", 32),
        ("gemma2", "blk.0.attn_q_norm.weight", 8),
        ("gemma3", "blk.0.attn_q.bias", 32),
        ("gemma-embedding", "cls.bias", 32),
        ("bert", "output_norm.weight", 32),
        ("bert", "blk.0.attn_q_norm.weight", 8),
    ],
)
def test_what_an_architecture_does_not_know_is_refused(
    name: str, tensor: str, size: int, tmp_path: Path
) -> None:
    file = of_architecture(name)
    file.tensors.append(Row(tensor.encode(), [size]))
    refused(file, tmp_path, f"tensor {tensor} is not supported")


def test_a_bias_of_some_layers_only_is_refused(tmp_path: Path) -> None:
    file = small_model()
    file.set("llama.block_count", U32, 2)
    file.tensors += [
        Row(row.name.replace(b"blk.0", b"blk.1"), row.shape)
        for row in file.tensors
        if row.name.startswith(b"blk.0")
    ]
    file.tensors.append(Row(b"blk.1.ffn_down.bias", [32]))
    refused(file, tmp_path, "tensor blk.0.ffn_down.bias is missing: other layers have theirs")


def test_granite_has_its_four_factors(tmp_path: Path) -> None:
    file = of_architecture("granite")
    for key, value in {
        "embedding_scale": 12.0,
        "attention.scale": 0.5,
        "residual_scale": 0,
    }.items():
        file.set(f"granite.{key}", F32, value)
    path = tmp_path / "good.gguf"
    path.write_bytes(file.build())
    hyper = read_gguf(path).hyper
    assert (hyper.embedding_scale, hyper.attn_scale) == (12.0, 0.5)
    assert (hyper.residual_scale, hyper.logit_scale) == (1.0, 0.25)  # 0: none; divided by 4
    file.remove("granite.logit_scale")
    refused(file, tmp_path, "granite.logit_scale is missing")


def test_granite_without_rope_is_refused(tmp_path: Path) -> None:
    file = of_architecture("granite")
    file.set("granite.rope.scaling.finetuned", BOOL, 0)
    refused(file, tmp_path, "granite.rope.scaling.finetuned is false")


def test_a_rope_may_turn_part_of_a_head_unless_the_architecture_forbids_it(tmp_path: Path) -> None:
    file = of_architecture("qwen2")
    file.set("qwen2.rope.dimension_count", U32, 6)
    path = tmp_path / "good.gguf"
    path.write_bytes(file.build())
    assert read_gguf(path).hyper.n_rot == 6
    for wrong in (5, 10):
        file.set("qwen2.rope.dimension_count", U32, wrong)
        refused(file, tmp_path, f"qwen2.rope.dimension_count is {wrong}", "head size 8")


def test_rope_scaling_is_read(tmp_path: Path) -> None:
    file = small_model()
    path = tmp_path / "good.gguf"
    file.set("llama.rope.scale_linear", F32, 2.0)  # the old name
    path.write_bytes(file.build())
    assert read_gguf(path).hyper.rope_scaling == RopeScaling(factor=2.0, n_ctx_original=64)
    file.text("llama.rope.scaling.type", b"yarn")
    file.set("llama.rope.scaling.factor", F32, 4.0)
    file.set("llama.rope.scaling.original_context_length", U32, 16)
    path.write_bytes(file.build())
    assert read_gguf(path).hyper.rope_scaling == RopeScaling("yarn", 4.0, 16)
    file.text("llama.rope.scaling.type", b"none")
    path.write_bytes(file.build())
    assert read_gguf(path).hyper.rope_scaling.factor == 1.0


def test_phi3_has_both_sets_of_rope_factors_or_none(tmp_path: Path) -> None:
    file = of_architecture("phi3")
    file.text("phi3.rope.scaling.type", b"longrope")
    file.tensors.append(Row(b"rope_factors_long.weight", [4]))
    refused(file, tmp_path, "tensor rope_factors_short.weight is missing")
    file.tensors.append(Row(b"rope_factors_short.weight", [3]))
    refused(file, tmp_path, "rope_factors_short.weight has shape [3], wanted [4]")
    file.tensor("rope_factors_short.weight").shape = [4]
    refused(file, tmp_path, "rope_factors_long.weight[0] is 0.0")  # complete, and all zeros


def test_fused_matrices_are_taken_apart_by_rows(tmp_path: Path) -> None:
    path = tmp_path / "good.gguf"
    path.write_bytes(of_architecture("phi3").build())
    model = read_gguf(path)
    found = {
        name: (rows.tensor.name.split(".")[2], rows.first, rows.n)
        for name in ("attn_q", "attn_k", "attn_v", "ffn_gate", "ffn_up", "ffn_down")
        for rows in [rows_of(model, f"{LAYER}{name}.weight")]
    }
    assert found == {
        "attn_q": ("attn_qkv", 0, 32),
        "attn_k": ("attn_qkv", 32, 16),
        "attn_v": ("attn_qkv", 48, 16),
        "ffn_gate": ("ffn_up", 0, 32),
        "ffn_up": ("ffn_up", 32, 32),
        "ffn_down": ("ffn_down", 0, 32),
    }


def hyper_of(file: GgufBytes, folder: Path) -> HyperParameters:
    path = folder / "good.gguf"
    path.write_bytes(file.build())
    return read_gguf(path).hyper


def with_layers(file: GgufBytes, n: int, arch: str) -> GgufBytes:
    file.set(f"{arch}.block_count", U32, n)
    first = [row for row in file.tensors if row.name.startswith(b"blk.0.")]
    for layer in range(1, n):
        name = b"blk.%d." % layer
        file.tensors += [Row(row.name.replace(b"blk.0.", name), row.shape) for row in first]
    return file


def test_gemma2_alternates_windows_and_caps_scores_and_logits(tmp_path: Path) -> None:
    file = with_layers(of_architecture("gemma2"), 3, "gemma2")
    hyper = hyper_of(file, tmp_path)
    assert (hyper.window, hyper.local_layers) == (4096, (True, False, True))
    assert (hyper.attn_softcap, hyper.logit_softcap) == (50.0, 30.0)
    assert hyper.embedding_scale == 32**0.5
    assert hyper.rope_freq_base_local is None
    file.set("gemma2.attention.sliding_window", U32, 8)
    file.set("gemma2.attn_logit_softcapping", F32, 4.0)
    file.set("gemma2.final_logit_softcapping", F32, 12.0)
    hyper = hyper_of(file, tmp_path)
    assert (hyper.window, hyper.attn_softcap, hyper.logit_softcap) == (8, 4.0, 12.0)
    for key in ("attn_logit_softcapping", "final_logit_softcapping"):
        file.set(f"gemma2.{key}", F32, 0.0)
        refused(file, tmp_path, f"gemma2.{key} is 0.0, wanted more than 0")
        file.remove(f"gemma2.{key}")
    file.set("gemma2.attention.sliding_window", U32, 0)
    refused(file, tmp_path, "gemma2.attention.sliding_window is 0")


def test_gemma3_has_five_local_layers_to_a_global_one_unless_a_key_says_otherwise(
    tmp_path: Path,
) -> None:
    file = with_layers(of_architecture("gemma3"), 7, "gemma3")
    hyper = hyper_of(file, tmp_path)
    assert (hyper.window, hyper.local_layers, hyper.rope_freq_base_local) == (0, (), None)
    assert (hyper.attn_softcap, hyper.logit_softcap) == (0.0, 0.0)
    file.set("gemma3.attention.sliding_window", U32, 8)
    hyper = hyper_of(file, tmp_path)
    assert hyper.local_layers == (True,) * 5 + (False, True)
    assert hyper.rope_freq_base_local == 10000.0
    file.set("gemma3.rope.freq_base_swa", F32, 500.0)
    file.set("gemma3.attention.sliding_window_pattern", U32, 2)
    hyper = hyper_of(file, tmp_path)
    assert (hyper.local_layers[:3], hyper.rope_freq_base_local) == ((True, False, True), 500.0)
    flags = [False, True, True, False, False, True, False]
    file.set("gemma3.attention.sliding_window_pattern", ARRAY, array(BOOL, flags))
    assert hyper_of(file, tmp_path).local_layers == tuple(flags)
    file.set("gemma3.attention.sliding_window_pattern", ARRAY, array(BOOL, flags[:4]))
    refused(file, tmp_path, "sliding_window_pattern has 4 elements, wanted one per layer: 7")


@pytest.mark.parametrize(("arch", "n_layer"), [("gemma2", 46), ("gemma3", 62)])
def test_the_largest_gemma_scales_scores_by_its_mean_head_size(
    arch: str, n_layer: int, tmp_path: Path
) -> None:
    file = of_architecture(arch)
    file.set(f"{arch}.attention.key_length", U32, 16)
    file.set(f"{arch}.rope.dimension_count", U32, 16)
    for row in file.tensors:
        if row.name.endswith((b"attn_q_norm.weight", b"attn_k_norm.weight")):
            row.shape = [16]
    for name, shape in {"q": [32, 64], "k": [32, 32], "v": [32, 32], "output": [64, 32]}.items():
        file.tensor(f"{LAYER}attn_{name}.weight").shape = shape
    assert hyper_of(file, tmp_path).attn_scale == 16**-0.5
    largest = hyper_of(with_layers(file, n_layer, arch), tmp_path)
    assert largest.attn_scale == 1 / sqrt(32 / 4)


def test_mistral_s_window_is_ignored_as_by_llama_cpp(tmp_path: Path) -> None:
    file = small_model()
    file.set("llama.attention.sliding_window", U32, 16)
    assert hyper_of(file, tmp_path).window == 0


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), 1e-30])
def test_a_divisor_that_would_poison_the_angles_is_refused(value: float, tmp_path: Path) -> None:
    path = synthesize(
        "micro",
        quant="F32",
        path=tmp_path / "m.gguf",
        n_vocab=400,
        optional=lambda name: name == "rope_freqs.weight",
    )
    tensor = read_gguf(path).tensor("rope_freqs.weight")
    with path.open("r+b") as file:
        file.seek(tensor.offset + 4)
        file.write(struct.pack("<f", value))
    with pytest.raises(GgufError, match=r"rope_freqs\.weight\[1\] is .*, wanted 1e-06 to 1e\+06"):
        read_gguf(path)
