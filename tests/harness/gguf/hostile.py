"""Small models of every architecture, vocabulary and block type, and mutations of them.

A mutation is a tuple of plain data, the name of a function here and its arguments, so that
hypothesis draws, shrinks and prints it.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from harness.gguf import GGMLType
from harness.gguf.architecture import ARCHITECTURES
from tests.harness.gguf.gguf_bytes import (
    ARRAY,
    BOOL,
    F32,
    F64,
    I64,
    STRING,
    U32,
    Entry,
    GgufBytes,
    Row,
    scalar,
    string,
)
from tests.harness.gguf.test_architectures import of_architecture
from tests.harness.gguf.test_bpe_vocabulary import bpe_model
from tests.harness.gguf.test_wordpiece_vocabulary import bert_model

TOKENIZER: Final = b"tokenizer."
N_VOCAB: Final = 264
Mutation = tuple[Any, ...]


@dataclass(frozen=True)
class Seed:
    """A valid model: its architecture, kind of vocabulary, and type of matrices."""

    arch: str
    vocabulary: str = "llama"
    type: GGMLType = GGMLType.F32

    def file(self) -> GgufBytes:
        """A fresh one, to be spoiled."""
        file = of_architecture(self.arch)
        if self.vocabulary != "llama":
            source = bpe_model() if self.vocabulary == "gpt2" else bert_model()
            file.keys = [(k, e) for k, e in file.keys if not k.startswith(TOKENIZER)]
            file.keys += [(k, e) for k, e in source.keys if k.startswith(TOKENIZER)]
        if ARCHITECTURES[self.arch].rope_freqs:
            file.tensors.append(Row(b"rope_freqs.weight", [4]))
        if self.arch in ("gemma3", "gemma-embedding"):
            file.set(f"{self.arch}.attention.sliding_window", U32, 8)
        if self.arch == "gemma-embedding":
            file.set("gemma-embedding.dense_2_feat_out", U32, 64)
            file.tensors += [Row(b"dense_2.weight", [32, 64]), Row(b"dense_3.weight", [64, 32])]
        if self.arch in ("gemma-embedding", "bert"):
            file.set(f"{self.arch}.pooling_type", U32, 1)
        self._widen(file)
        for row in file.tensors:
            if len(row.shape) > 1:
                row.type = int(self.type)
        file.absurd = 1 << 22
        file.fill = 0x3C  # a small positive number in every type
        return file

    def _widen(self, file: GgufBytes) -> None:
        """Rows of at least one block; the heads grow with them."""
        times = max(1, self.type.block_size // 32)
        for row in file.tensors:
            row.shape = [n if n == N_VOCAB else n * times for n in row.shape]
        for name in ("embedding_length", "feed_forward_length"):
            file.set(f"{self.arch}.{name}", U32, 32 * times)
        file.set(f"{self.arch}.rope.dimension_count", U32, 8 * times)


SEEDS: Final = [
    *(Seed(arch, kind) for arch in ARCHITECTURES for kind in ("llama", "gpt2", "bert")),
    *(Seed("llama", type=type_) for type_ in GGMLType),
    Seed("phi3", "gpt2", GGMLType.Q5_K),
    Seed("gemma3", "llama", GGMLType.IQ4_NL),
]

KEYS: Final = [
    *("general.alignment", "general.architecture", "general.name", "general.type", "split.count"),
    *("tokenizer.chat_template", "bareword.system_line", "general.quantization_version"),
    *(
        f"tokenizer.ggml.{name}"
        for name in (
            *("model", "pre", "tokens", "scores", "token_type", "merges", "add_bos_token"),
            *("add_eos_token", "add_space_prefix", "bos_token_id", "eos_token_id", "eot_token_id"),
            *("eom_token_id", "unknown_token_id", "cls_token_id", "seperator_token_id"),
            *("padding_token_id", "normalizer.lowercase", "normalizer.strip_accents"),
            "token_type_count",
        )
    ),
    *(
        f"ARCH.{name}"
        for name in (
            *("context_length", "embedding_length", "block_count", "feed_forward_length"),
            *("attention.head_count", "attention.head_count_kv", "attention.key_length"),
            *("attention.value_length", "attention.layer_norm_rms_epsilon", "attention.causal"),
            *("attention.scale", "attention.sliding_window", "attention.sliding_window_pattern"),
            *("rope.dimension_count", "rope.freq_base", "rope.freq_base_swa", "rope.scale_linear"),
            *("rope.scaling.type", "rope.scaling.factor", "rope.scaling.attn_factor"),
            *("rope.scaling.original_context_length", "rope.scaling.finetuned"),
            *("rope.scaling.yarn_ext_factor", "expert_count", "logit_scale", "embedding_scale"),
            *("residual_scale", "attn_logit_softcapping", "final_logit_softcapping"),
            *("attention.layer_norm_epsilon", "pooling_type", "dense_2_feat_in"),
            *("dense_2_feat_out", "dense_3_feat_in", "dense_3_feat_out"),
        )
    ),
]

INTEGERS: Final = [
    *(0, 1, 2, 3, 4, 6, 7, 8, 15, 16, 24, 31, 32, 64, 128, 250, 255, 256, 257, 263, 264, 265),
    *(512, 1023, 1024, 1 << 16, 1 << 22, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1),
    *(1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1),
]
FLOATS: Final = [
    *(0.0, -0.0, 1.0, -1.0, 0.5, 1.0000001, 1e-5, 1e-45, 1e-38, 1e-30, 1e30, 3.4e38, 10000.0),
    *(5e-324, 1e-300, 1e300, 1.7e308, float("nan"), float("inf"), float("-inf")),
]
TEXTS: Final = [
    *(b"", b"\0", b" ", b"\n", b"\xff\xfe", b"a", b"linear", b"yarn", b"none", b"longrope"),
    *(b"llama", b"gpt2", b"bert", b"model", b"adapter", b"default", b"smollm", b"tekken"),
    *(b"phi-3", b'"; int x = 0; //', b"*/ #error 1 /*", b"a\\\n#error 1", b"??/\n#error 1"),
    *(b"%s%n", b"\x1b[2J\x1b]0;x\x07", b"\xe2\x80\xae\xe2\x80\xa8", b"\xf0\x9f\x98\x80" * 40),
    *(b"<0x0A>", b"<|endoftext|>", b"</s>", b"[EMPTY_5]", b"x" * 513, b"\xe2\x96\x81" * 8, b"a b"),
    *(b"q" * 100_000, b"{{", b"{% for m in messages %}{{ m.content }}{% endfor %}"),
    b"{% for m in messages %}<s>{{ m.role + '\"\\\\\n*/' + m.content }}</s>{% endfor %}",
    b"{% for m in messages %}{{ m.content }}{{ bos_token }}{% endfor %}" + b"{#" + b"x" * 70_000,
]


def set_scalar(file: GgufBytes, key: str, kind: int, value: float) -> None:
    with_value(file, key, kind, packed(kind, value))


def set_text(file: GgufBytes, key: str, value: bytes) -> None:
    with_value(file, key, STRING, string(value))


def set_array(file: GgufBytes, key: str, kind: int, values: list[Any], count: int | None) -> None:
    payload = b"".join(packed(kind, value) for value in values)
    n = len(values) if count is None else count
    with_value(file, key, ARRAY, struct.pack("<IQ", kind, n) + payload)


def remove_key(file: GgufBytes, key: str) -> None:
    file.remove(real(file, key))


def repeat_key(file: GgufBytes, i: int) -> None:
    file.keys.append(file.keys[i % len(file.keys)])


def swap_keys(file: GgufBytes, i: int, j: int) -> None:
    """Each gets the other's value."""
    (first, a), (second, b) = (file.keys[k % len(file.keys)] for k in (i, j))
    for k, entry in ((first, b), (second, a)):
        file.keys[[name for name, _ in file.keys].index(k)] = (k, entry)


