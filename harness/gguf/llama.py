"""The llama architecture: its hyper-parameters, and the exact tensors a file must hold."""

from collections.abc import Mapping
from typing import Final

from harness.errors import GgufError
from harness.gguf.metadata import Metadata
from harness.gguf.model import HyperParameters, Tensor
from harness.gguf.types import GGMLType

ARCHITECTURE: Final = "llama"

# Bounds of sense, not of the format: above every published model, below what breaks arithmetic.
MAX_EMBD: Final = 1 << 16
MAX_LAYERS: Final = 1024
MAX_HEADS: Final = 1024
MAX_FF: Final = 1 << 18
MAX_CONTEXT: Final = 1 << 24
MAX_VOCAB_ROWS: Final = 1 << 22
MAX_HEAD_SIZE: Final = 256


def hyper_parameters(metadata: Metadata, n_vocab_rows: int) -> HyperParameters:
    """Read and check the sizes; refuse what would change the arithmetic of the forward pass."""
    prefix = ARCHITECTURE + "."
    n_embd = metadata.integer(prefix + "embedding_length", 1, MAX_EMBD)
    n_layer = metadata.integer(prefix + "block_count", 1, MAX_LAYERS)
    n_ff = metadata.integer(prefix + "feed_forward_length", 1, MAX_FF, per_layer=True)
    n_ctx = metadata.integer(prefix + "context_length", 1, MAX_CONTEXT)
    n_head = metadata.integer(prefix + "attention.head_count", 1, MAX_HEADS, per_layer=True)
    n_head_kv = metadata.integer(
        prefix + "attention.head_count_kv", 1, n_head, default=n_head, per_layer=True
    )
    if n_head % n_head_kv:
        metadata.fail(
            prefix + "attention.head_count_kv",
            f"is {n_head_kv}, which does not divide the {n_head} heads",
        )
    _refuse_other_arithmetic(metadata, prefix)
    head_size = _head_size(metadata, prefix, n_embd, n_head)
    return HyperParameters(
        n_embd=n_embd,
        n_head=n_head,
        n_head_kv=n_head_kv,
        n_layer=n_layer,
        n_ff=n_ff,
        n_ctx_train=n_ctx,
        n_vocab_rows=n_vocab_rows,
        head_size=head_size,
        n_rot=_n_rot(metadata, prefix, head_size),
        rms_eps=_positive(metadata, prefix + "attention.layer_norm_rms_epsilon", None),
        rope_freq_base=_positive(metadata, prefix + "rope.freq_base", 10000.0),
    )


def check_tensors(tensors: Mapping[str, Tensor], hyper: HyperParameters, n_vocab: int) -> None:
    """Exactly the expected tensors, each of the expected shape; norms in F32."""
    expected = expected_shapes(hyper)
    for name, shape in expected.items():
        if name not in tensors:
            raise GgufError(f"tensor {name} is missing, wanted shape {_text(shape)}")
        if tensors[name].shape != shape:
            raise GgufError(f"{name} has shape {_text(tensors[name].shape)}, wanted {_text(shape)}")
    output = {"output.weight": (hyper.n_embd, hyper.n_vocab_rows)}
    for name, tensor in tensors.items():
        wanted = expected.get(name) or output.get(name)
        if wanted is None:
            raise GgufError(f"tensor {name} is not supported here", hint=_reason(name))
        if tensor.shape != wanted:
            raise GgufError(f"{name} has shape {_text(tensor.shape)}, wanted {_text(wanted)}")
        if len(wanted) == 1 and tensor.type is not GGMLType.F32:
            raise GgufError(f"{name} is {tensor.type.name}, wanted F32: norms are not quantised")
    if hyper.n_vocab_rows < n_vocab:
        raise GgufError(
            f"token_embd.weight has {hyper.n_vocab_rows} rows, tokenizer.ggml.tokens has {n_vocab} "
            "texts: wanted a row for each"
        )


