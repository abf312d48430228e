"""One fault per file: each is refused with a sentence that names the key or tensor."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import GgufError
from harness.gguf import read_gguf
from tests.harness.gguf.gguf_bytes import (
    ARRAY,
    BOOL,
    F32,
    F64,
    I32,
    N_VOCAB,
    STRING,
    U8,
    U32,
    U64,
    GgufBytes,
    Row,
    array,
    small_model,
    string,
)

Spoil = Callable[[GgufBytes], None]
ATTN_Q = "blk.0.attn_q.weight"
TOKENS = "tokenizer.ggml.tokens"


def field(name: str, value: object) -> Spoil:
    return lambda file: setattr(file, name, value)


def key(name: str, kind: int, value: bytes | float) -> Spoil:
    return lambda file: file.set(name, kind, value)


def llama(name: str, kind: int, value: bytes | float) -> Spoil:
    return key("llama." + name, kind, value)


def text(name: str, value: bytes) -> Spoil:
    return lambda file: file.text(name, value)


def without(name: str) -> Spoil:
    return lambda file: file.remove(name)


def tensor(which: str, /, **changes: object) -> Spoil:
    def spoil(file: GgufBytes) -> None:
        for attribute, value in changes.items():
            setattr(file.tensor(which), attribute, value)

    return spoil


def extra(name: bytes, shape: list[int], kind: int = 0) -> Spoil:
    return lambda file: file.tensors.append(Row(name, shape, kind))


def dropped(name: str) -> Spoil:
    return lambda file: file.drop(name)


def tokens(*changes: tuple[int, bytes]) -> Spoil:
    def spoil(file: GgufBytes) -> None:
        texts = [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % i for i in range(256))]
        texts += [b"c", b"d", b"e", b"cd", b"de"]
        for i, value in changes:
            texts[i] = value
        file.set(TOKENS, ARRAY, array(STRING, texts))

    return spoil


def repeated_key(file: GgufBytes) -> None:
    file.keys.append(file.keys[3])


def key_name(name: bytes) -> Spoil:
    def spoil(file: GgufBytes) -> None:
        file.keys.append((name, file.keys[-1][1]))

    return spoil


REFUSALS: dict[str, tuple[Spoil, list[str]]] = {
    # 1. the header
    "wrong magic": (field("magic", b"GGUX"), ["magic", "GGUX", "at byte 0"]),
    "a ggjt file": (field("magic", b"tjgg"), ["ggjt", "older than GGUF"]),
    "version 0": (field("version", 0), ["version is 0", "2 or 3"]),
    "version 1": (field("version", 1), ["version is 1", "2 or 3"]),
    "version 4": (field("version", 4), ["version is 4", "2 or 3"]),
    "big endian": (field("version", 3 << 24), ["big-endian"]),
    # 2. counts
    "more keys than bytes": (field("n_keys", 1 << 62), ["key count 4611686018427387904"]),
    "more tensors than bytes": (field("n_tensors", 1 << 63), ["tensor count 9223372036854775808"]),
    "one key too many": (lambda f: setattr(f, "n_keys", len(f.keys) + 1), ["tensor"]),
    # 3. lengths and value types
    "a string longer than the file": (
        key("general.name", STRING, struct.pack("<Q", 1 << 40) + b"x"),
        ["general.name", "1099511627776 bytes"],
    ),
    "a string whose end wraps around": (
        key("general.name", STRING, struct.pack("<Q", (1 << 64) - 8) + b"x"),
        ["general.name", "18446744073709551608 bytes"],
    ),
    "an array longer than the file": (
        key("tokenizer.ggml.scores", ARRAY, array(F32, [0.0] * N_VOCAB, count=1 << 61)),
        ["tokenizer.ggml.scores", "2305843009213693952 elements"],
    ),
    "an array of strings longer than the file": (
        key(TOKENS, ARRAY, array(STRING, [b"a"], count=1 << 60)),
        [TOKENS, "1152921504606846976 elements"],
    ),
    "a token longer than the file": (
        key(TOKENS, ARRAY, struct.pack("<IQQ", STRING, 1, 1 << 50)),
        [TOKENS + "'[0]", "1125899906842624 bytes"],
    ),
    "an array of arrays": (
        key("general.tags", ARRAY, struct.pack("<IQ", ARRAY, 1) + array(U8, [1])),
        ["general.tags", "array of arrays"],
    ),
    "an unknown value type": (key("general.name", 13, b"\0"), ["general.name", "type 13"]),
    "an unknown element type": (
        key("general.tags", ARRAY, struct.pack("<IQ", 99, 0)),
        ["general.tags", "type 99"],
    ),
    "a key of 70,000 bytes": (key_name(b"k" * 70000), ["key 19", "70000 bytes"]),
    # 4. names
    "a key that appears twice": (repeated_key, ["llama.embedding_length", "appears twice"]),
    "a key with a NUL": (key_name(b"a\0b"), [r"a\x00b", "NUL"]),
    "a key that is not UTF-8": (key_name(b"a\xff"), [r"a\xff", "not UTF-8"]),
    "a tensor name that moves the cursor of a terminal": (
        tensor(ATTN_Q, name=b"blk\x1b[2J"),
        [r"blk\x1b[2J", "control"],
    ),
    "an empty key": (key_name(b""), ["key 19", "not empty"]),
    "a tensor that appears twice": (extra(ATTN_Q.encode(), [32, 32]), [ATTN_Q, "appears twice"]),
    "a tensor name with a NUL": (tensor(ATTN_Q, name=b"blk\0"), [r"blk\x00", "NUL"]),
    "a tensor name that is not UTF-8": (tensor(ATTN_Q, name=b"\xc3("), ["not UTF-8"]),
    "a tensor name of 64 bytes": (tensor(ATTN_Q, name=b"n" * 64), ["64 bytes", "at most 63"]),
    # 5. alignment
    "alignment 0": (key("general.alignment", U32, 0), ["general.alignment is 0"]),
    "alignment 48": (key("general.alignment", U32, 48), ["general.alignment is 48", "power of"]),
    "alignment 1 MiB": (key("general.alignment", U32, 1 << 20), ["general.alignment is 1048576"]),
    "alignment of another type": (
        key("general.alignment", U64, 32),
        ["general.alignment is of type u64", "wanted a u32"],
    ),
    # 6. shapes and types
    "no dimensions": (tensor(ATTN_Q, n_dims=0), [ATTN_Q, "0 dimensions"]),
    "five dimensions": (tensor(ATTN_Q, shape=[32, 32, 1, 1, 1]), [ATTN_Q, "5 dimensions"]),
    "a dimension of 0": (tensor(ATTN_Q, shape=[32, 0]), [ATTN_Q, "(32, 0)"]),
    "a dimension of 2^63": (tensor(ATTN_Q, shape=[1 << 63, 1]), [ATTN_Q, "shape"]),
    "dimensions whose product overflows": (
        tensor(ATTN_Q, shape=[1 << 32, 1 << 32]),
        [ATTN_Q, "(4294967296, 4294967296)", "fewer than 2^63 values"],
    ),
    "a tensor of another name": (
        tensor(ATTN_Q, name=b"blk.0.attention_q.weight"),
        [f"tensor {ATTN_Q} is missing"],
    ),
    "rows that are no whole blocks": (
        tensor(ATTN_Q, type=12),
        [ATTN_Q, "Q4_K", "rows of 32", "multiple of 256"],
    ),
    "a type that is not supported": (
        tensor(ATTN_Q, type=16),
        ["IQ2_XXS in blk.0.attn_q.weight is not supported", "Q4_K"],
    ),
    "an integer type": (tensor(ATTN_Q, type=26), ["I32 in blk.0.attn_q.weight"]),
    "a type that ggml removed": (tensor(ATTN_Q, type=4), [ATTN_Q, "Q4_2", "removed"]),
    "an unknown type": (tensor(ATTN_Q, type=1000), [ATTN_Q, "unknown type 1000"]),
    # 7. places
    "an offset that is not aligned": (
        tensor(ATTN_Q, offset=4),
        [ATTN_Q, "offset 4", "alignment 32"],
    ),
    "an offset beyond the file": (
        tensor(ATTN_Q, offset=1 << 40),
        [ATTN_Q, "the file ends at byte"],
    ),
    "an offset that wraps around": (
        tensor(ATTN_Q, offset=(1 << 64) - 32),
        [ATTN_Q, "the file ends at byte"],
    ),
    "overlapping tensors": (tensor(ATTN_Q, offset=0), [ATTN_Q, "overlaps"]),
    "truncated tensor data": (field("cut", 64), ["output.weight", "the file ends at byte"]),
    # 8. hyper-parameters
    "a missing architecture": (
        without("general.architecture"),
        ["general.architecture", "missing"],
    ),
    "another architecture": (
        text("general.architecture", b"mamba"),
        ["general.architecture is 'mamba'", "supported: llama, granite, qwen2"],
    ),
    "a missing block count": (without("llama.block_count"), ["llama.block_count is missing"]),
    "a block count of another type": (
        llama("block_count", STRING, string(b"1")),
        ["llama.block_count is of type string", "wanted an integer"],
    ),
    "no layers": (llama("block_count", U32, 0), ["llama.block_count is 0"]),
    "two billion layers": (llama("block_count", U32, (1 << 31) - 1), ["llama.block_count is 2147"]),
    "a dim of 0": (llama("embedding_length", U32, 0), ["llama.embedding_length is 0"]),
    "a negative ffn": (llama("feed_forward_length", I32, -1), ["llama.feed_forward_length is -1"]),
    "layers of different ffn": (
        llama("feed_forward_length", ARRAY, array(U32, [32, 64])),
        ["llama.feed_forward_length differs between layers"],
    ),
    "no context": (llama("context_length", U32, 0), ["llama.context_length is 0"]),
    "no heads": (llama("attention.head_count", U32, 0), ["llama.attention.head_count is 0"]),
    "heads that do not divide dim": (
        llama("attention.head_count", U32, 6),
        ["llama.attention.head_count", "6"],
    ),
    "kv heads that do not divide heads": (
        llama("attention.head_count_kv", U32, 3),
        ["llama.attention.head_count_kv is 3", "4 heads"],
    ),
    "an odd head size": (
        llama("attention.key_length", U32, 7),
        ["llama.attention.key_length", "even"],
    ),
    "values of another length than keys": (
        llama("attention.value_length", U32, 16),
        ["llama.attention.value_length is 16", "8"],
    ),
    "a rope over half the head": (
        llama("rope.dimension_count", U32, 4),
        ["llama.rope.dimension_count is 4", "head size 8"],
    ),
    "eps NaN": (
        llama("attention.layer_norm_rms_epsilon", F32, float("nan")),
        ["llama.attention.layer_norm_rms_epsilon is nan"],
    ),
    "eps 0": (
        llama("attention.layer_norm_rms_epsilon", F32, 0.0),
        ["llama.attention.layer_norm_rms_epsilon is 0.0"],
    ),
    "a rope base of 0": (llama("rope.freq_base", F32, 0.0), ["llama.rope.freq_base is 0.0"]),
    "an infinite rope base": (llama("rope.freq_base", F64, float("inf")), ["freq_base is inf"]),
    "a rope base beyond any float32": (llama("rope.freq_base", F64, 1e300), ["is 1e+300, wanted"]),
    "an eps that a float32 cannot hold": (
        llama("attention.layer_norm_rms_epsilon", F64, 1e-300),
        ["layer_norm_rms_epsilon is 1e-300"],
    ),
    "no value for any layer": (
        llama("attention.head_count", ARRAY, array(U32, [])),
        ["llama.attention.head_count is an empty array"],
    ),
    "a rope base of 1": (llama("rope.freq_base", F32, 1.0), ["llama.rope.freq_base is 1.0"]),
    # 9. the tensors of a llama
    "a missing tensor": (dropped("blk.0.ffn_up.weight"), ["blk.0.ffn_up.weight is missing"]),
    "a missing embedding": (dropped("token_embd.weight"), ["token_embd.weight is missing"]),
    "a transposed tensor": (
        tensor("blk.0.attn_k.weight", shape=[16, 32]),
        ["blk.0.attn_k.weight has shape [16, 32], wanted [32, 16]"],
    ),
    "an output of another size": (
        tensor("output.weight", shape=[32, N_VOCAB - 1]),
        ["output.weight has shape [32, 263], wanted [32, 264]"],
    ),
    "a norm in F16": (tensor("output_norm.weight", type=1), ["output_norm.weight is F16", "F32"]),
    "an unknown tensor": (extra(b"blk.1.attn_q.weight", [32, 32]), ["blk.1.attn_q.weight is not"]),
    # 10. the vocabulary
    "another tokenizer": (
        text("tokenizer.ggml.model", b"t5"),
        ["tokenizer.ggml.model is 't5' (Unigram)", "supported: 'llama'", "'gpt2'"],
    ),
    "no tokens": (without(TOKENS), [TOKENS + " is missing"]),
    "tokens that are numbers": (key(TOKENS, ARRAY, array(U32, [1])), [TOKENS, "array of uint32"]),
    "an empty token list": (key(TOKENS, ARRAY, array(STRING, [])), [TOKENS, "empty"]),
    "two tokens of one text": (tokens((260, b"c")), [TOKENS + " [260]", "same text as token 259"]),
    "a token of 600 bytes": (tokens((260, b"d" * 600)), [TOKENS + " [260]", "600 bytes"]),
    "a missing byte token": (tokens((10, b"<0x0g>")), [TOKENS + "[10]", "of type byte"]),
    "fewer scores than tokens": (
        key("tokenizer.ggml.scores", ARRAY, array(F32, [0.0] * 3)),
        ["tokenizer.ggml.scores has 3 elements", "264"],
    ),
    "a score beyond any float32": (
        key("tokenizer.ggml.scores", ARRAY, array(F64, [0.0] * 263 + [1e300])),
        ["tokenizer.ggml.scores [263] is inf"],
    ),
    "a score that is NaN": (
        key("tokenizer.ggml.scores", ARRAY, array(F32, [0.0] * 263 + [float("nan")])),
        ["tokenizer.ggml.scores [263] is nan"],
    ),
    "fewer types than tokens": (
        key("tokenizer.ggml.token_type", ARRAY, array(I32, [1] * 5)),
        ["tokenizer.ggml.token_type has 5 elements", "264"],
    ),
    "an unknown token type": (
        key("tokenizer.ggml.token_type", ARRAY, array(I32, [2, 3, 3] + [6] * 256 + [1] * 4 + [7])),
        ["tokenizer.ggml.token_type [263] is 7"],
    ),
    "byte tokens that are ordinary": (
        key("tokenizer.ggml.token_type", ARRAY, array(I32, [2, 3, 3] + [1] * 261)),
        [TOKENS + " has 0 byte tokens", "<0x00>"],
    ),
    "a BOS outside the vocabulary": (
        key("tokenizer.ggml.bos_token_id", U32, N_VOCAB),
        ["tokenizer.ggml.bos_token_id is 264", "0 to 263"],
    ),
    "a padding token outside the vocabulary": (
        key("tokenizer.ggml.padding_token_id", U32, 9999),
        ["tokenizer.ggml.padding_token_id is 9999"],
    ),
    "add_bos that is a number": (
        key("tokenizer.ggml.add_bos_token", U32, 1),
        ["tokenizer.ggml.add_bos_token is of type u32", "wanted a boolean"],
    ),
    "more tokens than embedding rows": (
        lambda f: (
            tensor("token_embd.weight", shape=[32, 200])(f),
            tensor("output.weight", shape=[32, 200])(f),
        )[-1],
        ["token_embd.weight has 200 rows", TOKENS + " has 264"],
    ),
    "a chat template that is not UTF-8": (
        text("tokenizer.chat_template", b"{{ \xff }}"),
        ["tokenizer.chat_template is not UTF-8", "byte 3"],
    ),
    "a chat template of two million bytes": (
        text("tokenizer.chat_template", b"x" * (2 << 20)),
        ["tokenizer.chat_template has 2097152 bytes"],
    ),
    "a tokenizer with a long name": (
        text("tokenizer.ggml.model", b"t" * 5000),
        ["tokenizer.ggml.model has 5000 bytes"],
    ),
    # 11. files that are something else
    "one part of a split model": (key("split.count", U8, 3), ["split.count is 3", "one part"]),
    "an adapter": (text("general.type", b"adapter"), ["general.type is 'adapter'", "LoRA"]),
    "a projector": (text("general.type", b"mmproj"), ["general.type is 'mmproj'", "projector"]),
    "an older projector": (
        text("general.architecture", b"clip"),
        ["general.architecture is 'clip'", "a projector of images"],
    ),
    "a mixture of experts of its own architecture": (
        text("general.architecture", b"qwen3moe"),
        ["'qwen3moe', a mixture of experts, which is not supported"],
    ),
    "a mixture of experts": (llama("expert_count", U32, 8), ["llama.expert_count", "mixture of"]),
    "a vocabulary only": (field("tensors", []), ["tensor count 0", "only a vocabulary"]),
    "a bidirectional model": (
        llama("attention.causal", BOOL, 0),
        ["llama.attention.causal is false"],
    ),
}


@pytest.mark.parametrize("fault", REFUSALS)
def test_file_is_refused_by_name(fault: str, tmp_path: Path) -> None:
    spoil, wanted = REFUSALS[fault]
    file = small_model()
    spoil(file)
    path = tmp_path / "bad.gguf"
    path.write_bytes(file.build())
    with pytest.raises(GgufError) as refusal:
        read_gguf(path)
    message = str(refusal.value)
    assert message.startswith("bad.gguf: ")
    for part in wanted:
        assert part in message, message


def test_small_model_itself_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    path.write_bytes(small_model().build())
    assert read_gguf(path).name == "small"