def set_tensor(file: GgufBytes, i: int, what: str, value: Any) -> None:
    setattr(file.tensors[i % len(file.tensors)], what, value)


def set_dimension(file: GgufBytes, i: int, d: int, value: int) -> None:
    shape = file.tensors[i % len(file.tensors)].shape
    if shape:
        shape[d % len(shape)] = value


def drop_tensor(file: GgufBytes, i: int) -> None:
    del file.tensors[i % len(file.tensors)]


def add_tensor(file: GgufBytes, name: bytes, shape: list[int], kind: int) -> None:
    file.tensors.append(Row(name, shape, kind))


def set_field(file: GgufBytes, what: str, value: int) -> None:
    setattr(file, what, value)


def set_element(file: GgufBytes, key: str, i: int, value: Any) -> None:
    """One token text, score, type or merge."""
    entry = dict(file.keys).get(real(file, key).encode())
    if entry is None or entry.kind != ARRAY or len(entry.payload) < 12:
        return
    kind, values = elements(entry.payload)
    if values and isinstance(value, bytes) == (kind == STRING):
        values[i % len(values)] = value
        payload = b"".join(packed(kind, v) for v in values)
        file.set(real(file, key), ARRAY, entry.payload[:12] + payload)


def with_value(file: GgufBytes, key: str, kind: int, payload: bytes) -> None:
    """Replaced where it stands, so that the order of keys stays."""
    name = real(file, key).encode()
    keys = [k for k, _ in file.keys]
    if name in keys:
        file.keys[keys.index(name)] = (name, Entry(kind, payload))
    else:
        file.keys.append((name, Entry(kind, payload)))


def real(file: GgufBytes, key: str) -> str:
    """ARCH stands for the architecture that the file has or had."""
    prefix = next((k for k, _ in file.keys if k.endswith(b".embedding_length")), b"llama.")
    return key.replace("ARCH", prefix.split(b".")[0].decode())


