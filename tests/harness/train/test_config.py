"""Configurations: the ones in the repository, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.gguf.tensors import expected_shapes
from harness.synth.mixture import tensor_type
from harness.train.config import Budget, TrainConfig, load_config
from harness.train.errors import TrainError
from harness.train.memory import n_params

MODELS = Path(__file__).parents[3] / "images" / "models"
MINIMAL = """
name = "x"
licence = "CC0-1.0"
seed = 1
[model]
n_embd = 256
n_layer = 2
n_head = 8
n_head_kv = 4
n_ff = 512
n_ctx = 64
n_vocab = 512
[recipe]
lr = 1e-3
batch = 4
[budget]
steps = 5
"""


def load(tmp_path: Path, text: str) -> TrainConfig:
    path = tmp_path / "x.toml"
    path.write_text(text)
    return load_config(path)


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.toml")), ids=lambda path: path.stem)
def test_models_of_the_repository_load(path: Path) -> None:
    assert load_config(path).budget != Budget()


def test_default_model_has_the_size_that_the_issue_wants() -> None:
    config = load_config(MODELS / "default.toml")
    assert 3e6 <= n_params(config.model) <= 8e6
    hyper = config.hyper
    size = 0
    for name, shape in expected_shapes(hyper).items():
        if len(shape) == 2:
            kind = tensor_type(name, shape[0], "Q4_K_M", n_layer=hyper.n_layer, tied=True)
            size += shape[1] * kind.row_bytes(shape[0])
    assert size < 4.9e6  # norms and vocabulary take less than the rest of 5 MB


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("n_ff = 512", "n_ff = 500", "model.n_ff is 500, wanted a multiple of 256"),
        ("n_ff = 512", "n_ff = 512\nn_fff = 1", "unknown key model.n_fff"),
        ("seed = 1", "seed = 1\ncolour = 3", "unknown key colour"),
        ("seed = 1", "seed = true", "key seed is True, wanted int"),
        ("lr = 1e-3", "", "key recipe.lr is missing"),
        ("lr = 1e-3", "lr = 0.0", "recipe.lr is 0.0, wanted more than 0"),
        ("steps = 5", "", "wanted minutes or steps above 0"),
        ("n_head_kv = 4", "n_head_kv = 3", "model.n_head_kv is 3, wanted a divisor of n_head"),
        ("n_vocab = 512", "n_vocab = 9000", "model.n_vocab is 9000, wanted 300 to 4096"),
        ("batch = 4", 'batch = "4"', "key recipe.batch is '4', wanted int"),
        ("[budget]", '[machine]\ndtype = "f64"\n[budget]', "key machine.dtype is 'f64'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in MINIMAL
    with pytest.raises(TrainError, match=r"x\.toml") as error:
        load(tmp_path, MINIMAL.replace(old, new))
    assert message in str(error.value)


def test_a_budget_is_no_part_of_what_a_checkpoint_belongs_to(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL)
    assert replace(config, budget=Budget(minutes=3)).digest == config.digest
    assert replace(config, seed=2).digest != config.digest
