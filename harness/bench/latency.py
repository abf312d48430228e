"""How long texts of a length take, in instructions: P50 and P95 over several texts.

A count of one text repeats to the instruction. Texts of the same length differ a little, because
some work depends on values: attention rescales its sums when a larger score comes, the sampler
looks at as many tokens as are probable.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.bench.counter import Counts, Mark

PERCENTILES = (50, 95)


@dataclass(frozen=True)
class Latency:
    """Instructions of the first core, waiting and the line to the host left out.

    texts: of each text, from its first token to its vector or to the logits after it. decoded: of
    each token after one of these texts; none where texts become vectors.
    """

    cpu: str
    cores: int
    n_tokens: int
    makes: str  # "logits" or "vectors"
    texts: tuple[int, ...]
    decoded: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON, percentiles too."""
        facts: dict[str, Any] = asdict(self)
        for name, values in (("texts", self.texts), ("decoded", self.decoded)):
            if values:
                facts[f"{name}_percentiles"] = {f"p{p}": percentile(values, p) for p in PERCENTILES}
        return facts


def percentile(values: Sequence[int], percent: int) -> int:
    """The smallest of the values that at least so many per cent of them do not exceed."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def latencies(
    counts: Counts, *, cpu: str, cores: int, lengths: Sequence[int], repeat: int, n_decode: int
) -> list[Latency]:
    """Of a run that was given `repeat` texts of each length, in that order; n_decode 0: vectors."""
    texts = counts.spans(Mark.PREFILL_BEGIN, Mark.PREFILL_END)
    decoded = counts.spans(Mark.DECODE_BEGIN, Mark.DECODE_END)
    assert len(texts) == len(lengths) * repeat, (len(texts), lengths, repeat)
    assert len(decoded) == len(texts) * n_decode, (len(decoded), len(texts), n_decode)
    return [
        Latency(
            cpu,
            cores,
            n_tokens,
            "logits" if n_decode else "vectors",
            tuple(texts[i * repeat :][:repeat]),
            tuple(decoded[i * repeat * n_decode :][: repeat * n_decode]),
        )
        for i, n_tokens in enumerate(lengths)
    ]


def latency_table(found: Sequence[Latency]) -> str:
    """A row per CPU and length."""
    head = (
        f"{'CPU':<12}{'cores':>6}{'tokens':>8}{'texts':>7}{'P50':>16}{'P95':>16}{'per token':>14}"
    )
    if any(each.decoded for each in found):
        head += f"{'decoded P50':>16}{'P95':>16}"
    makes = {each.makes for each in found}
    lines = [f"instructions from a text's first token to its {' or '.join(sorted(makes))}", head]
    for each in found:
        p50, p95 = (percentile(each.texts, p) for p in PERCENTILES)
        line = (
            f"{each.cpu:<12}{each.cores:>6}{each.n_tokens:>8}{len(each.texts):>7}{p50:>16,}"
            f"{p95:>16,}{p50 // each.n_tokens:>14,}"
        )
        if each.decoded:
            line += "".join(f"{percentile(each.decoded, p):>16,}" for p in PERCENTILES)
        lines.append(line)
    lines.append("P50 and P95: no more than these for 50 and 95 % of the texts, all different")
    return "\n".join(lines)
