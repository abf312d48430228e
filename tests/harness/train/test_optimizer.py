"""Muon's step, against its definition and against PyTorch's own."""

from math import sqrt

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
