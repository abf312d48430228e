"""harness/link/vectors.py: slices become vectors, and nothing may be missing."""

import struct

import numpy as np
import pytest

from harness.errors import LinkError, TargetError
from harness.link.messages import EmbedFlag, Stop
from harness.link.vectors import (
    MAX_VALUES,
    Embedded,
    Vector,
    VectorCollector,
    pack_embed,
    unpack_embedded,
    unpack_vector,
)

END = Embedded(Stop.LENGTH, 2, 7, 1, 10, 20)


def part(text: int, first: int, values: list[float], n_values: int = 3) -> Vector:
    return Vector(text, 5, 2.5, n_values, first, np.array(values, np.float32))


def test_slices_become_vectors_in_order() -> None:
    complete: list[int] = []
    collector = VectorCollector(2, complete.append)
    for piece in (part(0, 0, [1, 2]), part(0, 2, [3]), part(1, 0, [4, 5, 6])):
        collector.add(piece)
    found = collector.result(END)
    assert found.vectors.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert found.lengths.tolist() == [2.5, 2.5]
    assert (found.n_tokens, found.end.n_passes, complete) == ((5, 5), 1, [1, 2])


@pytest.mark.parametrize(
    "parts",
    [
        [part(1, 0, [1, 2, 3])],
        [part(0, 0, [1, 2]), part(0, 1, [3])],
        [part(0, 0, [1, 2]), part(0, 2, [3, 4])],
        [part(0, 0, [1, 2]), part(1, 2, [3])],
        [part(0, 0, [1, 2]), part(1, 0, [4, 5, 6])],
        [part(0, 2, [3])],
    ],
)
def test_a_slice_out_of_order_is_refused(parts: list[Vector]) -> None:
    collector = VectorCollector(2)
    *good, bad = parts
    for piece in good:
        collector.add(piece)
    with pytest.raises(TargetError, match="the kernel sent values"):
        collector.add(bad)


@pytest.mark.parametrize("n_values", [0, 2, 4, MAX_VALUES + 1, 0xFFFFFFFF])
def test_vectors_of_two_lengths_are_refused(n_values: int) -> None:
    collector = VectorCollector(2)
    collector.add(part(0, 0, [1, 2, 3]))
    with pytest.raises(TargetError, match=f"a vector of {n_values} values, expected 3"):
        collector.add(part(1, 0, [1, 2], n_values))


@pytest.mark.parametrize("n_values", [0, MAX_VALUES + 1, 0xFFFFFFFF])
def test_a_vector_longer_than_any_model_s_is_refused_before_memory_is_taken(n_values: int) -> None:
    with pytest.raises(TargetError, match=f"a vector of {n_values} values, expected 1 to 65536"):
        VectorCollector(1).add(part(0, 0, [], n_values))


def test_a_vector_of_no_text_is_refused() -> None:
    collector = VectorCollector(1)
    collector.add(part(0, 0, [1, 2, 3]))
    with pytest.raises(TargetError, match="values of text 1, there are 1"):
        collector.add(part(1, 0, [1, 2, 3]))


def test_a_missing_vector_is_refused() -> None:
    collector = VectorCollector(2)
    collector.add(part(0, 0, [1, 2, 3]))
    with pytest.raises(TargetError, match="vectors of 1 texts, expected 2"):
        collector.result(END)
    collector.add(part(1, 0, [1, 2]))
    with pytest.raises(TargetError, match="expected 2"):
        collector.result(END)


def test_messages_are_packed_as_the_kernel_reads_and_writes_them() -> None:
    flags = EmbedFlag.FIRST | EmbedFlag.LAST_TOKEN | EmbedFlag.TIER_NEON
    assert pack_embed(flags) == struct.pack("<I", 1 | 12 | 1 << 16)
    vector = unpack_vector(struct.pack("<IIfIIff", 3, 9, 0.5, 4, 2, 1.0, -1.0))
    assert (vector.text, vector.n_tokens, vector.length, vector.first) == (3, 9, 0.5, 2)
    assert vector.values.tolist() == [1.0, -1.0]
    end = unpack_embedded(struct.pack("<B3xIIIQQ", 2, 1, 2, 3, 4, 5))
    assert end == Embedded(Stop.ABORT, 1, 2, 3, 4, 5)
    with pytest.raises(LinkError, match="EMBEDDED has stop reason 9"):
        unpack_embedded(struct.pack("<B3xIIIQQ", 9, 1, 2, 3, 4, 5))
    with pytest.raises(LinkError, match="VECTOR payload has 3 bytes"):
        unpack_vector(b"abc")
