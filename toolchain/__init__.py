"""Cross compilers for the kernel: which one, with which flags, and why."""

from toolchain.find import Toolchain, find_toolchain
from toolchain.flags import compile_flags, link_flags

__all__ = ["Toolchain", "compile_flags", "find_toolchain", "link_flags"]
