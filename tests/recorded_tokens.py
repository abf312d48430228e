"""What llama.cpp makes of texts, as recorded in the shared folder."""

import json
from pathlib import Path

import pytest

ADD_SPECIAL, PARSE_SPECIAL = 1, 2  # TOK_* of kernel/llm/tokenizer.h
VOCABULARIES = (
    "gold/models/qwen2-Q8_0.gguf",
    pytest.param("gold/models/llama-gqa-Q8_0.gguf", marks=pytest.mark.slow),
    *(
        pytest.param(f"vocab/ggml-vocab-{name}.gguf", marks=pytest.mark.slow)
        for name in ("gpt-2", "llama-bpe", "llama-spm", "phi-3", "qwen2", "refact")
    ),
)


def recorded_cases(shared: Path, name: str) -> list[tuple[bytes, int, list[int]]]:
    """(text, flags, ids) of one of VOCABULARIES: its own vectors, and those of gold/."""
    cases = []
    path = shared / name
    vectors = Path(f"{path}.inp")
    if vectors.is_file():
        texts = vectors.read_bytes().split(b"\n__ggml_vocab_test__\n")
        lines = Path(f"{path}.out").read_text().split("\n")
        for text, line in zip(texts, lines, strict=True):
            cases.append((text, 0, [int(word) for word in line.split()]))
    gold = json.loads((shared / "gold" / "tokenizer.json").read_text())
    answers = gold["vocabs"].get(name.removeprefix("gold/").removeprefix("vocab/"), {})
    for setting, recorded in answers.items():
        if setting == "sha256":
            continue
        flags = ADD_SPECIAL * ("add_special=1" in setting)
        flags |= PARSE_SPECIAL * ("parse_special=1" in setting)
        for number, ids in recorded.items():
            cases.append((bytes.fromhex(gold["texts_hex"][number]), flags, ids))
    return cases
