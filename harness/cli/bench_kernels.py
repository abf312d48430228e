"""`bench --kernels`: portable against NEON, operation by operation, on the bare machine."""

from contextlib import suppress

from harness.bench.kernels import Operation, operations_of
from harness.boot import boot
from harness.cli.bench_runs import counting
from harness.cli.lock import locked
from harness.cli.options import BuildOptions
from harness.cli.pipeline import Built, plan_model
from harness.compile import Elf, compile_kernel, flat_bytes
from harness.image import Image
from harness.link.stream import StreamEnded, timeout_scale
from toolchain import find_toolchain

SILENCE_S = 60.0


def count_kernels(options: BuildOptions, built: Built, cpu: str) -> tuple[Operation, ...]:
    """Compile kernel/app/bench.c for the built image's board, boot it, count."""
    out = built.directory / "bench"
    with locked(out):
        plan = plan_model(options).plan
        kernel = compile_kernel(built.directory, find_toolchain(options.cc), out, plan, app="bench")
        kernel8 = out / "kernel8.img"
        kernel8.write_bytes(flat_bytes(kernel.elf, plan.load_address))
        image = Image(kernel8=kernel8, blob=None, build_id=0)
        console = b""
        with counting(Elf.read(kernel.elf), built.directory) as found:
            log = out / "console.log"
            with (
                suppress(StreamEnded),  # it powers off
                boot(image, built.board, cpu=cpu, log=log, extra=found.arguments) as target,
            ):
                while data := target.stream.read(SILENCE_S * timeout_scale()):
                    console += data
    return operations_of(console.decode("utf-8", "replace"), found.counts)
