"""Cross compilers for the kernel: which one, with which flags, and why."""

from toolchain.find import Toolchain, find_toolchain
from toolchain.flags import LOADER_SCRIPT, compile_flags, link_flags, loader_flags

__all__ = [
    "LOADER_SCRIPT",
    "Toolchain",
    "compile_flags",
    "find_toolchain",
    "link_flags",
    "loader_flags",
]
