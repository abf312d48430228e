"""Files of many tiny things: what takes more memory than in the file is packed, or refused."""

import itertools
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from tests.harness.gguf.gguf_bytes import (
    ARRAY,
    F32,
    STRING,
    U8,
    Entry,
    GgufBytes,
    Row,
    array,
    small_model,
    string,
)
from tests.harness.gguf.peak import peak_of
from tests.harness.gguf.test_bpe_vocabulary import bpe_model
from tests.harness.gguf.test_wordpiece_vocabulary import bert_model

N: Final = 200_000
SLACK: Final = 4 << 20  # a build's buffers, whatever the file
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4
ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?+-*/=()[]{}#$%&@^_~|"
TEMPLATE: Final = b"{% for m in messages %}{{ m.content }}{% endfor %}"


def short_texts(n: int) -> list[bytes]:
    """Different ones of three bytes each."""
    combinations = itertools.product(ALPHABET, repeat=3)
    return [bytes(text) for text in itertools.islice(combinations, n)]


def grown(file: GgufBytes, texts: Iterable[bytes], kind: int = NORMAL) -> GgufBytes:
    """The file with more tokens, as small as a file can write them; their rows are Q4_0."""
    values = dict(file.keys)
    old = values[b"tokenizer.ggml.tokens"].payload
    (n_old,) = struct.unpack_from("<Q", old, 4)
    more = [string(text) for text in texts]
    n = n_old + len(more)
    tokens = struct.pack("<IQ", STRING, n) + old[12:] + b"".join(more)
    file.set("tokenizer.ggml.tokens", ARRAY, tokens)
    types = values[b"tokenizer.ggml.token_type"].payload[12::4] + bytes([kind]) * len(more)
    file.set("tokenizer.ggml.token_type", ARRAY, struct.pack("<IQ", U8, n) + types)
    if b"tokenizer.ggml.scores" in values:
        scores = np.arange(n, dtype="<f4").tobytes()
        file.set("tokenizer.ggml.scores", ARRAY, struct.pack("<IQ", F32, n) + scores)
    file.drop("output.weight")
    file.tensor("token_embd.weight").shape = [32, n]
    file.tensor("token_embd.weight").type = 2  # Q4_0
    file.absurd, file.fill = 1 << 40, 0x3C
    return file


def many_merges() -> GgufBytes:
    """Three bytes of ALPHABET are two tokens in two ways; each way a merge."""
    texts = [bytes(pair) for pair in itertools.product(ALPHABET, repeat=2)]
    triples = short_texts(N // 2)
    file = grown(bpe_model(), [*texts, *triples])
    lines = [b"%c %c" % tuple(text) for text in texts]
    for text in triples:
        lines += [text[:1] + b" " + text[1:], text[:2] + b" " + text[2:]]
    file.set("tokenizer.ggml.merges", ARRAY, array(STRING, lines))
    return file


def special(file: GgufBytes) -> GgufBytes:
    """A template, and every new token to be looked for in what it writes."""
    file = grown(file, short_texts(N), USER_DEFINED)
    file.text("tokenizer.chat_template", TEMPLATE)
    return file


def named_phi3() -> GgufBytes:
    file = grown(small_model(), short_texts(N), CONTROL)
    file.text("general.name", b"phi-3")
    return file


def with_tensors() -> GgufBytes:
    file = small_model()
    names = short_texts(4096 - len(file.tensors))
    file.tensors += [Row(name, [1]) for name in names]
    return file


def with_keys(entry: Entry) -> GgufBytes:
    file = small_model()
    file.keys += [(name, entry) for name in short_texts(1024 - len(file.keys))]
    return file


FILES: Final[dict[str, tuple[Callable[[], GgufBytes], str]]] = {
    "SentencePiece": (lambda: grown(small_model(), short_texts(N)), ""),
    "byte-level BPE": (lambda: grown(bpe_model(), short_texts(N)), ""),
    "merges": (many_merges, ""),
    "WordPiece": (lambda: grown(bert_model(), short_texts(N)), ""),
    "special tokens": (lambda: special(bpe_model()), ""),
    "tokens that swallow space": (named_phi3, "200003 special tokens"),
    "empty tokens": (lambda: grown(small_model(), [b""] * N), "more than 4096 empty texts"),
    "long tokens": (
        lambda: grown(small_model(), (b"x" * 509 + text for text in short_texts(N // 16))),
        "",
    ),
    "tensors": (with_tensors, "is not supported here"),
    "keys": (lambda: with_keys(Entry(U8, b"\1")), ""),
    "arrays": (lambda: with_keys(Entry(ARRAY, array(STRING, []))), ""),
    "array of strings": (lambda: with_keys(Entry(ARRAY, array(STRING, [b""] * 1000))), ""),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of each kind of vocabulary."""
    paths = []
    for make in (small_model, bpe_model, bert_model):
        paths.append(tmp_path_factory.mktemp("small") / f"{make.__name__}.gguf")
        paths[-1].write_bytes(make().build())
    return paths


@pytest.mark.slow
@pytest.mark.parametrize("what", FILES)
def test_memory_stays_below_twice_the_file(what: str, small: list[Path], tmp_path: Path) -> None:
    make, refusal = FILES[what]
    path = tmp_path / "many.gguf"
    path.write_bytes(make().build())
    peak = peak_of(path, small)
    assert refusal in peak.refusal if refusal else not peak.refusal
    assert peak.n_bytes < 2 * path.stat().st_size + SLACK
