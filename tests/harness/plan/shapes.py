"""Models without a file: shapes and a vocabulary are all that planning needs."""

import functools
import math
from pathlib import Path

import numpy as np

from harness.gguf import GGMLType, HyperParameters, Model, Tensor, Vocabulary


@functools.cache
def vocabulary_of(n_vocab: int) -> Vocabulary:
    texts = [b"<unk>", b"<s>", b"</s>", *(f"t{i}".encode() for i in range(n_vocab))]
    return Vocabulary(
        tokens=tuple(texts[:n_vocab]),
        scores=-np.arange(n_vocab, dtype=np.float32),
        types=np.ones(n_vocab, np.uint8),
        bos_id=1,
        eos_id=2,
        unk_id=0,
        add_bos=True,
        add_eos=False,
        add_space_prefix=True,
        eog_ids=(2,),
    )


def model_of(
    *,
    name: str = "shape",
    n_embd: int = 64,
    n_head: int = 4,
    n_head_kv: int = 2,
    n_layer: int = 2,
    n_ff: int = 96,
    n_ctx_train: int = 2048,
    n_vocab: int = 40,
    n_vocab_rows: int | None = None,
    matrix_type: GGMLType = GGMLType.F32,
    tied: bool = False,
) -> Model:
    head_size = n_embd // n_head
    rows = n_vocab_rows or n_vocab
    hyper = HyperParameters(
        n_embd=n_embd,
        n_head=n_head,
        n_head_kv=n_head_kv,
        n_layer=n_layer,
        n_ff=n_ff,
        n_ctx_train=n_ctx_train,
        n_vocab_rows=rows,
        head_size=head_size,
        n_rot=head_size,
        rms_eps=1e-5,
        rope_freq_base=10000.0,
        attn_scale=1.0 / math.sqrt(head_size),
    )
    n_kv = n_head_kv * head_size
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (n_embd, rows)}
    for layer in range(n_layer):
        block: dict[str, tuple[int, ...]] = {
            "attn_norm": (n_embd,),
            "attn_q": (n_embd, n_embd),
            "attn_k": (n_embd, n_kv),
            "attn_v": (n_embd, n_kv),
            "attn_output": (n_embd, n_embd),
            "ffn_norm": (n_embd,),
            "ffn_gate": (n_embd, n_ff),
            "ffn_up": (n_embd, n_ff),
            "ffn_down": (n_ff, n_embd),
        }
        shapes |= {f"blk.{layer}.{key}.weight": shape for key, shape in block.items()}
    shapes["output_norm.weight"] = (n_embd,)
    if not tied:
        shapes["output.weight"] = (n_embd, rows)
    tensors = {}
    for key, shape in shapes.items():
        kind = matrix_type if len(shape) > 1 else GGMLType.F32
        size_bytes = kind.row_bytes(shape[0]) * (shape[1] if len(shape) > 1 else 1)
        tensors[key] = Tensor(key, shape, kind, 0, size_bytes)
    return Model(
        path=Path("shape.gguf"),
        name=name,
        architecture="llama",
        hyper=hyper,
        vocabulary=vocabulary_of(n_vocab),
        tensors=tensors,
        chat_template=None,
        metadata={},
        size_bytes=sum(tensor.size_bytes for tensor in tensors.values()),
    )


TINYLLAMA = model_of(
    name="TinyLlama",
    n_embd=2048,
    n_head=32,
    n_head_kv=4,
    n_layer=22,
    n_ff=5632,
    n_vocab=32000,
    matrix_type=GGMLType.Q4_K,
)
STORIES260K = model_of(
    name="stories260K", n_embd=64, n_head=8, n_head_kv=4, n_layer=5, n_ff=172, n_vocab=512
)
