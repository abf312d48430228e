import pytest

from harness.bench.code import Function
from harness.bench.counter import Mark, Piece
from harness.bench.phases import in_order, kind_of, kind_of_piece


def function(name: str, source: str = "") -> Function:
    return Function(name, source, 0, 4)


@pytest.mark.parametrize(
    ("source", "name", "kind"),
    [
        ("nn/matvec_q4_k_neon.c", "matvec_q4_k_neon", "matmul q4_k"),
        ("nn/matvec_q4_k_dotprod.c", "matvec_q4_k_dotprod", "matmul q4_k"),
        ("nn/gemm_neon.c", "gemm_q6_k_neon", "matmul q6_k"),
        ("nn/gemm_k_i8mm_neon.c", "gemm_q4_k_i8mm", "matmul q4_k"),
        ("nn/gemm_k_neon.c", "multiply_q4_k", "matmul q4_k"),
        ("nn/panel_q8_0_neon.c", "four_rows", "matmul q8_0"),
        ("nn/matvec_f16_neon.c", "matvec_bf16_neon", "matmul bf16"),
        ("", "matvec_f32_neon", "matmul f32"),
        ("nn/matmul.c", "matmul", "matmul, any type"),
        ("nn/attention_neon.c", "attention_neon", "attention"),
        ("nn/attention_neon.c", "add_chunk", "attention"),
        ("nn/quantize_neon.c", "quantize_q8_k_neon", "norm, quantise"),
        ("nn/vec_neon.c", "vec_dot_f32_neon", "norm, quantise"),
        ("nn/kv_cache.c", "kv_cache_append", "rope, KV append"),
        ("nn/row_get.c", "row_get", "embedding row"),
        ("nn/vec_neon.c", "vec_silu_neon", "residual, SiLU"),
        ("llm/sampler.c", "pcg32_next", "sampling"),
        ("smp/parallel.c", "parallel_barrier", "barriers"),
        ("link/channel.c", "channel_poll", "link"),
        ("app/requests.c", "on_token", "link"),
        ("lib/string.c", "memcpy", "other"),
        ("", "a_name_that_nobody_knows", "other"),
    ],
)
def test_a_function_is_of_the_kind_its_source_and_name_say(
    source: str, name: str, kind: str
) -> None:
    assert kind_of(function(name, source)) == kind


def test_where_it_runs_decides_too() -> None:
    product = function("matvec_q6_k_neon", "nn/matvec_q6_k_neon.c")
    in_layer = Piece(0, Mark.DECODE_BEGIN, False, False, 0, 4, 1)
    in_head = Piece(0, Mark.DECODE_BEGIN, False, True, 0, 4, 1)
    waiting = Piece(1, Mark.DECODE_BEGIN, True, False, 0, 4, 1)
    between = Piece(0, Mark.DECODE_END, False, False, 0, 4, 1)
    assert kind_of_piece(in_layer, product) == "matmul q6_k"
    assert kind_of_piece(in_head, product) == "output head"
    assert kind_of_piece(waiting, product) == "waiting"
    assert kind_of_piece(between, function("softmax_neon", "nn/softmax_neon.c")) == "sampling"
    assert kind_of_piece(between, function("memcpy", "lib/string.c")) == "link"


def test_products_come_first_and_what_is_not_counted_last() -> None:
    kinds = {"link", "attention", "matmul q6_k", "other", "matmul q4_k"}
    assert in_order(kinds) == ["matmul q4_k", "matmul q6_k", "attention", "other", "link"]
