"""Keys and values of all positions so far, growing as needed."""

from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import ReferenceModelError
from harness.gguf import HyperParameters

_FIRST_CAPACITY = 64


class KvCache:
    """Per layer (n_head_kv, positions, head_size), in the reference's own float type."""

    def __init__(self, hyper: HyperParameters, dtype: npt.DTypeLike) -> None:
        self._shape = (hyper.n_layer, 2, hyper.n_head_kv)
        self._head_size = hyper.head_size
        self._data = np.zeros((*self._shape, _FIRST_CAPACITY, hyper.head_size), dtype)
        self._n_past = 0

    def rewind(self, pos: int) -> None:
        """Forget everything from position pos on."""
        if not 0 <= pos <= self._n_past:
            raise ReferenceModelError(f"position {pos} does not follow the {self._n_past} in cache")
        self._n_past = pos

    def append(self, layer: int, pos: int, k: npt.NDArray[Any], v: npt.NDArray[Any]) -> None:
        """k, v: (tokens, n_head_kv, head_size) for positions pos.. of one layer."""
        end = pos + len(k)
        if end > self._data.shape[3]:
            bigger = np.zeros((*self._shape, 2 * end, self._head_size), self._data.dtype)
            bigger[:, :, :, :pos] = self._data[:, :, :, :pos]
            self._data = bigger
        self._data[layer, 0, :, pos:end] = k.transpose(1, 0, 2)
        self._data[layer, 1, :, pos:end] = v.transpose(1, 0, 2)
        self._n_past = end

    def view(self, layer: int, n: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Keys and values of positions 0..n-1, each (n_head_kv, n, head_size)."""
        return self._data[layer, 0, :, :n], self._data[layer, 1, :, :n]
