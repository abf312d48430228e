"""Every matrix of every architecture has a type in every file type."""

from dataclasses import replace

import pytest

from harness.gguf.architecture import ARCHITECTURES
from harness.gguf.tensors import expected_shapes
from harness.synth.mixture import QUANTS, tensor_type
from tests.harness.plan.shapes import model_of


@pytest.mark.parametrize("quant", QUANTS)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_there_is_a_type_whose_blocks_fill_the_rows(arch: str, quant: str) -> None:
    hyper = replace(model_of(n_embd=320, n_ff=576, n_layer=8).hyper, arch=ARCHITECTURES[arch])
    for name, shape in expected_shapes(hyper).items():
        if len(shape) == 2:
            kind = tensor_type(name, shape[0], quant, n_layer=8, tied=True)
            assert shape[0] % kind.block_size == 0, name


def test_a_fused_matrix_gets_the_bits_of_the_values_in_it() -> None:
    for quant in ("Q4_K_M", "Q5_K_M", "Q3_K_M", "Q2_K", "IQ4_XS"):
        for layer in range(8):
            fused, value = (
                tensor_type(f"blk.{layer}.{name}.weight", 256, quant, n_layer=8, tied=True, n_gqa=4)
                for name in ("attn_qkv", "attn_v")
            )
            assert fused is value
