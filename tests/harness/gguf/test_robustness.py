"""Damaged files: whatever the bytes, the answer is a model or a GgufError, soon and small."""

import struct
import time
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import GgufError
from harness.gguf import read_gguf
from harness.gguf.container import MAX_KEYS, MAX_TENSORS
from tests.harness.gguf.gguf_bytes import (
    ARRAY,
    F32,
    STRING,
    U8,
    U32,
    array,
    check_weights,
    small_model,
    string,
)
from tests.harness.gguf.test_bpe_vocabulary import bpe_model

SMALL = small_model().build()
METADATA_BYTES = SMALL.index(b"output.weight") + 64  # header, keys and tensor table


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "damaged.gguf"


@pytest.mark.slow
def test_every_truncation_is_refused(path: Path) -> None:
    for size in range(0, len(SMALL), 37):
        path.write_bytes(SMALL[:size])
        with pytest.raises(GgufError):
            read_gguf(path)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, METADATA_BYTES - 1), st.integers(0, 255)), min_size=1, max_size=4
    )
)
def test_changed_bytes_give_a_model_or_a_refusal(
    path: Path, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(SMALL)
    for at, value in changes:
        data[at] = value
    path.write_bytes(data)
    read_or_refuse(path)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    at=st.integers(0, METADATA_BYTES - 8),
    value=st.sampled_from([0, 1, 1 << 31, 1 << 32, 1 << 62, 1 << 63, (1 << 64) - 1]),
)
def test_changed_lengths_give_a_model_or_a_refusal(path: Path, at: int, value: int) -> None:
    data = bytearray(SMALL)
    struct.pack_into("<Q", data, at, value)
    path.write_bytes(data)
    read_or_refuse(path)


def read_or_refuse(path: Path) -> None:
    with suppress(GgufError):  # anything else fails the test
        model = read_gguf(path)
        for tensor in model.tensors.values():
            assert tensor.offset + tensor.size_bytes <= model.size_bytes
        check_weights(model)


@pytest.mark.parametrize(
    "payload",
    [
        array(U8, [], count=(1 << 64) - 1),
        array(F32, [], count=1 << 62),
        array(STRING, [], count=1 << 61),
        array(F32, [], count=5 << 20),  # would fit the file: refused all the same
        array(STRING, [], count=5 << 20),
    ],
    ids=["2^64 - 1 bytes", "2^62 floats", "2^61 strings", "5M floats", "5M strings"],
)
def test_huge_counts_cost_neither_time_nor_memory(path: Path, payload: bytes) -> None:
    file = small_model()
    file.set("tokenizer.ggml.scores", ARRAY, payload)
    path.write_bytes(file.build())
    with path.open("r+b") as sparse:
        sparse.truncate(64 << 20)  # room that a lying count could claim
    start = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(GgufError, match=r"tokenizer\.ggml\.scores"):
            read_gguf(path)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < 1.0


N_MANY = 50_000
SHORT = b"".join(string(b"%05x" % i) for i in range(N_MANY))


def many(kind: int, elements: bytes) -> bytes:
    return struct.pack("<IQ", kind, N_MANY) + elements


@pytest.mark.parametrize(
    "key",
    {
        "tokenizer.ggml.tokens": many(STRING, SHORT),
        "tokenizer.ggml.merges": many(STRING, SHORT),
        "general.tags": many(STRING, SHORT),
        "llama.feed_forward_length": many(U32, struct.pack(f"<{N_MANY}I", *range(N_MANY))),
        "tokenizer.ggml.pre": string(bytes(4 << 20)),
        "tokenizer.chat_template": string(b"{" * (4 << 20)),
        "general.name": string(b"\xff" * (4 << 20)),
    }.items(),
    ids=lambda item: item[0],
)
def test_what_is_in_the_file_costs_no_more_than_the_file_and_a_little(
    path: Path, key: tuple[str, bytes]
) -> None:
    name, payload = key
    file = bpe_model() if name.endswith(("merges", "pre")) else small_model()
    file.set(name, STRING if len(payload) > 4 << 20 else ARRAY, payload)
    path.write_bytes(file.build())
    tracemalloc.start()
    try:
        with suppress(GgufError):
            read_gguf(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * path.stat().st_size + (1 << 20)  # what any small model takes


@pytest.mark.parametrize(("what", "most"), [("key", MAX_KEYS), ("tensor", MAX_TENSORS)])
def test_more_keys_or_tensors_than_any_model_has_are_refused(
    path: Path, what: str, most: int
) -> None:
    file = small_model()
    setattr(file, f"n_{what}s", most + 1)
    path.write_bytes(file.build() + bytes(2 << 20))
    with pytest.raises(GgufError, match=f"{what} count {most + 1}, at most {most}"):
        read_gguf(path)
