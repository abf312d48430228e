"""A random model with the chat template of the default model, and with its system line."""

from pathlib import Path

import numpy as np

from harness.gguf import HyperParameters
from harness.gguf.model import TOKEN_CONTROL, TOKEN_USER_DEFINED
from harness.gguf.tensors import expected_shapes
from harness.synth.metadata import TokenTable
from harness.synth.vocabulary import make_vocabulary
from harness.train.export import write_gguf

MARKERS = ("<|system|>", "<|user|>", "<|end|>")  # <|assistant|> stays plain text
N_CTX = 256
HYPER = HyperParameters(
    n_embd=64,
    n_head=4,
    n_head_kv=2,
    n_layer=1,
    n_ff=96,
    n_ctx_train=N_CTX,
    n_vocab_rows=512,
    head_size=16,
    n_rot=16,
    rms_eps=1e-5,
    rope_freq_base=10000.0,
    attn_scale=0.25,
)


def write_chat_model(path: Path) -> Path:
    """The same bytes every time."""
    rng = np.random.default_rng(3)
    weights = {
        name: np.ones(shape, np.float32)
        if len(shape) == 1
        else rng.normal(0, 0.2, shape[::-1]).astype(np.float32)
        for name, shape in expected_shapes(HYPER).items()
    }
    write_gguf(path, weights, HYPER, _vocabulary(), quant="F32", name="chat", licence="CC0-1.0")
    return path


def _vocabulary() -> TokenTable:
    """A vocabulary of synth, the last merged pieces of which become markers of the template.

    One of them is user-defined, as in some real files: plain text may become such a token. One is
    no token at all, as in others: no tokenizer can tell who wrote it.
    """
    table = make_vocabulary(HYPER.n_vocab_rows)
    merged = [i for i, text in enumerate(table.texts) if len(text) > 1 and text[0] not in "<\u2581"]
    longest = sorted(merged, key=lambda i: len(table.texts[i]))[-len(MARKERS) :]
    for i, text in zip(longest, MARKERS, strict=True):
        table.texts[i] = text
        table.types[i] = TOKEN_USER_DEFINED if text == "<|system|>" else TOKEN_CONTROL
    return table
