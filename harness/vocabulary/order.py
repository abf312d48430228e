"""The order of texts, without all of them as objects of Python at once."""

import heapq

import numpy as np
import numpy.typing as npt

from harness.gguf.texts import Texts

RUN_BYTES = 1 << 20  # of objects that are sorted at a time
OBJECT_BYTES = 64  # of a short text, and its place in a list


def in_order(texts: Texts, ids: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The given ids by their texts' bytes; equal texts stay in the order that they have.

    Sorted runs, then merged: what is held beside the result is a run, and a text of each run.
    """
    longest = int(texts.lengths().max(initial=0))
    step = RUN_BYTES // (OBJECT_BYTES + longest)
    runs = [
        np.array(sorted(ids[i : i + step].tolist(), key=texts.__getitem__), np.uint32)
        for i in range(0, len(ids), step)
    ]
    merged = heapq.merge(*(run.data for run in runs), key=texts.__getitem__)
    return np.fromiter(merged, np.uint32, len(ids))
