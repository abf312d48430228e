"""The kernel's forward pass as a host program, for a model's own generated headers."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.board import load_board
from harness.codegen import render_headers, write_headers
from harness.compile.objects import compile_objects
from harness.compile.sources import KERNEL_DIR
from harness.compile.twin import compiler_identity, has_x86_fma, native_compiler
from harness.gguf import Model
from harness.image import pack_blob
from harness.plan import KvType, plan_memory
from tests.kernel.build import run_program
from tests.kernel.nn.exact import Floats
from tests.kernel.nn.library import NEEDS_GENERATED_HEADERS, OPERATIONS
from toolchain.flags import twin_flags

HERE = Path(__file__).parent
DRIVERS = ("forward_program.c", "parallel_threads.c")


class ForwardTwin:
    """Plan, headers, blob and program of one model; `shared` keeps what all models have in common.

    Optimised and without sanitizers, as a second of compiling is all that a model shall cost.
    """

    def __init__(
        self,
        model: Model,
        out: Path,
        shared: Path,
        *,
        n_ctx: int | None = None,
        kv_type: KvType = "f16",
    ) -> None:
        board = load_board("virt")
        plan = plan_memory(model, board, n_ctx=n_ctx, kv_type=kv_type)
        headers = render_headers(model, board, plan)
        write_headers(headers, out)
        self.n_rows = model.hyper.n_vocab_rows
        self.n_batch = plan.n_batch
        self.blob = pack_blob(model, plan, headers.build_id, out / "model.blob").path
        compiler = native_compiler()
        flags = twin_flags(x86_fma=has_x86_fma(), sanitize=False)
        command = [compiler, *flags, "-Werror", f"-I{KERNEL_DIR}"]
        common = compile_objects(
            OPERATIONS,
            lambda _: command,
            identity=compiler_identity(compiler),
            include_dirs=(),
            out_dir=shared,
        )
        own = [str(HERE / name) for name in DRIVERS]
        own += [str(KERNEL_DIR / source) for source in NEEDS_GENERATED_HEADERS]
        self.program = out / "forward"
        subprocess.run(
            [*command, f"-I{out}", *own, *map(str, common.files), "-o", self.program, "-lm"],
            check=True,
        )

    def logits(self, ids: Sequence[int], *, n_batch: int = 1, n_cores: int = 1) -> Floats:
        """After every token, (len(ids), rows); n_batch at a time, at most the plan's."""
        options = map(str, (n_batch, n_cores, n_batch))
        output = run_program(self.program, str(self.blob), *options, *map(str, ids))
        return np.frombuffer(output, np.float32).reshape(len(ids), self.n_rows)
