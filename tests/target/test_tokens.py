"""The kernel's tokenizers on an emulated CPU; ten thousand texts on the host: tests/kernel/llm."""

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.gguf import GGMLType, read_gguf
from harness.gguf.reader import Cursor
from harness.link.prompt import Prompt
from harness.reference import encode
from tests.harness.gguf.gguf_bytes import U32, Entry, GgufBytes, small_model
from tests.kernel.llm.test_bpe_c import random_text
from tests.models import PRE
from tests.recorded_tokens import ADD_SPECIAL, PARSE_SPECIAL, recorded_cases
from tests.target.machine import Workshop

pytestmark = pytest.mark.target

N_TEXTS = 200
KEYS_AT = 24  # of a GGUF: magic, version, tensor count, key count
TOKENS = b"tokenizer.ggml.tokens"


@pytest.mark.parametrize("model", PRE, indirect=True)
def test_random_texts_have_the_tokens_of_the_reference(workshop: Workshop, model: Path) -> None:
    vocabulary, source = read_gguf(model).vocabulary, random.Random(model.stem)
    with workshop.session(workshop.image(model)) as session:
        for text in (random_text(source) for _ in range(N_TEXTS)):
            wanted = encode(vocabulary, text, add_special=True, parse_special=False)
            assert session.tokenize(Prompt.of_text(text, parse_special=False)) == wanted, text


# SentencePiece, and byte-level BPE cut by one list of regexes and by two.
@pytest.mark.parametrize("name", ["llama-spm", "gpt-2", "refact"])
def test_llama_cpp_s_recorded_tokens(
    shared: Path, workshop: Workshop, tmp_path: Path, name: str
) -> None:
    path = tmp_path / f"{name}.gguf"
    file = f"vocab/ggml-vocab-{name}.gguf"
    path.write_bytes(with_vocabulary(shared / file).build())
    cases = recorded_cases(shared, file)
    assert len(cases) > 40
    with workshop.session(workshop.image(path)) as session:
        for text, flags, wanted in cases:
            prompt = Prompt.of_text(
                text,
                add_special=bool(flags & ADD_SPECIAL),
                parse_special=bool(flags & PARSE_SPECIAL),
            )
            assert session.tokenize(prompt) == wanted, (text, flags)


def with_vocabulary(source: Path) -> GgufBytes:
    """The smallest model, with another's vocabulary."""
    file = small_model()
    taken = dict(tokenizer_keys(source))
    file.keys = [(k, e) for k, e in file.keys if not k.startswith(b"tokenizer.")]
    file.keys += taken.items()
    _, n_tokens = struct.unpack_from("<IQ", taken[TOKENS].payload)
    for name in ("token_embd.weight", "output.weight"):
        file.tensor(name).shape[1] = n_tokens
        file.tensor(name).type = GGMLType.Q8_0
    file.set("llama.context_length", U32, 2048)
    file.fill = 0x3C  # a small positive number in every type
    return file


def tokenizer_keys(source: Path) -> Iterator[tuple[bytes, Entry]]:
    """The keys of a vocabulary as they stand in the file."""
    data = source.read_bytes()
    (n_keys,) = struct.unpack_from("<Q", data, KEYS_AT - 8)
    cursor = Cursor(data)
    cursor.position = KEYS_AT
    for _ in range(n_keys):
        key = cursor.name("key", 100)
        kind = cursor.value_type(key)
        at = cursor.position
        cursor.value(kind, key)
        if key.startswith("tokenizer."):
            yield key.encode(), Entry(kind, data[at : cursor.position])
