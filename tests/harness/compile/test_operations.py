"""What counts as a delivered operation, on kernels of a few lines."""

import pytest

from harness.compile.operations import (
    PROMISED,
    Operation,
    check_operations,
    operations,
    promised,
)
from harness.errors import CompileError
from tests.harness.compile.tiny_elf import Workbench

VECTOR = (
    "typedef float f4 __attribute__((vector_size(16)));\n#define OUT __attribute__((noinline))\n"
)
ADD = "OUT void {0}(f4 *o, const f4 *x) {{ *o += *x; }}\n"
SCALAR = "OUT float {0}(float a, float b) {{ return a * b; }}\n"
COPY = "OUT void {0}(f4 *o, const f4 *x) {{ *o = *x; }}\n"
DATA = "f4 a, b;\nfloat c, d;\nvoid (*volatile taken)(f4 *, const f4 *);\n"


def found(bench: Workbench, functions: str, body: str) -> dict[str, Operation]:
    source = VECTOR + functions + DATA + f"void kernel_main(void) {{ {body} for (;;) {{ }} }}"
    elf = bench.elf(source, flags=("--no-gc-sections",))
    return {operation.symbol: operation for operation in operations(elf)}


def test_a_called_vector_function_is_delivered(bench: Workbench) -> None:
    add = found(bench, ADD.format("vec_add_neon"), "vec_add_neon(&a, &b);")["vec_add_neon"]
    assert add.fault == ""
    assert (add.name, add.promised, add.reachable) == ("element add", True, True)
    assert add.neon_instructions == 4  # two loads, an addition, a store
    assert add.neon_arithmetic == 1
    assert add.size_bytes == 20  # and a return


def test_scalar_arithmetic_is_not_neon(bench: Workbench) -> None:
    mul = found(bench, SCALAR.format("vec_mul_neon"), "c = vec_mul_neon(c, d);")["vec_mul_neon"]
    assert (mul.neon_instructions, mul.fault) == (0, "scalar")


def test_moving_vectors_is_not_computing(bench: Workbench) -> None:
    copy = found(bench, COPY.format("vec_mul_neon"), "vec_mul_neon(&a, &b);")["vec_mul_neon"]
    assert (copy.neon_instructions, copy.fault) == (2, "scalar")


def test_shuffling_lanes_is_not_computing(bench: Workbench) -> None:
    shuffle = (
        "OUT void {0}(f4 *o, const f4 *x) {{\n"
        "    f4 a = x[0], b = x[1];\n"
        '    __asm__("ext %0.16b, %0.16b, %1.16b, #4\\n zip1 %0.4s, %0.4s, %1.4s\\n"\n'
        '            "uzp2 %0.4s, %0.4s, %1.4s\\n trn1 %0.4s, %0.4s, %1.4s\\n"\n'
        '            "rev64 %0.4s, %0.4s\\n dup %0.4s, %0.s[0]\\n"\n'
        '            "tbl %0.16b, {{%0.16b}}, %1.16b" : "+w"(a) : "w"(b));\n'
        "    *o = a;\n}}\n"
    )
    body = "vec_mul_neon(&a, &b);"
    moved = found(bench, shuffle.format("vec_mul_neon"), body)["vec_mul_neon"]
    assert moved.neon_instructions >= 7 + 2
    assert (moved.neon_arithmetic, moved.fault) == (0, "scalar")


def test_what_nobody_calls_is_unreachable(bench: Workbench) -> None:
    add = found(bench, ADD.format("vec_add_neon"), "")["vec_add_neon"]
    assert add.fault == "not reachable from kernel_main"


def test_calls_of_unreachable_code_do_not_count(bench: Workbench) -> None:
    caller = "OUT void dead(f4 *o, const f4 *x) { vec_add_neon(o, x); vec_add_neon(x, o); }\n"
    caller = caller.replace("const f4 *x", "f4 *x")
    add = found(bench, ADD.format("vec_add_neon") + caller, "")["vec_add_neon"]
    assert not add.reachable


def test_reached_over_another_function_and_a_tail_call(bench: Workbench) -> None:
    middle = "OUT void middle(f4 *o, const f4 *x) { vec_add_neon(o, x); }\n"
    add = found(bench, ADD.format("vec_add_neon") + middle, "middle(&a, &b);")["vec_add_neon"]
    assert add.reachable


def test_an_address_that_is_taken_is_no_call(bench: Workbench) -> None:
    add = found(bench, ADD.format("vec_add_neon"), "taken = vec_add_neon;")["vec_add_neon"]
    assert add.fault == "not reachable from kernel_main"


def test_reached_over_the_address_of_its_caller(bench: Workbench) -> None:
    middle = "OUT void middle(f4 *o, const f4 *x) { vec_add_neon(o, x); vec_add_neon(o, o); }\n"
    add = found(bench, ADD.format("vec_add_neon") + middle, "taken = middle;")["vec_add_neon"]
    assert add.reachable


def test_other_neon_functions_follow_the_promised(bench: Workbench) -> None:
    table = found(bench, ADD.format("rope_neon") + ADD.format("novel_neon"), "rope_neon(&a, &b);")
    assert list(table) == [*PROMISED, "rope_neon", "novel_neon"]
    assert table["novel_neon"].name == "novel"
    assert not table["rope_neon"].promised


def test_broken_promises_fail_the_build(bench: Workbench) -> None:
    functions = ADD.format("vec_add_neon") + SCALAR.format("vec_mul_neon")
    table = found(bench, functions, "c = vec_mul_neon(c, d);")
    with pytest.raises(CompileError) as error:
        check_operations(tuple(table.values()))
    text = str(error.value)
    assert "Q4_K mat-vec (matvec_q4_k_neon): missing" in text
    assert "element multiply (vec_mul_neon): scalar" in text
    assert "element add (vec_add_neon): not reachable from kernel_main" in text


def test_every_twin_of_a_promise_must_be_called(bench: Workbench) -> None:
    functions = ADD.format("vec_add_neon") + ADD.format("vec_add_dotprod")
    table = found(bench, functions, "vec_add_neon(&a, &b);")
    assert not table["vec_add_dotprod"].promised
    with pytest.raises(CompileError, match=r"vec_add_dotprod.*: not reachable"):
        check_operations((table["vec_add_dotprod"],))
    table = found(bench, functions, "vec_add_neon(&a, &b); vec_add_dotprod(&a, &b);")
    check_operations((table["vec_add_neon"], table["vec_add_dotprod"]))


def test_faults_of_others_do_not_fail_the_build(bench: Workbench) -> None:
    table = found(bench, ADD.format("rope_neon"), "")
    check_operations((table["rope_neon"],))


def test_a_model_that_makes_vectors_promises_what_it_uses(bench: Workbench) -> None:
    assert "softmax_neon" not in promised("bert")
    assert "layernorm_neon" in promised("bert")
    assert "rmsnorm_neon" in promised("gemma-embedding")
    assert "softmax_neon" in promised("qwen3")
    assert "softmax_neon" not in promised("qwen3", vectors=True)
    assert "attention_f32_neon" in promised("qwen3", vectors=True)
    assert promised("bert", vectors=True) == promised("bert")
    table = found(bench, SCALAR.format("layernorm_neon"), "c = layernorm_neon(c, d);")
    check_operations((table["layernorm_neon"],))  # of a llama nobody asks
    with pytest.raises(CompileError, match=r"layernorm_neon.*: scalar"):
        check_operations((table["layernorm_neon"],), "bert")