def expected_shapes(hyper: HyperParameters) -> dict[str, tuple[int, ...]]:
    """Name -> (n_in, n_out) of every tensor of a model with tied output, in plan order."""
    n_embd, n_ff = hyper.n_embd, hyper.n_ff
    n_q, n_kv = hyper.n_head * hyper.head_size, hyper.n_head_kv * hyper.head_size
    layer: dict[str, tuple[int, ...]] = {
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
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (n_embd, hyper.n_vocab_rows)}
    for i in range(hyper.n_layer):
        shapes |= {f"blk.{i}.{name}.weight": shape for name, shape in layer.items()}
    return shapes | {"output_norm.weight": (n_embd,)}


def _head_size(metadata: Metadata, prefix: str, n_embd: int, n_head: int) -> int:
    key = prefix + "attention.key_length"
    if key not in metadata and n_embd % n_head:
        metadata.fail(
            prefix + "attention.head_count", f"is {n_head}, which does not divide n_embd {n_embd}"
        )
    head_size = metadata.integer(key, 2, MAX_HEAD_SIZE, default=n_embd // n_head)
    if head_size % 2 or not 2 <= head_size <= MAX_HEAD_SIZE:
        source = key if key in metadata else prefix + "attention.head_count"
        metadata.fail(
            source, f"makes heads of {head_size} values, wanted an even 2 to {MAX_HEAD_SIZE}"
        )
    value_length = prefix + "attention.value_length"
    n_value = metadata.integer(value_length, 1, MAX_HEAD_SIZE, default=head_size)
    if n_value != head_size:
        metadata.fail(value_length, f"is {n_value}, wanted the key length {head_size}")
    return head_size


def _n_rot(metadata: Metadata, prefix: str, head_size: int) -> int:
    key = prefix + "rope.dimension_count"
    n_rot = metadata.integer(key, 0, MAX_HEAD_SIZE, default=head_size)
    if n_rot != head_size:
        metadata.fail(key, f"is {n_rot}, wanted the head size {head_size}")
    return n_rot


def _positive(metadata: Metadata, key: str, default: float | None) -> float:
    value = metadata.number(key, default=default)
    if value <= 0:
        metadata.fail(key, f"is {value}, wanted more than 0")
    return value


def _refuse_other_arithmetic(metadata: Metadata, prefix: str) -> None:
    # attention.sliding_window (Mistral 7B v0.1) is not among these: llama.cpp ignores it as well.
    key = prefix + "expert_count"
    if metadata.integer(key, 0, 1 << 32, default=0) > 0:
        metadata.fail(
            key,
            "is not 0: this is a mixture of experts, which is not supported",
            hint="use a dense llama model",
        )
    if not metadata.boolean(prefix + "attention.causal", default=True):
        metadata.fail(prefix + "attention.causal", "is false: only causal models are supported")
    kind_key = prefix + "rope.scaling.type"
    kind = metadata.text(kind_key, default="linear")
    if kind not in ("none", "linear"):
        metadata.fail(
            kind_key, f"is {kind!r}, which is not supported; supported: 'none', 'linear' by 1"
        )
    for name in ("rope.scaling.factor", "rope.scale_linear", "rope.scaling.attn_factor"):
        factor = metadata.number(prefix + name, default=1.0)
        if factor != 1.0 and not (kind == "none" and name != "rope.scaling.attn_factor"):
            metadata.fail(prefix + name, f"is {factor}; a scaled rope is not supported, wanted 1")


def _reason(name: str) -> str:
    if name.endswith(".bias"):
        return "models with biases are not supported: ignoring one would give plausible garbage"
    if name == "rope_freqs.weight":
        return "Llama 3.1's rope factors are not supported yet; Llama 2 and TinyLlama have none"
    if "_exps" in name or "ffn_gate_inp" in name:
        return "mixtures of experts are not supported"
    return "it is not part of a plain llama model, and ignoring it would give plausible garbage"


def _text(shape: tuple[int, ...]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"
