"""harness/codegen/literals.py: values survive the way into C, hostile names do not."""

import ast
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.codegen.literals import c_float, c_line, c_string, printable
from harness.errors import CodegenError


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_literal_is_the_float32_bit_for_bit(value: float) -> None:
    literal = c_float(value)
    assert re.fullmatch(r"-?0x[01](\.[0-9a-f]+)?p[+-]\d+f", literal)
    back = np.float32(float.fromhex(literal[:-1]))
    assert back.tobytes() == np.float32(value).tobytes()


def test_a_double_is_rounded_to_float32_once() -> None:
    assert c_float(1e-5) == "0x1.4f8b58p-17f"
    assert c_float(1 / 8**0.5) == "0x1.6a09e6p-2f"
    assert c_float(1.0) == "0x1p+0f"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_what_is_no_float32_is_refused(value: float) -> None:
    with pytest.raises(CodegenError, match="not a finite float32"), np.errstate(over="ignore"):
        c_float(value)


@given(st.text())
def test_any_name_becomes_a_harmless_string(name: str) -> None:
    literal = c_string(name)
    assert re.fullmatch(r'"[ -~]{1,64}"', literal)
    assert not set(literal[1:-1]) & set('"\\?%*')


def test_an_ordinary_name_stays_as_it_is() -> None:
    assert printable("TinyLlama-1.1B (chat) v1.0, Q4_K_M") == "TinyLlama-1.1B (chat) v1.0, Q4_K_M"


@given(
    st.text(st.characters(exclude_categories=["C", "Z"]), max_size=30) | st.just('a 1\\2?"% \u00e9')
)
def test_a_line_for_the_model_is_kept_byte_for_byte(line: str) -> None:
    literal = c_line(line)
    assert literal.isascii()
    assert "?" not in literal  # a trigraph begins with two
    assert ast.literal_eval("b" + literal) == line.encode()


@pytest.mark.parametrize("line", ["x" * 129, "a\nb", "\x1b[2J"])
def test_a_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(CodegenError, match="wanted one printable line"):
        c_line(line)
