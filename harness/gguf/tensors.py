"""The exact tensors that a file of an architecture must hold, and those it may."""

from collections.abc import Mapping
from typing import Final

from harness.errors import GgufError, quoted
from harness.gguf.model import HyperParameters, Tensor
from harness.gguf.types import GGMLType

Shape = tuple[int, ...]
ROPE_FREQS: Final = "rope_freqs.weight"
ROPE_LONG: Final = "rope_factors_long.weight"  # for contexts beyond that of the first training
ROPE_SHORT: Final = "rope_factors_short.weight"
DENSE: Final = ("dense_2.weight", "dense_3.weight")
LAYER_NORMS: Final = ("attn_output_norm", "layer_output_norm")  # with mean and bias


def check_tensors(tensors: Mapping[str, Tensor], hyper: HyperParameters) -> None:
    """Exactly the expected tensors, each of the expected shape; vectors in F32."""
    expected = expected_shapes(hyper)
    optional = optional_shapes(hyper)
    for name, shape in expected.items():
        if name not in tensors:
            strange = [other for other in tensors if other not in expected | optional]
            raise GgufError(
                f"tensor {name} is missing, wanted shape {_text(shape)}",
                hint=f"the file has {quoted(strange[0])}, which is unknown here" if strange else "",
            )
        if tensors[name].shape != shape:
            raise GgufError(f"{name} has shape {_text(tensors[name].shape)}, wanted {_text(shape)}")
    for name, tensor in tensors.items():
        wanted = expected.get(name) or optional.get(name)
        if wanted is None:
            raise GgufError(f"tensor {name} is not supported here", hint=_reason(name, hyper))
        if tensor.shape != wanted:
            raise GgufError(f"{name} has shape {_text(tensor.shape)}, wanted {_text(wanted)}")
        if len(wanted) == 1 and tensor.type is not GGMLType.F32:
            raise GgufError(f"{name} is {tensor.type.name}, wanted F32: vectors are not quantised")
    for name in layer_biases(tensors, hyper):
        for layer in range(hyper.n_layer):
            if f"blk.{layer}.{name}" not in tensors:
                raise GgufError(f"tensor blk.{layer}.{name} is missing: other layers have theirs")
    for first, second, what in (
        (ROPE_LONG, ROPE_SHORT, "rope factors are"),
        (*DENSE, "dense matrix is"),
    ):
        if (first in tensors) != (second in tensors):
            missing = second if first in tensors else first
            raise GgufError(f"tensor {missing} is missing: the other {what} there")


def expected_shapes(hyper: HyperParameters) -> dict[str, Shape]:
    """Name -> (n_in, n_out) of every tensor of a model with tied output, in plan order."""
    arch, vector = hyper.arch, (hyper.n_embd,)
    layer = {f"{name}.weight": shape for name, shape in _layer_shapes(hyper).items()}
    layer |= {f"{name}.bias": _layer_shapes(hyper)[name][1:] for name in arch.biases}
    shapes: dict[str, Shape] = {"token_embd.weight": (hyper.n_embd, hyper.n_vocab_rows)}
    if arch.learned_positions:
        shapes["position_embd.weight"] = (hyper.n_embd, hyper.n_ctx_train)
        shapes["token_types.weight"] = (hyper.n_embd, hyper.n_token_types)
    if arch.layer_norms:
        layer |= {f"{name}.bias": vector for name in LAYER_NORMS}
        shapes |= {f"token_embd_norm.{kind}": vector for kind in ("weight", "bias")}
    for i in range(hyper.n_layer):
        shapes |= {f"blk.{i}.{name}": shape for name, shape in layer.items()}
    return shapes if arch.layer_norms else shapes | {"output_norm.weight": vector}


def optional_shapes(hyper: HyperParameters) -> dict[str, Shape]:
    """What a file may hold as well."""
    shapes: dict[str, Shape] = {}
    if not hyper.makes_vectors:
        shapes["output.weight"] = (hyper.n_embd, hyper.n_vocab_rows)
    if hyper.n_dense:
        n_embd, n_dense = hyper.n_embd, hyper.n_dense
        shapes |= dict(zip(DENSE, ((n_embd, n_dense), (n_dense, n_embd)), strict=True))
    if hyper.arch.rope_freqs:
        shapes[ROPE_FREQS] = (hyper.n_rot // 2,)
    if hyper.arch.rope_factors:
        shapes |= {name: (hyper.n_rot // 2,) for name in (ROPE_LONG, ROPE_SHORT)}
    layer = _layer_shapes(hyper)
    for i in range(hyper.n_layer):
        shapes |= {f"blk.{i}.{name}.bias": layer[name][1:] for name in hyper.arch.optional_biases}
    return shapes


def layer_biases(tensors: Mapping[str, Tensor], hyper: HyperParameters) -> tuple[str, ...]:
    """`attn_q.bias` and so on: those that any layer has, in the order of the architecture's row."""
    names = (f"{name}.bias" for name in (*hyper.arch.biases, *hyper.arch.optional_biases))
    layers = range(hyper.n_layer)
    return tuple(name for name in names if any(f"blk.{i}.{name}" in tensors for i in layers))


def _layer_shapes(hyper: HyperParameters) -> dict[str, Shape]:
    n_embd, n_ff, head = hyper.n_embd, hyper.n_ff, hyper.head_size
    n_q, n_kv = hyper.n_head * head, hyper.n_head_kv * head
    shapes: dict[str, Shape] = {
        "attn_norm": (n_embd,),
        "attn_q": (n_embd, n_q),
        "attn_k": (n_embd, n_kv),
        "attn_v": (n_embd, n_kv),
        "attn_output": (n_q, n_embd),
        "ffn_norm": (n_embd,),
        "ffn_gate": (n_embd, n_ff),
        "ffn_up": (n_embd, n_ff),
        "ffn_down": (n_ff, n_embd),
    }
    if hyper.arch.fused:
        for name in ("attn_q", "attn_k", "attn_v", "ffn_gate"):
            del shapes[name]
        shapes |= {"attn_qkv": (n_embd, n_q + 2 * n_kv), "ffn_up": (n_embd, 2 * n_ff)}
    if not hyper.arch.gated:
        del shapes["ffn_gate"]
    if hyper.arch.layer_norms:
        del shapes["attn_norm"], shapes["ffn_norm"]
        shapes |= dict.fromkeys(LAYER_NORMS, (n_embd,))
    if hyper.arch.qk_norm:
        shapes |= {"attn_q_norm": (head,), "attn_k_norm": (head,)}
    if hyper.arch.post_norms:
        shapes |= {"post_attention_norm": (n_embd,), "post_ffw_norm": (n_embd,)}
    return shapes


def _reason(name: str, hyper: HyperParameters) -> str:
    if name.endswith(".bias"):
        return f"{hyper.arch.name} has no such bias: ignoring it would give plausible garbage"
    if name in DENSE and hyper.arch.dense:
        return f"{hyper.arch.name}.dense_2_feat_out must say how large the dense matrices are"
    if name == "output.weight":
        return "a model that makes vectors has no logits"
    if "_exps" in name or "ffn_gate_inp" in name:
        return "mixtures of experts are not supported"
    return f"it is not part of {hyper.arch.name}, and ignoring it would give plausible garbage"


def _text(shape: Shape) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"
