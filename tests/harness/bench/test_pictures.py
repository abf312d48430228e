from pathlib import Path

import pytest

from harness.bench.profile import Phase, Profile, Weights
from harness.bench.table import tables

KINDS = {"matmul q4_k": 4000, "attention": 1000, "output head": 800, "link": 77}
FUNCTIONS = {"attention": {"attention_neon": 1000}}
WEIGHTS = Weights({"q4_k": 2000}, 400)


def profile(cores: int, *, per_core: tuple[int, ...]) -> Profile:
    decode = Phase(2, False, KINDS, FUNCTIONS, per_core)
    prefill = Phase(4, True, KINDS, FUNCTIONS, per_core)
    return Profile("cortex-a72", cores, 16, prefill, decode, 1_000_000)


def test_the_table_has_counts_shares_and_rates() -> None:
    text = tables([profile(1, per_core=(5800,))], WEIGHTS, functions=True)
    prefill, decode = text.split("cortex-a72, 1 core, decode")
    assert "matmul q4_k                2,000  69.0%  1.0000" in decode
    assert "output head                  400  13.8%  1.0000" in decode
    assert "output head                  200  13.8%  2.0000" in prefill  # once for four tokens
    assert "total                      2,900         1.2083" in decode
    assert "link *                        38" in decode
    assert "attention: attention_neon 500" in decode


def test_the_busiest_core_is_set_against_its_part() -> None:
    one, two = profile(1, per_core=(5800,)), profile(2, per_core=(3000, 2800))
    text = tables([one, two], WEIGHTS)
    assert "context 16: busiest of 2 cores over its part: prefill 1.034, decode 1.034" in text


@pytest.mark.slow
def test_the_plot_is_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from harness.bench.plot import plot_profiles

    plot_profiles([profile(1, per_core=(5800,))], "a title", tmp_path / "plot.png")
    data = (tmp_path / "plot.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) > 10_000
