"""kernel/llm/tokenizer.c against llama.cpp's ids and against the reference's tokenizer."""

import json
import random
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from harness.errors import GgufError
from harness.gguf import Vocabulary, read_vocabulary
from harness.reference.tokenizer import encode, piece
from tests.kernel.build import run_program
from tests.kernel.llm.conftest import MAX_TEXT_BYTES, Tokenizer

ADD_SPECIAL, PARSE_SPECIAL, IN_TURN = 1, 2, 4
SPACE = "▁"
END = b"</s>"


def tiny_vocabulary(*, add_space_prefix: bool) -> Vocabulary:
    """Bytes, some characters, words made of them, and special tokens that overlap."""
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
    )


def tokenize(tokenizer: Tokenizer, cases: Iterable[tuple[bytes, int]]) -> list[list[int]]:
    """Ids for each (text, flags)."""
    program, blob = tokenizer
    stdin = bytearray()
    for text, flags in cases:
        stdin += b"t" + struct.pack("<III", flags, 3 * len(text) + 8, len(text)) + text
    out = np.frombuffer(run_program(program, str(blob), stdin=bytes(stdin)), "<i4").tolist()
    answers = []
    while out:
        n = out[0]
        assert n >= 0
        answers.append(out[1 : n + 1])
        del out[: n + 1]
    return answers


def reference(vocabulary: Vocabulary, text: bytes, flags: int) -> list[int]:
    return encode(
        vocabulary,
        text,
        add_special=bool(flags & ADD_SPECIAL),
        parse_special=bool(flags & PARSE_SPECIAL),
        never=control(vocabulary) if flags & IN_TURN else frozenset(),
    )


def control(vocabulary: Vocabulary) -> frozenset[int]:
    """Without a chat template these are all the tokens that a turn may not hold."""
    return frozenset(np.flatnonzero(np.isin(vocabulary.types, (2, 3))).tolist())


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
    cases = random_texts(random.Random(int(add_space_prefix)), 3000)
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
    program, blob = make_tokenizer(vocabulary)
    ids = range(len(vocabulary.tokens))
    stdin = b"".join(b"p" + struct.pack("<I", token) for token in [*ids, 2**32 - 1])
    out = run_program(program, str(blob), stdin=stdin)
    wanted = [*(piece(vocabulary, token) for token in ids), b""]
    assert out == b"".join(struct.pack("<I", len(text)) + text for text in wanted)


@pytest.mark.parametrize("name", ["llama-spm", "phi-3"])
def test_llama_cpp_s_test_vectors_give_its_tokens(
    shared: Path, make_tokenizer: Callable[[Vocabulary], Tokenizer], name: str
) -> None:
    path = shared / "vocab" / f"ggml-vocab-{name}.gguf"
    tokenizer = make_tokenizer(read_vocabulary(path))
    texts = Path(f"{path}.inp").read_bytes().split(b"\n__ggml_vocab_test__\n")
    lines = Path(f"{path}.out").read_text().splitlines()
    got = tokenize(tokenizer, [(text, 0) for text in texts])
    wanted = [[int(number) for number in line.split()] for line in lines]
    assert len(texts) >= 45
    for text, ids, line in zip(texts, got, wanted, strict=False):
        assert ids == line, text


@pytest.mark.slow
def test_gold_texts_give_the_recorded_tokens(
    shared: Path, make_tokenizer: Callable[[Vocabulary], Tokenizer]
) -> None:
    gold = json.loads((shared / "gold" / "tokenizer.json").read_text())
    texts = {number: bytes.fromhex(text) for number, text in gold["texts_hex"].items()}
    tested = 0
    for name, answers in gold["vocabs"].items():
        path = shared / ("gold" if name.startswith("models/") else "vocab") / name
        try:
            tokenizer = make_tokenizer(read_vocabulary(path))
        except GgufError:
            continue  # not SentencePiece
        for setting, wanted in answers.items():
            if setting == "sha256":
                continue
            flags = ADD_SPECIAL * ("add_special=1" in setting)
            flags |= PARSE_SPECIAL * ("parse_special=1" in setting)
            got = tokenize(tokenizer, [(texts[number], flags) for number in wanted])
            for number, ids in zip(wanted, got, strict=True):
                assert ids == wanted[number], (name, setting, texts[number])
                tested += 1
    assert tested > 0
