"""Percentiles of counts, and which span belongs to which text."""

from harness.bench.counter import Counts, Mark, Passed
from harness.bench.latency import Latency, latencies, latency_table, percentile


def test_percentiles_are_values_that_were_counted() -> None:
    values = list(range(100, 0, -1))
    assert (percentile(values, 50), percentile(values, 95)) == (50, 95)
    assert (percentile(values[:20], 50), percentile(values[:20], 95)) == (90, 99)
    assert (percentile([7], 50), percentile([7], 95)) == (7, 7)
    assert (percentile([3, 1, 2], 50), percentile([3, 1, 2], 95)) == (2, 3)


def run(*spans: tuple[Mark, Mark, int]) -> Counts:
    """The first core's marks; a second core's are not its latency."""
    passed, now = [], 0
    for begin, end, n in spans:
        passed += [Passed(0, begin, now + 5), Passed(1, begin, 0), Passed(0, end, now + 5 + n)]
        now += 5 + n
    return Counts((), tuple(passed))


def text(n: int) -> tuple[Mark, Mark, int]:
    return Mark.PREFILL_BEGIN, Mark.PREFILL_END, n


def token(n: int) -> tuple[Mark, Mark, int]:
    return Mark.DECODE_BEGIN, Mark.DECODE_END, n


def test_spans_go_to_the_texts_in_their_order() -> None:
    counts = run(
        text(80), token(11), text(81), token(12), text(320), token(13), text(330), token(14)
    )
    found = latencies(counts, cpu="max", cores=2, lengths=(8, 32), repeat=2, n_decode=1)
    assert found == [
        Latency("max", 2, 8, "logits", (80, 81), (11, 12)),
        Latency("max", 2, 32, "logits", (320, 330), (13, 14)),
    ]
    facts = found[1].as_dict()
    assert facts["texts_percentiles"] == {"p50": 320, "p95": 330}
    assert facts["decoded_percentiles"] == {"p50": 13, "p95": 14}
    first, second = latency_table(found).splitlines()[2:4]
    assert first.split() == ["max", "2", "8", "2", "80", "81", "10", "11", "12"]
    assert second.split() == ["max", "2", "32", "2", "320", "330", "10", "13", "14"]


def test_vectors_have_no_decoded_tokens() -> None:
    (found,) = latencies(
        run(text(70), text(60)), cpu="max", cores=1, lengths=(8,), repeat=2, n_decode=0
    )
    assert (found.makes, found.texts, found.decoded) == ("vectors", (70, 60), ())
    assert "decoded_percentiles" not in found.as_dict()
    assert "decoded" not in latency_table([found])
