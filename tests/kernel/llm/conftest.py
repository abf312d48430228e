"""Programs around the kernel's tokenizer, sampler and UTF-8 stream."""

import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from harness.gguf import Vocabulary
from harness.reference import encode
from harness.vocabulary import vocabulary_tables
from tests.kernel.build import build_program, run_program, write_header

HERE = Path(__file__).parent
MAX_TEXT_BYTES = 20000
N_VOCAB_SAMPLER = 300
ADD_SPECIAL, PARSE_SPECIAL, IN_TURN = 1, 2, 4  # TOK_* of kernel/llm/tokenizer.h
COLUMNS = {
    "token_special": "N_SPECIAL",
    "token_sorted": "N_SORTED",
    "pre_class": "N_PRE_RUNS",
    "pre_table": "N_PRE_CLASSES",
    "pre_start": "N_PRE_REGEXES",
}
# Tables that not every kind of vocabulary has.
ABSENT = ("TOKEN_RANK", "TOKEN_SORTED", "BYTE_TOKEN", "MERGE_FIRST", "MERGE")
ABSENT_PRE = ("PRE_CLASS", "PRE_TABLE", "PRE_START", "FOLD")
Tokenizer = tuple[Path, Path]  # the program, and the blob that it reads


def tokenize(tokenizer: Tokenizer, cases: Iterable[tuple[bytes, int]]) -> list[list[int]]:
    """Ids for each (text, flags)."""
    program, blob = tokenizer
    stdin = bytearray()
    for text, flags in cases:
        stdin += b"t" + struct.pack("<III", flags, 3 * len(text) + 8, len(text)) + text
    out = np.frombuffer(run_program(program, str(blob), stdin=bytes(stdin)), "<i4").tolist()
    answers = []
    at = 0
    while at < len(out):
        n = out[at]
        assert n >= 0, n
        answers.append(out[at + 1 : at + n + 1])
        at += n + 1
    return answers


def pieces(tokenizer: Tokenizer, ids: Iterable[int]) -> list[bytes]:
    """What each token prints."""
    program, blob = tokenizer
    stdin = b"".join(b"p" + struct.pack("<I", token) for token in ids)
    out = run_program(program, str(blob), stdin=stdin)
    texts = []
    while out:
        (n,) = struct.unpack_from("<I", out)
        texts.append(out[4 : 4 + n])
        out = out[4 + n :]
    return texts


def reference(vocabulary: Vocabulary, text: bytes, flags: int) -> list[int]:
    """Ids by the reference's tokenizer."""
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


def write_vocabulary(folder: Path, vocabulary: Vocabulary) -> Path:
    """gen/model.h and gen/layout.h for the tokenizer alone, and a blob of its tables."""
    n_vocab = len(vocabulary.tokens)
    blob = bytearray()
    offsets: dict[str, int | str] = {f"BLOB_{name}": 0 for name in (*ABSENT, *ABSENT_PRE)}
    columns = dict.fromkeys([*COLUMNS.values(), "N_FOLD_RUNS"], 0)
    for table in vocabulary_tables(vocabulary):
        blob += bytes(-len(blob) % 64)
        offsets[f"BLOB_{table.name.upper()}"] = len(blob)
        blob += table.data
        if table.name == "fold":
            columns["N_FOLD_RUNS"] = table.n_rows
        if table.name in COLUMNS:
            columns[COLUMNS[table.name]] = table.n_cols
    (folder / "vocabulary.blob").write_bytes(blob)
    ids = {"BOS": vocabulary.bos_id, "EOS": vocabulary.eos_id, "UNK": vocabulary.unk_id}
    constants: dict[str, int | str] = {
        "N_VOCAB": n_vocab,
        **{f"TOKEN_{name}": -1 if token is None else token for name, token in ids.items()},
        "ADD_BOS": int(vocabulary.add_bos),
        "ADD_EOS": int(vocabulary.add_eos),
        "ADD_SPACE_PREFIX": int(vocabulary.add_space_prefix),
        "TOKENIZER": f"TOKENIZER_{vocabulary.model.upper()}",
        "IGNORE_MERGES": int(vocabulary.pre is not None and vocabulary.pre.ignore_merges),
        "N_EOG": len(vocabulary.eog_ids),
        "EOG_IDS": "{" + ", ".join(map(str, vocabulary.eog_ids)) + "}",
        "CHAT_TOKEN": 256,
        "CHAT_END": "0xffffffffu",
        "CHAT_MARKS": "{CHAT_END}",
        "MAX_TOKEN_BYTES": max(len(token) for token in vocabulary.tokens),
        **offsets,
        **columns,
    }
    write_header(folder / "gen" / "model.h", constants)
    with (folder / "gen" / "model.h").open("a") as header:
        header.write('#include "nn/model.h"\n')
    write_layout(folder, n_vocab)
    return folder / "vocabulary.blob"


def write_layout(folder: Path, n_vocab: int) -> None:
    """gen/layout.h with the work space of tokenizer and sampler alone."""
    candidates_bytes = 4 * n_vocab
    scratch_bytes = 28 * MAX_TEXT_BYTES + 12
    constants: dict[str, int | str] = {
        "ACT_CANDIDATES": 0,
        "ACT_SCRATCH": 0,
        "ACT_SCRATCH_SIZE": scratch_bytes,
        "REGION_ACTIVATIONS_SIZE": max(candidates_bytes, scratch_bytes),
    }
    write_header(folder / "gen" / "layout.h", constants)
    with (folder / "gen" / "layout.h").open("a") as header:
        header.write('#include "lib/types.h"\nextern uint8_t __activations_start[];\n')


@pytest.fixture(scope="session")
def make_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Vocabulary], Tokenizer]:
    """Builds the tokenizer for a vocabulary."""

    def make(vocabulary: Vocabulary) -> Tokenizer:
        folder = tmp_path_factory.mktemp("tokenizer")
        blob = write_vocabulary(folder, vocabulary)
        names = ("tokenizer", "vocabulary", "utf8", "merge", "spm", "bpe", "pre_tokenizer")
        sources = [f"llm/{name}.c" for name in (*names, "wordpiece")]
        sources += ["lib/panic.c", "lib/format.c"]
        return build_program(folder, HERE / "tokenizer_driver.c", sources), blob

    return make


@pytest.fixture(scope="session")
def sampler_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chooses among N_VOCAB_SAMPLER tokens, and a few rows that belong to none."""
    folder = tmp_path_factory.mktemp("sampler")
    write_layout(folder, N_VOCAB_SAMPLER + 4)
    constants: dict[str, int | str] = {
        "N_VOCAB": N_VOCAB_SAMPLER,
        "N_VOCAB_ROWS": N_VOCAB_SAMPLER + 4,
    }
    write_header(folder / "gen" / "model.h", constants)
    return build_program(
        folder, HERE / "sampler_driver.c", ["llm/sampler.c", "lib/math.c", "nn/vec.c"]
    )


@pytest.fixture(scope="session")
def utf8_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shows its stdin on its stdout."""
    folder = tmp_path_factory.mktemp("utf8")
    return build_program(folder, HERE / "utf8_driver.c", ["llm/utf8.c"])
