"""Files that somebody made to break us, through everything that `inspect` and `build` do to them.

A fixed part of the mutations runs every time. BAREWORD_FUZZ=100000 draws as many others at random.
"""

import json
import os
import re
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.board import load_board
from harness.cli.model_facts import facts_table, model_facts
from harness.codegen import render_headers
from harness.errors import HarnessError
from harness.gguf import read_gguf
from harness.image import pack_blob
from harness.plan import plan_memory
from tests.harness.gguf.hostile import SEEDS, Mutation, Seed, mutations, spoil

FUZZ: Final = int(os.environ.get("BAREWORD_FUZZ", "0"))
fuzz = settings(
    max_examples=FUZZ or 120,
    derandomize=not FUZZ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
BOARD: Final = load_board("virt")
MESSAGE_MAX: Final = 2000  # characters that a person might still read

# What the generated headers may consist of, whatever the strings of the file: literals without
# quotes, escapes but octal ones, trigraphs, formats or comments; and the template's own words.
_LITERAL = re.compile(r'"(?:[\w !#$&\'()+,\-./:;<=>@\[\]^`{|}~]|\\[0-7]{3})*"', re.ASCII)
_INCLUDE = re.compile(r'#include "[a-z/.]+"')
_COMMENT = re.compile(r"//[ -~]*(?<!\\)$|/\* \d+ \*/")
_PLAIN = re.compile(r"[\w #{}\[\].,;+=-]*\\?", re.ASCII)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS, ids=str)
def test_every_seed_is_built(seed: Seed, folder: Path) -> None:
    assert built(seed.file().build(), folder) == ""


@pytest.mark.slow
@fuzz
@given(st.sampled_from(SEEDS), st.lists(mutations(), min_size=1, max_size=3))
def test_changed_fields_give_an_image_or_a_refusal(
    folder: Path, seed: Seed, changes: list[Mutation]
) -> None:
    file = seed.file()
    spoil(file, changes)
    built(file.build(), folder)


@pytest.mark.slow
@fuzz
@given(
    st.sampled_from(SEEDS),
    st.lists(
        st.tuples(st.integers(0, 1 << 14), st.sampled_from([1, 2, 4, 8]), st.integers(0)),
        min_size=1,
        max_size=3,
    ),
)
def test_changed_bytes_give_an_image_or_a_refusal(
    folder: Path, seed: Seed, changes: list[tuple[int, int, int]]
) -> None:
    data = bytearray(seed.file().build())
    for at, n, value in changes:
        at %= len(data) - n
        data[at : at + n] = (value % (1 << 8 * n)).to_bytes(n, "little")
    built(bytes(data), folder)


def built(data: bytes, folder: Path) -> str:
    """What `inspect` and `build` do up to the compiler; the refusal, or "" without one."""
    path = folder / "hostile.gguf"
    path.write_bytes(data)
    return built_file(path)


def built_file(path: Path) -> str:
    """As built, of a file that is there."""
    try:
        model = read_gguf(path)
        facts = model_facts(model)
        assert facts_table(facts).replace("\n", "").isprintable()
        plan = plan_memory(model, BOARD)
        json.dumps({"model": facts, "plan": plan.as_dict()}, allow_nan=False)
        plan.table()
        headers = render_headers(model, BOARD, plan)
        for name, text in headers.files.items():
            for line in text.splitlines() if name.endswith(".h") else ():
                assert is_harmless(line), line
        assert headers.chat.problem.isprintable()
        pack_blob(model, plan, headers.build_id, path.with_suffix(".blob"))
    except HarnessError as exc:
        refusal = exc
    else:
        return ""
    assert str(refusal)
    for text in (str(refusal), refusal.hint):
        assert text.isprintable(), text
        assert len(text) < MESSAGE_MAX, len(text)
    return str(refusal)


def is_harmless(line: str) -> bool:
    for part in (_INCLUDE, _LITERAL, _COMMENT):
        line = part.sub("", line)
    return _PLAIN.fullmatch(line) is not None
