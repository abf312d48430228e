"""The network's beginning, and whether it is compiled; its formulas are tested in test_export."""

from dataclasses import replace
from math import sqrt
from typing import Any

import pytest

from tests.harness.train.standin import CONFIG

torch = pytest.importorskip("torch", reason="training needs the extra [train]: torch")

from harness.train.model import INIT_STD, Llama, init_weights  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("n_layer", [1, 8])
def test_what_adds_to_the_residual_stream_begins_smaller_in_a_deeper_model(n_layer: int) -> None:
    hyper = replace(CONFIG, model=replace(CONFIG.model, n_layer=n_layer)).hyper
    for name, weight in init_weights(hyper, tied=True, seed=1).items():
        if weight.dim() == 1:
            assert (weight == 1).all(), name
            continue
        adds = "attn_output" in name or "ffn_down" in name
        wanted = INIT_STD / sqrt(2 * n_layer) if adds else INIT_STD
        # The deviation of 32768 normal values, the fewest here, is known within 0.4 %.
        assert float(weight.std()) == pytest.approx(wanted, rel=0.02), name


def test_what_was_compiled_is_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []

    def compiled(function: Any, **_: Any) -> Any:
        def run(ids: Any) -> Any:
            ran.append(len(ids))
            return function(ids)

        return run

    monkeypatch.setattr(torch, "compile", compiled)
    model = Llama(CONFIG.hyper, init_weights(CONFIG.hyper, tied=True, seed=1), 48)
    ids = torch.ones((2, 5), dtype=torch.int64)
    model.loss(ids, ids)
    assert ran == []
    model.compile()
    model.loss(ids, ids)
    assert ran == [2]