def packed(kind: int, value: Any) -> bytes:
    """As this type, wrapped or rounded into it."""
    if kind == STRING:
        return string(value if isinstance(value, bytes) else b"")
    if kind in (F32, F64):
        try:
            return scalar(kind, float(value))
        except OverflowError:
            return scalar(kind, float("inf"))
    n = len(scalar(kind, 0))
    bits = int(value) if value == value and abs(value) < 1 << 70 else 0
    return (bits % (1 << 8 * n)).to_bytes(n, "little")


def elements(payload: bytes) -> tuple[int, list[Any]]:
    """Element type and elements of an array that is not itself spoiled; else none."""
    kind, count = struct.unpack_from("<IQ", payload)
    at = 12
    values: list[Any] = []
    if kind in (STRING, ARRAY) or kind > 12:
        while kind == STRING and at + 8 <= len(payload) and len(values) < count:
            n = struct.unpack_from("<Q", payload, at)[0]
            values.append(payload[at + 8 : at + 8 + n])
            at += 8 + n
        return kind, values
    size = len(scalar(kind, 0))
    form = "<" + "BbHhIif?  Qqd"[kind]
    return kind, [struct.unpack_from(form, payload, i)[0] for i in range(12, len(payload), size)]


def named(*functions: Callable[..., None]) -> dict[str, Callable[..., None]]:
    return {function.__name__: function for function in functions}


MUTATIONS: Final = named(
    *(set_scalar, set_text, set_array, remove_key, repeat_key, swap_keys, set_tensor),
    *(set_dimension, drop_tensor, add_tensor, set_field, set_element),
)


def spoil(file: GgufBytes, mutations: list[Mutation]) -> None:
    """Apply them in order."""
    for name, *arguments in mutations:
        MUTATIONS[name](file, *arguments)


def mutations() -> st.SearchStrategy[Mutation]:
    """Any one mutation."""
    key, text, index = st.sampled_from(KEYS), st.sampled_from(TEXTS), st.integers(0, 300)
    integer = st.sampled_from(INTEGERS) | st.integers(0, 600)
    number = st.sampled_from(FLOATS)
    kinds = st.sampled_from([k for k in range(13) if k not in (STRING, ARRAY)])
    lists = st.tuples(kinds, st.lists(integer | number, max_size=4))
    count = st.none() | integer
    names = st.sampled_from(
        [
            *(b"rope_freqs.weight", b"rope_factors_long.weight", b"rope_factors_short.weight"),
            *(b"blk.0.attn_q.bias", b"blk.0.ffn_down.bias", b"output.weight", b"output.bias"),
            *(b"dense_2.weight", b"position_embd.weight", b"token_embd_norm.bias", b"cls.weight"),
            *(b"blk.1.attn_q.weight", b"blk.0.attn_q_norm.weight", b"\xff", b"a\nb", b"x" * 63),
        ]
    )
    shapes = st.lists(integer, max_size=5)
    return st.one_of(
        st.tuples(st.just("set_scalar"), key, kinds, integer | number),
        st.tuples(st.just("set_scalar"), key, st.sampled_from([F32, F64]), number),
        st.tuples(st.just("set_scalar"), key, st.sampled_from([U32, I64, BOOL]), integer),
        st.tuples(st.just("set_text"), key, text),
        st.builds(lambda k, v, n: ("set_array", k, *v, n), key, lists, count),
        st.tuples(st.just("set_array"), key, st.just(STRING), st.lists(text, max_size=4), count),
        st.tuples(st.just("remove_key"), key),
        st.tuples(st.just("repeat_key"), index),
        st.tuples(st.just("swap_keys"), index, index),
        st.tuples(st.just("set_tensor"), index, st.just("type"), st.integers(0, 42)),
        st.tuples(
            st.just("set_tensor"), index, st.just("offset"), integer.map(lambda n: n * 32 % 2**64)
        ),
        st.tuples(st.just("set_tensor"), index, st.just("n_dims"), st.integers(0, 6)),
        st.tuples(st.just("set_tensor"), index, st.just("name"), names),
        st.tuples(st.just("set_tensor"), index, st.just("shape"), shapes),
        st.tuples(st.just("set_dimension"), index, st.integers(0, 1), integer),
        st.tuples(st.just("drop_tensor"), index),
        st.tuples(st.just("add_tensor"), names, shapes, st.integers(0, 42)),
        st.tuples(st.just("set_field"), st.just("fill"), st.sampled_from([0, 0x7F, 0x80, 0xFF])),
        st.tuples(st.just("set_field"), st.sampled_from(["n_keys", "n_tensors", "cut"]), integer),
        *(
            st.tuples(st.just("set_element"), st.just("tokenizer.ggml." + name), index, value)
            for name, value in {
                "tokens": text,
                "merges": text,
                "scores": number,
                "token_type": integer,
            }.items()
        ),
    )
