"""What the fit advisor reckons a token to cost, against what is counted."""

from pathlib import Path

import pytest

from harness.bench.costs import instructions_per_token
from harness.bench.profile import weights_of
from harness.cli.bench_runs import measure
from harness.gguf import read_gguf
from tests.target.machine import Workshop

pytestmark = [pytest.mark.target, pytest.mark.slow]

# Products of 256 columns take up to 3 % more than the table says (harness/bench/costs.py). Vectors
# and attention were counted with heads of 64 and are up to 20 % off with these of 32, and are a
# tenth of this model's instructions: 2 %.
TOLERANCE = 0.05


def test_a_model_the_table_was_not_made_from_costs_what_the_table_says(
    workshop: Workshop, tiny_q4_k_m: Path
) -> None:
    built, model = workshop.image(tiny_q4_k_m), read_gguf(tiny_q4_k_m)
    runs = measure(built, cpus=["cortex-a72", "max"], cores=[1], contexts=[100], n_decode=2)
    for run in runs:
        tier = {"cortex-a72": "neon", "max": "i8mm"}[run.cpu]
        counted = run.decode.total / run.decode.tokens
        reckoned = instructions_per_token(model.hyper, weights_of(model), tier, 101)
        assert reckoned == pytest.approx(counted, rel=TOLERANCE), run.cpu
