"""kernel/llm/tokenizer.c against llama.cpp's ids and against the reference's tokenizer."""

import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.gguf import Vocabulary, read_vocabulary
from harness.reference.tokenizer import piece
from tests.kernel.build import run_program
from tests.kernel.llm.conftest import (
    IN_TURN,
    MAX_TEXT_BYTES,
    Tokenizer,
    pieces,
    reference,
    tokenize,
)
from tests.kernel.llm.test_bpe_c import N_RANDOM, random_text
from tests.recorded_tokens import VOCABULARIES, recorded_cases

pytestmark = pytest.mark.slow  # builds a program per vocabulary: seconds each

SPACE = "▁"
END = b"</s>"


def tiny_vocabulary(*, add_space_prefix: bool) -> Vocabulary:
    """Bytes, some characters, words made of them, and special tokens that overlap, some of which
    swallow white space, as Phi-3's do."""
    words = ["t", "h", "e", "th", "he", "the", SPACE, SPACE * 2, SPACE + "t", SPACE + "the", "é"]
    words += ["a", "aa", "aaa", "aaaa", "<", "/", "s", ">", "</", "s>", "en", "n", "€", "en€"]
    texts = [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % byte for byte in range(256))]
    types = [2, 3, 3, *[6] * 256]
    texts += [word.encode() for word in words]
    types += [1] * len(words)
    specials = [b"<|x|>", b"<|x|><|y|>", b"x|", b"\n\n", b"<|a b|>"]
    texts += specials
    types += [3, 3, 4, 4, 4]
    scores = np.zeros(len(texts), np.float32)
    scores[259:] = -np.arange(len(texts) - 259) % 7  # many ties
    return Vocabulary(
        tokens=tuple(texts),
        scores=scores,
        types=np.array(types, np.uint8),
        bos_id=1,
        eos_id=2,
        unk_id=0,
        add_bos=True,
        add_eos=add_space_prefix,  # some model with either
        add_space_prefix=add_space_prefix,
        eog_ids=(2,),
        swallow_space=frozenset(map(texts.index, (b"<|x|>", b"x|", b"</s>"))),
    )


def random_texts(source: random.Random, count: int) -> list[tuple[bytes, int]]:
    """Text of the tiny vocabulary's pieces mixed with any bytes, mostly invalid UTF-8."""
    parts = [b"the", b" ", b"  ", b"t", b"he", b"aaaa", b"<|x|>", b"<|y|>", b"x|", b"\n", b"</s>"]
    parts += ["é€".encode(), b"\xc3", b"\xe2\x96", b"\xf0", b"\xff", b"\x81", b"<s>", b"<|a b|>"]
    cases = []
    for _ in range(count):
        text = b"".join(
            source.choice(parts) if source.random() < 0.9 else source.randbytes(2)
            for _ in range(source.randrange(30))
        )
        cases.append((text, source.randrange(8)))
    return cases


@pytest.mark.slow
@pytest.mark.parametrize("add_space_prefix", [True, False])
def test_random_bytes_give_the_tokens_of_the_reference(
    make_tokenizer: Callable[[Vocabulary], Tokenizer], add_space_prefix: bool
) -> None:
    vocabulary = tiny_vocabulary(add_space_prefix=add_space_prefix)
    cases = random_texts(random.Random(int(add_space_prefix)), N_RANDOM // 2)
    cases += [(random_text(random.Random(i)).encode(), i % 8) for i in range(N_RANDOM // 2)]
    cases += [(b"", flags) for flags in range(4)]
    cases += [
        (END, 0),
        (END, IN_TURN),
        (b"a" * MAX_TEXT_BYTES, 0),
        (b" " * MAX_TEXT_BYTES, 0),
        (b"the" * 6000, 3),
    ]
    got = tokenize(make_tokenizer(vocabulary), cases)
    for (text, flags), ids in zip(cases, got, strict=True):
        assert ids == reference(vocabulary, text, flags), (text, flags)
    # Outside of turns the pieces of "</s>" merge into the token, as in llama.cpp.
    end = vocabulary.tokens.index(END)
    assert end in got[cases.index((END, 0))]
    assert end not in got[cases.index((END, IN_TURN))]


def test_too_many_tokens_and_too_long_texts_are_refused(
    make_tokenizer: Callable[[Vocabulary], Tokenizer],
) -> None:
    program, blob = make_tokenizer(tiny_vocabulary(add_space_prefix=False))
    stdin = b"t" + struct.pack("<III", 0, 5, 6) + b"ththen"  # th, the, n: fits
    stdin += b"t" + struct.pack("<III", 0, 5, 8) + b"\xf0\x9f\x98\x80zzzz"
    stdin += b"t" + struct.pack("<III", 0, 5, MAX_TEXT_BYTES + 1) + bytes(MAX_TEXT_BYTES + 1)
    out = np.frombuffer(run_program(program, str(blob), stdin=stdin), "<i4")
    assert out[0] > 0
    assert out[out[0] + 1 :].tolist() == [-8, -(2**31)]


def test_pieces_are_those_of_the_reference(
    make_tokenizer: Callable[[Vocabulary], Tokenizer],
) -> None:
    vocabulary = tiny_vocabulary(add_space_prefix=True)
    ids = range(len(vocabulary.tokens))
    wanted = [*(piece(vocabulary, token) for token in ids), b""]
    assert pieces(make_tokenizer(vocabulary), [*ids, 2**32 - 1]) == wanted


@pytest.mark.parametrize("name", VOCABULARIES)
def test_llama_cpp_s_recorded_tokens(
    shared: Path, make_tokenizer: Callable[[Vocabulary], Tokenizer], name: str
) -> None:
    cases = recorded_cases(shared, name)
    assert len(cases) > 40
    got = tokenize(make_tokenizer(read_vocabulary(shared / name)), [(c[0], c[1]) for c in cases])
    for (text, flags, wanted), ids in zip(cases, got, strict=True):
        assert ids == wanted, (text, flags)
