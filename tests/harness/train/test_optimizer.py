"""AdamW's and Muon's steps, against their definitions and against PyTorch's own."""

from math import sqrt
from typing import Any

import pytest

from harness.train.config import Recipe

torch = pytest.importorskip("torch", reason="training needs the extra [train]: torch")

from harness.train.optimizer import Muon, Optimizer, is_layer_matrix, orthogonal  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("shape", [(64, 64), (64, 192), (192, 64), (1, 32)])
def test_orthogonal_keeps_the_singular_vectors_and_makes_all_values_about_one(
    shape: tuple[int, int],
) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    made = u.T @ orthogonal(matrix) @ vt.T
    values = made.diagonal()
    # The polynomial's range: values above a hundredth of the norm end between 0.68 and 1.21.
    assert (values[s > 0.01 * s.norm()] > 0.65).all()
    assert (values < 1.25).all()
    assert (made - torch.diag(values)).abs().max() < 1e-4  # nothing but the values has changed


def test_muon_steps_as_pytorch_does() -> None:
    generator = torch.Generator().manual_seed(2)
    start = torch.randn(48, 96, generator=generator)
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    muon = Muon([ours], lr=0.02, weight_decay=0.1)
    pytorch = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, momentum=0.95)
    for _ in range(5):
        gradient = torch.randn(48, 96, generator=generator)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        muon.step()
        pytorch.step()
    # PyTorch orthogonalises in BF16 (8 bits): each step's entries, about 1 / sqrt(96), differ by
    # a few times 2^-8 of themselves.
    assert (ours - theirs).abs().max() < 5 * 0.02 * 8 * 2**-8 / sqrt(96)
    assert (ours - start).abs().mean() > 5 * 0.02 * 0.2 / sqrt(96)


def test_each_weight_has_one_optimizer_and_only_matrices_of_layers_have_muon() -> None:
    names = ["token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight"]
    assert not any(map(is_layer_matrix, names))
    assert is_layer_matrix("blk.0.ffn_up.weight")
    weights = {
        name: torch.ones((4,) if "norm" in name else (4, 4), requires_grad=True)
        for name in [*names, "blk.0.ffn_up.weight"]
    }
    optimizer = Optimizer(Recipe(lr=0.1, muon_lr=0.1, batch=1), weights)
    for weight in weights.values():
        weight.grad = torch.ones_like(weight)
    optimizer.step(1.0)
    assert all((weight != 1).all() and weight.grad is None for weight in weights.values())
    state = optimizer.state_dict()
    assert len(state["muon"]["state"]) == 1
    assert len(state["adamw"]["state"]) == 3


def test_adamw_steps_as_its_authors_wrote_it() -> None:
    """Loshchilov and Hutter 2019, algorithm 2, in float64; weight decay for matrices alone."""
    recipe = Recipe(lr=0.05, batch=1, weight_decay=0.3, beta1=0.8, beta2=0.9)
    generator = torch.Generator().manual_seed(3)
    names = {"token_embd.weight": (6, 4), "output_norm.weight": (5,)}
    weights = {
        name: torch.randn(shape, generator=generator).requires_grad_()
        for name, shape in names.items()
    }
    wanted = {name: weight.detach().double() for name, weight in weights.items()}
    first = {name: torch.zeros_like(weight) for name, weight in wanted.items()}
    second = {name: torch.zeros_like(weight) for name, weight in wanted.items()}
    optimizer = Optimizer(recipe, weights)
    for step, share in enumerate((0.1, 1.0, 0.5, 0.02), start=1):
        for name, weight in weights.items():
            weight.grad = torch.randn(weight.shape, generator=generator)
            grad, lr = weight.grad.double(), recipe.lr * share
            first[name] = recipe.beta1 * first[name] + (1 - recipe.beta1) * grad
            second[name] = recipe.beta2 * second[name] + (1 - recipe.beta2) * grad**2
            mean = first[name] / (1 - recipe.beta1**step)
            deviation = (second[name] / (1 - recipe.beta2**step)).sqrt() + 1e-8
            decay = recipe.weight_decay if weight.dim() > 1 else 0.0
            wanted[name] = wanted[name] - lr * (mean / deviation + decay * wanted[name])
        optimizer.step(share)
    for name, weight in weights.items():
        # float32 against float64 over four steps of sizes up to 0.05: 1e-6 is ten roundings.
        assert (weight.detach().double() - wanted[name]).abs().max() < 1e-6, name


def test_muon_decays_and_steps_by_its_share_of_the_recipe() -> None:
    recipe = Recipe(lr=0.1, muon_lr=0.02, batch=1, weight_decay=0.3)
    generator = torch.Generator().manual_seed(4)
    start, gradient = (torch.randn(8, 16, generator=generator) for _ in range(2))

    def moved(gradient: Any, share: float) -> Any:
        weight = start.clone().requires_grad_()
        optimizer = Optimizer(recipe, {"blk.0.ffn_up.weight": weight})
        weight.grad = gradient.clone()
        optimizer.step(share)
        return weight.detach() - start

    # Without a gradient nothing is left but the decay.
    still = moved(torch.zeros_like(start), 0.5)
    torch.testing.assert_close(still, -0.5 * 0.02 * 0.3 * start, rtol=1e-3, atol=1e-7)
    torch.testing.assert_close(
        moved(gradient, 0.5), 0.5 * moved(gradient, 1.0), rtol=1e-3, atol=1e-6
    )
