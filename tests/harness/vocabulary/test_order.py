"""Texts in order, sorted in runs: as Python sorts them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gguf.texts import Texts
from harness.vocabulary import order
from harness.vocabulary.order import in_order


@given(st.lists(st.binary(max_size=3), max_size=80), st.data())
def test_order_is_that_of_bytes_and_of_ids_where_texts_are_equal(
    texts: list[bytes], data: st.DataObject
) -> None:
    ids = sorted(data.draw(st.sets(st.sampled_from(range(len(texts))))) if texts else ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "RUN_BYTES", 3 * (order.OBJECT_BYTES + 3))  # runs of three
        found = in_order(Texts.of(texts), np.array(ids, np.uint32))
    assert found.tolist() == sorted(ids, key=lambda i: (texts[i], i))
