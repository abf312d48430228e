"""The kernel's way from texts to vectors as a host program, for a model's own generated headers."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.board import load_board
from harness.codegen import render_headers, write_headers
from harness.compile.objects import compile_objects
from harness.compile.sources import KERNEL_DIR
from harness.compile.twin import compiler_identity, has_x86_fma, native_compiler
from harness.gguf import Model
from harness.image import pack_blob
from harness.plan import plan_memory
from tests.kernel.build import run_program
from tests.kernel.nn.exact import Floats
from tests.kernel.nn.library import OPERATIONS
from toolchain.flags import twin_flags

HERE = Path(__file__).parent
DRIVERS = ("encoder_program.c", "parallel_threads.c")
SOURCES = (
    "nn/kv_cache.c", "nn/layer.c", "nn/matmul.c", "nn/transformer.c", "nn/encoder.c",
)  # fmt: skip
POOLINGS = {"mean": 1, "cls": 2, "last": 3}


@dataclass(frozen=True)
class Made:
    """Vectors (texts, n_embd), the lengths they had, and how many matrix products that took."""

    vectors: Floats
    lengths: Floats
    n_products: int


class EncoderTwin:
    """Plan, headers, blob and program of one model; `shared` keeps what all models have in common.

    `sanitize`: slower, and every access is checked.
    """

    def __init__(
        self, model: Model, out: Path, shared: Path, *, n_ctx: int, sanitize: bool = False
    ) -> None:
        board = load_board("virt")
        plan = plan_memory(model, board, n_ctx=n_ctx)
        headers = render_headers(model, board, plan)
        write_headers(headers, out)
        self.n_embd = model.hyper.n_embd
        self.blob = pack_blob(model, plan, headers.build_id, out / "model.blob").path
        flags = twin_flags(x86_fma=has_x86_fma(), sanitize=sanitize)
        compiler = native_compiler()
        command = [compiler, *flags, "-Werror", f"-I{KERNEL_DIR}"]
        common = compile_objects(
            OPERATIONS,
            lambda _: command,
            identity=compiler_identity(compiler),
            include_dirs=(),
            out_dir=shared / ("sanitized" if sanitize else "plain"),
        )
        own = [str(HERE / name) for name in DRIVERS]
        own += [str(KERNEL_DIR / source) for source in SOURCES]
        self.program = out / "encoder"
        link = ["-Wl,--wrap=matmul", "-o", str(self.program), "-lm"]
        subprocess.run([*command, f"-I{out}", *own, *map(str, common.files), *link], check=True)

    def embed(
        self, texts: Sequence[Sequence[int]], *, pooling: str = "mean", n_cores: int = 1
    ) -> Made:
        """All texts in one pass."""
        words = [str(word) for ids in texts for word in (len(ids), *ids)]
        options = (str(n_cores), str(POOLINGS[pooling]))
        output = run_program(self.program, str(self.blob), *options, *words)
        values = np.frombuffer(output[:-4], np.float32)
        n = len(texts)
        vectors = values[: n * self.n_embd].reshape(n, self.n_embd)
        return Made(vectors, values[n * self.n_embd :], int(np.frombuffer(output[-4:], "<u4")[0]))
