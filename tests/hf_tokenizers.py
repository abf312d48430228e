"""Hugging Face's tokenizers, an implementation that shares nothing with ours, as a witness.

What it says of some texts is kept in hf_tokenizers.json; `python -m tests.hf_tokenizers` writes it
anew, and needs `pip install tokenizers`. It is asked about texts on which it and llama.cpp have the
same rules: characters that all versions of Unicode know, no special tokens; for WordPiece letters
whose decomposition begins with a letter and goes on with non-spacing marks.
"""

import importlib
import json
import random
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from harness.gguf import Vocabulary
from harness.gguf.model import TOKEN_CONTROL, TOKEN_NORMAL, TOKEN_USER_DEFINED
from tests.bpe_vocabulary import bpe_vocabulary
from tests.wordpiece_vocabulary import wordpiece_vocabulary

RECORDED: Final = Path(__file__).with_suffix(".json")
N_RECORDED: Final = 60
# One name for each list of regexes; and BERT's two kinds.
BPE: Final = ("llama-bpe", "qwen2", "smollm", "gpt-2", "tekken", "default")
WORDPIECE: Final = ("uncased", "cased")
KINDS: Final = (*BPE, *WORDPIECE)

WORDS: Final = (
    *("the", "then", "Hello", "hello", "WORLD", "don't", "I'LL", "'S", "McDonald", "playing", "e"),
    *(
        "tokenizers",
        "naïve",
        "NAÏVE",
        "café",
        "ÉCOLE",
        "Жизнь",
        "жизнь",
        "ΑΒΓ",
        "你好",
        "世界",
        "ß",
    ),
    *(
        "1",
        "12",
        "1234567",
        "2026",
        "3.14",
        "$5",
        "a+b",
        "x<=y",
        "`",
        "^~",
        "½",
        "₂",
        "!",
        "...",
        "_",
    ),
    *(
        "//",
        "/\n",
        "-",
        "(a)",
        "'",
        '"',
        "#1",
        "50%",
        "€",
        "—",
        "«",
        "。",
        "、",
        "\u00a0",
        "\u3000",
    ),
    *(" ", "  ", "\t", "\n", "\r\n", "\n\n", " \n ", "   a"),
)
BPE_WORDS: Final = ("😀", "한국어", "नमस्ते", "ไทย", "\u2168", "\u0663", "\u01c5", "\u2028", "\x85")
# Blocks of letters; each with marks that decomposing takes away, or none.
ALPHABETS: Final = ((0x21, 0x7F), (0xA1, 0x130), (0x391, 0x3CA), (0x410, 0x450), (0x4E00, 0x4E80))


def vocabulary_of(kind: str) -> Vocabulary:
    """The tests' own; its user-defined tokens are never cut out of a text."""
    if kind in WORDPIECE:
        cased = kind == "cased"
        vocabulary = wordpiece_vocabulary(lowercase=not cased, strip_accents=not cased)
    else:
        vocabulary = bpe_vocabulary(kind)
    is_cut = vocabulary.types == TOKEN_USER_DEFINED
    types = np.where(is_cut, TOKEN_CONTROL, vocabulary.types).astype(np.uint8)
    return replace(vocabulary, types=types)


def witness_of(kind: str, vocabulary: Vocabulary) -> Any:
    """A tokenizers.Tokenizer; ImportError without the package."""
    tokenizers: Any = importlib.import_module("tokenizers")
    normal = {
        i: text.decode("utf-8", "surrogateescape")
        for i, text in enumerate(vocabulary.tokens)
        if vocabulary.types[i] == TOKEN_NORMAL
    }
    if kind in WORDPIECE:
        ids = {
            ("" if t[0] == "\u2581" else "##") + t.lstrip("\u2581"): i for i, t in normal.items()
        }
        ids["[UNK]"] = vocabulary.unk_id or 0
        model = tokenizers.models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=10_000)
        witness = tokenizers.Tokenizer(model)
        witness.normalizer = tokenizers.normalizers.BertNormalizer(
            lowercase=vocabulary.lowercase, strip_accents=vocabulary.strip_accents
        )
        witness.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
        return witness
    assert vocabulary.pre is not None
    merges = [
        (normal[left], normal[right])
        for left, right, merged in vocabulary.merges.tolist()
        if merged in normal
    ]
    model = tokenizers.models.BPE(
        {text: i for i, text in normal.items()},
        merges,
        ignore_merges=vocabulary.pre.ignore_merges,
    )
    witness = tokenizers.Tokenizer(model)
    split, level = tokenizers.pre_tokenizers.Split, tokenizers.pre_tokenizers.ByteLevel
    witness.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            *(split(tokenizers.Regex(regex), "isolated") for regex in vocabulary.pre.regexes),
            level(add_prefix_space=False, use_regex=False),
        ]
    )
    return witness


def random_text(source: random.Random, kind: str) -> str:
    """Words and letters that both have the same rules for."""
    words = WORDS if kind in WORDPIECE else (*WORDS, *BPE_WORDS)
    parts = [
        source.choice(words) if source.random() < 0.8 else _letter(source)
        for _ in range(source.randrange(1, 16))
    ]
    return source.choice(("", " ")).join(parts)


def _letter(source: random.Random) -> str:
    first, end = source.choice(ALPHABETS)
    letter = chr(source.randrange(first, end))
    return letter if unicodedata.category(letter) not in ("Cn", "Cf") else "q"


def recorded() -> dict[str, list[tuple[str, list[int]]]]:
    """Texts and ids of each of KINDS."""
    answers = json.loads(RECORDED.read_text())
    return {kind: [(text, ids) for text, ids in answers[kind]] for kind in KINDS}


def main() -> None:
    """Ask, and write the answers."""
    answers = {}
    for kind in KINDS:
        witness, source = witness_of(kind, vocabulary_of(kind)), random.Random(kind)
        texts = [random_text(source, kind) for _ in range(N_RECORDED)]
        answers[kind] = [[text, witness.encode(text).ids] for text in texts]
    lines = (
        f'"{kind}": {json.dumps(found, ensure_ascii=False)}' for kind, found in answers.items()
    )
    RECORDED.write_text("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    main()
