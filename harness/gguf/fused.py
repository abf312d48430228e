"""Where the rows of a matrix lie in the file: by itself, or within one that joins several."""

from dataclasses import dataclass

from harness.gguf.model import Model, Tensor


@dataclass(frozen=True)
class Rows:
    """Some rows of a tensor of the file."""

    tensor: Tensor
    first: int
    n: int


def rows_of(model: Model, name: str) -> Rows:
    """The rows of `blk.N.attn_q.weight` and so on, whatever this architecture's files call them.

    Phi-3: `attn_qkv` holds all query heads, then the keys, then the values; `ffn_up` holds the gate
    and then what it multiplies.
    """
    hyper = model.hyper
    block, _, matrix = name.rpartition(".weight")[0].rpartition(".")
    n_q, n_kv = hyper.n_head * hyper.head_size, hyper.n_head_kv * hyper.head_size
    places = {
        "attn_q": ("attn_qkv", 0, n_q),
        "attn_k": ("attn_qkv", n_q, n_kv),
        "attn_v": ("attn_qkv", n_q + n_kv, n_kv),
        "ffn_gate": ("ffn_up", 0, hyper.n_ff),
        "ffn_up": ("ffn_up", hyper.n_ff, hyper.n_ff),
    }
    if not hyper.arch.fused or matrix not in places:
        tensor = model.tensor(name)
        return Rows(tensor, 0, tensor.n_rows)
    source, first, n = places[matrix]
    return Rows(model.tensor(f"{block}.{source}.weight"), first, n)
