"""MemoryPlan -> gen/*.h and gen/kernel.ld: what the kernel is compiled for, byte for byte."""

from harness.codegen.headers import Headers, render_headers, write_headers

__all__ = ["Headers", "render_headers", "write_headers"]
