"""The portable operations as functions that take NumPy arrays."""

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.compile.sources import KERNEL_DIR
from harness.compile.twin import has_x86_fma
from toolchain.flags import twin_flags

Argument = npt.NDArray[np.generic] | bytes | int | float | bool | np.float32

OPERATIONS = (
    "lib/math.c", "lib/f16.c", "nn/vec.c", "nn/rmsnorm.c", "nn/layernorm.c", "nn/softmax.c",
    "nn/rope.c", "nn/attention.c", "nn/f16_row.c", "nn/quantize.c", "nn/matvec_f32.c",
    "nn/matvec_f16.c", "nn/matvec_32.c", "nn/matvec_k.c",
    "nn/gemm.c",
    "nn/model.c", "nn/row_get.c",
)  # fmt: skip
NEEDS_GENERATED_HEADERS = (
    "nn/kv_cache.c", "nn/layer.c", "nn/matmul.c", "nn/transformer.c",
)  # fmt: skip


class Library:
    """Kernel sources in a shared library."""

    def __init__(self, path: Path, sources: tuple[str, ...], compiler: str) -> None:
        flags = twin_flags(x86_fma=has_x86_fma(), sanitize=False)
        files = [str(KERNEL_DIR / source) for source in sources]
        command = [compiler, *flags, "-Werror", "-shared", "-fPIC", f"-I{KERNEL_DIR}", *files]
        subprocess.run([*command, "-o", str(path), "-lm"], check=True)
        self.functions = ctypes.CDLL(str(path))

    def call(self, name: str, *args: Argument) -> None:
        """Run a function that returns nothing; arrays are passed by address."""
        self._call(name, args, None)

    def float_of(self, name: str, *args: Argument) -> np.float32:
        """Run a function that returns a float."""
        return np.float32(self._call(name, args, ctypes.c_float))

    def _call(self, name: str, args: tuple[Argument, ...], result: type | None) -> float:
        function = self.functions[name]
        function.restype = result
        return function(*map(c_argument, args))  # type: ignore[no-any-return]


def c_argument(value: Argument) -> object:
    """As the C ABI wants it."""
    if isinstance(value, np.ndarray):
        assert value.flags.c_contiguous
        return ctypes.c_void_p(value.ctypes.data)
    if isinstance(value, bool):
        return ctypes.c_bool(value)
    if isinstance(value, (float, np.float32)):
        return ctypes.c_float(float(value))
    return value if isinstance(value, bytes) else ctypes.c_int(value)
