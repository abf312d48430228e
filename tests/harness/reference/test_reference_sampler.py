"""The sampler: hand-computed cases and what each filter promises."""

import numpy as np
import pytest

from harness.reference.contract_ops import exp_f32
from harness.reference.fma import F32
from harness.reference.sampler import GREEDY, Pcg32, Sampler, SamplingParams, is_greedy

OFF = SamplingParams(temp=1.0, top_k=0, top_p=1.0, min_p=0.0)


def logits(*values: float) -> F32:
    return np.array(values, np.float32)


def with_(base: SamplingParams, **changes: float) -> SamplingParams:
    return SamplingParams(**{**base.__dict__, **changes})


def draws(params: SamplingParams, values: F32, n: int, n_vocab: int | None = None) -> list[int]:
    sampler = Sampler(params, n_vocab or len(values))
    return [sampler.choose(values, []) for _ in range(n)]


def test_pcg32_gives_the_published_numbers() -> None:
    random = Pcg32(42)  # pcg32-demo: seed 42, stream 54
    assert [random.next() for _ in range(6)] == [
        0xA15C02B7,
        0x7B47F409,
        0xBA1D3330,
        0x83D2F293,
        0xBFA4784B,
        0xCBED606E,
    ]


def test_greedy_takes_the_lowest_id_of_a_tie() -> None:
    assert Sampler(GREEDY, 4).choose(logits(1, 3, 3, 2), []) == 1


@pytest.mark.parametrize(("temp", "greedy"), [(-1.0, 1), (0.0, 1), (9.99e-4, 1), (1e-3, 0)])
def test_below_a_thousandth_every_temperature_is_greedy(temp: float, greedy: int) -> None:
    sampler = Sampler(with_(OFF, temp=temp, seed=3), 3)
    assert sampler.choose(logits(1, 3, 2), []) == 1
    first = Pcg32(3)
    if not greedy:
        first.next()
    assert sampler._random.next() == first.next()
    assert is_greedy(temp) == bool(greedy)


def test_padding_rows_are_never_chosen() -> None:
    values = logits(0, 1, 9, 9)
    assert Sampler(GREEDY, 2).choose(values, []) == 1
    assert set(draws(OFF, values, 50, n_vocab=2)) <= {0, 1}


def test_the_first_draw_is_the_one_computed_by_hand() -> None:
    # seed 42: u = 0xA15C02 / 2^24 = 0.630; e = 1, 1/e, 1/e^2 for ids 2, 0, 1; sum 1.5032;
    # u * sum = 0.947 < 1: the first candidate. Second draw u = 0x7B47F4 / 2^24 = 0.4816: same.
    # Third: 0xBA1D33 / 2^24 = 0.727 * 1.5032 = 1.093 > 1: the second candidate.
    assert draws(with_(OFF, seed=42), logits(1, 0, 2), 3) == [2, 2, 0]


def test_same_seed_same_tokens_other_seed_others() -> None:
    values = np.random.default_rng(9).normal(size=100).astype(np.float32)
    assert draws(with_(OFF, seed=5), values, 20) == draws(with_(OFF, seed=5), values, 20)
    assert draws(with_(OFF, seed=5), values, 20) != draws(with_(OFF, seed=6), values, 20)


@pytest.mark.slow
def test_frequencies_follow_the_softmax() -> None:
    values = logits(0.5, -1, 2, 0)
    counts = np.bincount(draws(OFF, values, 4000), minlength=4) / 4000
    p = np.exp(values) / np.exp(values).sum()
    # The standard deviation of a frequency is at most sqrt(0.25 / 4000) = 0.008; four of them.
    assert np.abs(counts - p).max() < 0.032


@pytest.mark.parametrize(
    "params", [with_(OFF, top_k=1), with_(OFF, top_p=1e-6), with_(OFF, min_p=1.0)]
)
def test_each_filter_alone_can_leave_only_the_best(params: SamplingParams) -> None:
    assert set(draws(params, logits(1, 4, 2, 3), 30)) == {1}


def test_top_k_keeps_the_k_best_and_lower_ids_of_a_tie() -> None:
    assert set(draws(with_(OFF, top_k=3), logits(*[1.0, 2.0] * 50), 90)) == {1, 3, 5}


def test_top_p_keeps_the_token_that_reaches_it() -> None:
    values = np.log(np.array([0.5, 0.3, 0.2], np.float32))
    assert set(draws(with_(OFF, top_p=0.4), values, 60)) == {0}
    assert set(draws(with_(OFF, top_p=0.6), values, 60)) == {0, 1}
    assert set(draws(with_(OFF, top_p=0.9), values, 100)) == {0, 1, 2}


def test_min_p_is_relative_to_the_best() -> None:
    values = np.log(np.array([0.5, 0.3, 0.2], np.float32))
    assert set(draws(with_(OFF, min_p=0.5), values, 60)) == {0, 1}  # 0.2 / 0.5 < 0.5


def test_temperature_comes_last_and_sharpens() -> None:
    values = logits(2, 1)
    cold = draws(with_(OFF, temp=0.1), values, 200)
    assert cold.count(0) > 195
    # top_p 0.75 at the logits as they are: p(0) = 0.731, so both stay even at temp 0.1.
    assert len(Sampler(with_(OFF, top_p=0.75, temp=0.1), 2)._candidates(values)) == 2


def test_penalty_lowers_each_seen_token_once() -> None:
    params = SamplingParams(temp=0.0, repeat_penalty=2.0)
    got = Sampler(params, 4).penalized(logits(3, -1, 2, 0), [0, 0, 1, 3])
    assert got.tolist() == [1.5, -2, 2, 0]
    assert Sampler(params, 4).choose(logits(3, -1, 2, 0), [0]) == 2


def test_penalty_looks_back_exactly_last_n() -> None:
    values = logits(4, 3, 1)
    for last_n, wanted in ((0, 0), (1, 0), (2, 1), (-1, 1)):
        params = SamplingParams(temp=0.0, repeat_penalty=2.0, repeat_last_n=last_n)
        assert Sampler(params, 3).choose(values, [0, 2]) == wanted


def test_a_greedy_choice_draws_no_random_number_and_a_drawn_one_draws_one() -> None:
    values = logits(1, 2, 3)
    params = with_(OFF, seed=3)
    sampler = Sampler(params, 3)
    for _ in range(5):
        sampler.choose(values, [])
    random = Pcg32(3)
    for _ in range(5):
        random.next()
    assert sampler._random.next() == random.next()


def test_probabilities_use_the_contract_exponential() -> None:
    assert float(exp_f32(logits(-1))[0]) == pytest.approx(0.36787944, rel=1e-7)
