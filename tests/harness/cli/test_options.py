import argparse

import pytest

from harness.cli.options import add_sampling, sampling, size_bytes, token_ids


def parsed(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_sampling(parser)
    return parser.parse_args(argv)


def test_sampling_defaults_are_llama_cpps() -> None:
    params = sampling(parsed("--seed", "5"))
    assert (params.temp, params.top_k, params.top_p, params.min_p) == (0.8, 40, 0.95, 0.05)
    assert (params.repeat_penalty, params.repeat_last_n) == (1.0, 64)
    assert (params.n_predict, params.seed, params.ignore_eog) == (128, 5, False)


def test_no_seed_means_another_one_each_time() -> None:
    seeds = {sampling(parsed()).seed for _ in range(8)}
    assert len(seeds) > 1
    assert all(0 <= seed < 1 << 64 for seed in seeds)


@pytest.mark.parametrize(
    ("text", "value"),
    [("512M", 512 << 20), ("2G", 2 << 30), ("2GiB", 2 << 30), ("64k", 65536), ("4096", 4096)],
)
def test_a_size_is_a_number_with_a_unit(text: str, value: int) -> None:
    assert size_bytes(text) == value


@pytest.mark.parametrize("text", ["", "M", "-1M", "1.5G", "2T"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        size_bytes(text)


def test_token_ids_are_numbers_between_commas() -> None:
    assert token_ids("1, 2,3") == [1, 2, 3]
    with pytest.raises(argparse.ArgumentTypeError):
        token_ids("")
