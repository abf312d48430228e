"""The shapes of real models and the traits of their architectures, as data.

All have a SentencePiece vocabulary, but for bert's, which is of WordPiece.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# TinyLlama-1.1B-Chat's own; the markers are plain text, only </s> is a token of its own.
ZEPHYR_TEMPLATE: Final = (
    "{% for message in messages %}\n"
    "{% if message['role'] == 'user' %}\n"
    "{{ '<|user|>\\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'system' %}\n"
    "{{ '<|system|>\\n' + message['content'] + eos_token }}\n"
    "{% elif message['role'] == 'assistant' %}\n"
    "{{ '<|assistant|>\\n'  + message['content'] + eos_token }}\n"
    "{% endif %}\n"
    "{% if loop.last and add_generation_prompt %}\n"
    "{{ '<|assistant|>' }}\n"
    "{% endif %}\n"
    "{% endfor %}"
)

# Llama 3's, without its date and tools.
LLAMA3_TEMPLATE: Final = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{{ message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
    "{% endif %}"
)


@dataclass(frozen=True)
class Preset:
    """The hyper-parameters of a model to imitate, named as GGUF names them."""

    n_embd: int
    n_layer: int
    n_head: int
    n_head_kv: int
    n_ff: int
    n_vocab: int
    n_ctx: int
    rms_eps: float = 1e-5
    rope_freq_base: float = 10000.0
    tied: bool = False  # no output.weight: the embedding matrix makes the logits
    chat_template: str | None = None
    arch: str = "llama"  # whose formulas, unless another one is asked for
    traits: Mapping[str, Any] = field(default_factory=dict)  # beyond those of that architecture


PRESETS: Final = {
    # stories260K's shape: rows of 172 are no multiple of 32, which exercises the fallback to F16.
    "micro": Preset(64, 5, 8, 4, 172, 512, 2048),
    # The smallest shape whose every matrix can be a K-quant.
    "tiny": Preset(256, 4, 8, 4, 768, 2048, 2048),
    "stories15m": Preset(288, 6, 6, 6, 768, 32000, 256),
    "smollm-135m": Preset(576, 30, 9, 3, 1536, 49152, 2048, tied=True),
    "tinyllama-1.1b": Preset(2048, 22, 32, 4, 5632, 32000, 2048, chat_template=ZEPHYR_TEMPLATE),
    # The sizes of Llama 3.2 1B, but a SentencePiece vocabulary (the original has a byte-level BPE)
    # and no rope factors: right for sizing and benches, not for tokenizer work.
    "llama-3.2-1b": Preset(
        2048, 16, 32, 8, 8192, 128256, 131072, rope_freq_base=500000.0, tied=True
    ),
    # Granite 3.3 8B's sizes and scales, likewise without its byte-level BPE.
    "granite-3.3-8b": Preset(
        4096, 40, 32, 8, 12800, 49159, 131072, rope_freq_base=1e7, tied=True,
        arch="granite", traits={"logit_scale": 1 / 16},
    ),
    "qwen3-embedding-0.6b": Preset(
        1024, 28, 16, 8, 3072, 151669, 32768, rms_eps=1e-6, arch="qwen3",
        traits={"pooling": "last"},
    ),
    "embeddinggemma-300m": Preset(
        768, 24, 3, 1, 1152, 262144, 2048, rms_eps=1e-6, rope_freq_base=1e6, arch="gemma-embedding"
    ),
    # all-MiniLM-L6-v2, and bge-small-en-v1.5 of twice the layers.
    "minilm": Preset(384, 6, 12, 12, 1536, 30522, 512, rms_eps=1e-12, arch="bert"),
    "bge-small": Preset(384, 12, 12, 12, 1536, 30522, 512, rms_eps=1e-12, arch="bert"),
}  # fmt: skip

# Hyper-parameters that models of an architecture have in common, whatever their shape.
TRAITS: Final[Mapping[str, Mapping[str, Any]]] = {
    "llama": {},
    "granite": {
        "attn_scale": 1 / 128, "embedding_scale": 12.0, "residual_scale": 0.22, "logit_scale": 0.25,
    },
    "qwen2": {"rope_freq_base": 1e6},
    "qwen3": {"rope_freq_base": 1e6, "head_size": 128, "n_rot": 128},
    "phi3": {"head_size": 96, "n_rot": 96},
    "gemma2": {
        "rms_eps": 1e-6, "head_size": 256, "n_rot": 256, "attn_softcap": 50.0,
        "logit_softcap": 30.0, "window": 4096,
    },
    "gemma3": {
        "rms_eps": 1e-6, "head_size": 256, "n_rot": 256, "rope_freq_base": 1e6, "window": 512,
        "rope_freq_base_local": 10000.0,
    },
    "gemma-embedding": {
        "rms_eps": 1e-6, "head_size": 256, "n_rot": 256, "rope_freq_base": 1e6, "window": 512,
        "rope_freq_base_local": 10000.0, "pooling": "mean",
    },
    "bert": {"rms_eps": 1e-12, "n_rot": 0, "n_token_types": 2, "pooling": "mean"},
}  # fmt: skip
