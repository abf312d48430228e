"""Programs around the kernel's tokenizer, sampler and UTF-8 stream."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.gguf import Vocabulary
from harness.image.tables import vocabulary_tables
from tests.kernel.build import build_program, write_header

HERE = Path(__file__).parent
MAX_TEXT_BYTES = 20000
N_VOCAB_SAMPLER = 300
Tokenizer = tuple[Path, Path]  # the program, and the blob that it reads


def write_vocabulary(folder: Path, vocabulary: Vocabulary) -> Path:
    """gen/model.h and gen/layout.h for the tokenizer alone, and a blob of its tables."""
    n_vocab = len(vocabulary.tokens)
    blob = bytearray()
    offsets: dict[str, int | str] = {}
    for name, table in vocabulary_tables(vocabulary).items():
        blob += bytes(-len(blob) % 64)
        offsets[f"BLOB_{name.upper()}"] = len(blob)
        blob += table
    (folder / "vocabulary.blob").write_bytes(blob)
    ids = {"BOS": vocabulary.bos_id, "EOS": vocabulary.eos_id, "UNK": vocabulary.unk_id}
    constants: dict[str, int | str] = {
        "N_VOCAB": n_vocab,
        **{f"TOKEN_{name}": -1 if token is None else token for name, token in ids.items()},
        "ADD_BOS": int(vocabulary.add_bos),
        "ADD_EOS": int(vocabulary.add_eos),
        "ADD_SPACE_PREFIX": int(vocabulary.add_space_prefix),
        "N_EOG": len(vocabulary.eog_ids),
        "EOG_IDS": "{" + ", ".join(map(str, vocabulary.eog_ids)) + "}",
        "CHAT_TOKEN": 256,
        "CHAT_END": "0xffffffffu",
        "CHAT_MARKS": "{CHAT_END}",
        "MAX_TOKEN_BYTES": max(len(token) for token in vocabulary.tokens),
        **offsets,
    }
    write_header(folder / "gen" / "model.h", constants)
    with (folder / "gen" / "model.h").open("a") as header:
        header.write('#include "nn/model.h"\n')
    write_layout(folder, n_vocab)
    return folder / "vocabulary.blob"


def write_layout(folder: Path, n_vocab: int) -> None:
    """gen/layout.h with the session's work space alone."""
    candidates_bytes = 4 * n_vocab
    scratch_bytes = 28 * MAX_TEXT_BYTES + 12
    constants: dict[str, int | str] = {
        "SESSION_CANDIDATES": 0,
        "ACT_SCRATCH": 0,
        "ACT_SCRATCH_SIZE": scratch_bytes,
        "REGION_SESSION_SIZE": candidates_bytes,
        "REGION_ACTIVATIONS_SIZE": scratch_bytes,
    }
    write_header(folder / "gen" / "layout.h", constants)
    with (folder / "gen" / "layout.h").open("a") as header:
        header.write(
            '#include "lib/types.h"\nextern uint8_t __session_start[], __activations_start[];\n'
        )


@pytest.fixture(scope="session")
def make_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Vocabulary], Tokenizer]:
    """Builds the tokenizer for a vocabulary."""

    def make(vocabulary: Vocabulary) -> Tokenizer:
        folder = tmp_path_factory.mktemp("tokenizer")
        blob = write_vocabulary(folder, vocabulary)
        sources = ["llm/tokenizer.c", "llm/spm.c", "llm/vocabulary.c"]
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
