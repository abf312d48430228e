"""What this machine has, and what that means for training: threads, batch, number format."""

import ctypes
import importlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.cores import cores
from harness.train.cgroup import memory_limits
from harness.train.config import TrainConfig
from harness.train.memory import activation_bytes_per_token

# /proc/cpuinfo flags that matter to matrix products: x86 in `flags`, Arm in `Features`.
SIMD: Final = ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "bf16", "i8mm", "sve", "asimd")
# Units that multiply BF16 directly. Without one of them BF16 is emulated and slower than F32.
FAST_BF16: Final = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
MICRO_BATCH_TOKENS: Final = 8192  # more gains nothing: the products fill the cores long before
WAITING: Final = "OMP_WAIT_POLICY"  # read by OpenMP when torch loads it
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h of glibc


@dataclass(frozen=True)
class Hardware:
    """Cores this process may use, their vector units, memory, and a CUDA device if there is one."""

    cores: int
    simd: tuple[str, ...]
    memory_bytes: int
    available_bytes: int
    cuda: str = ""
    cuda_bytes: int = 0
    compiler: bool = False


@dataclass(frozen=True)
class Choice:
    """How a run uses the hardware; kept in the checkpoint, so that a resumed run does the same."""

    device: str
    threads: int
    dtype: str  # "f32" or "bf16": of the products; weights and sums stay float32
    micro_batch: int  # windows in memory at once; the rest of a batch is accumulated
    compile: bool


def detect(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> Hardware:
    """Look at /proc, at the limits of a container and, where torch is installed, at CUDA."""
    memory = _memory(proc / "meminfo")
    limits = memory_limits(proc, cgroup)
    cuda, cuda_bytes = _cuda()
    return Hardware(
        cores=cores(),
        simd=_simd(proc / "cpuinfo"),
        memory_bytes=min([memory.get("MemTotal", 0), *(limit.bytes for limit in limits)]),
        available_bytes=min(
            [memory.get("MemAvailable", 0), *(limit.available_bytes for limit in limits)]
        ),
        cuda=cuda,
        cuda_bytes=cuda_bytes,
        compiler=shutil.which("g++") is not None or shutil.which("clang++") is not None,
    )


def choose(hardware: Hardware, config: TrainConfig) -> Choice:
    """The config's word where it has one, else what is fast here."""
    wish = config.machine
    fast_bf16 = bool(hardware.cuda) or bool(FAST_BF16.intersection(hardware.simd))
    dtype = wish.dtype if wish.dtype != "auto" else "bf16" if fast_bf16 else "f32"
    compiles = wish.compile == "on" or (wish.compile == "auto" and hardware.compiler)
    return Choice(
        device="cuda" if hardware.cuda else "cpu",
        threads=wish.threads or hardware.cores,
        dtype=dtype,
        micro_batch=wish.micro_batch or _micro_batch(hardware, config, dtype),
        compile=compiles,
    )


def prepare_process() -> None:
    """To be called before torch is imported: what its libraries read only once."""
    # Threads that wait go to sleep. By default they spin, and on a machine that does anything else
    # besides, each then waits for a partner that the spinning keeps from running.
    os.environ.setdefault(WAITING, "passive")
    keep_freed_memory()


def load_lazily_imported(choice: Choice) -> None:
    """What torch imports at the first step, now: 200 MiB that the memory plan would not see."""
    for name in ("torch._dynamo", *(("torch._inductor.compile_fx",) if choice.compile else ())):
        importlib.import_module(name)


def keep_freed_memory() -> bool:
    """Have malloc keep what tensors free, so that the next step finds its pages mapped.

    By default glibc returns every large block to the system, and a training step then spends more
    time in page faults than in products. False where there is no such malloc.
    """
    try:
        libc = ctypes.CDLL(None)
        return bool(libc.mallopt(M_MMAP_MAX, 0) and libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1))
    except (OSError, AttributeError):
        return False


def _micro_batch(hardware: Hardware, config: TrainConfig, dtype: str) -> int:
    """A divisor of the batch whose activations take at most a quarter of all memory.

    All, not what is free now: a choice that depends on the moment could not be repeated.
    """
    n_ctx = config.model.n_ctx
    memory = hardware.cuda_bytes or hardware.memory_bytes
    room = memory // 4 // (activation_bytes_per_token(config.model, dtype) * n_ctx)
    useful = config.recipe.batch if hardware.cuda else max(1, MICRO_BATCH_TOKENS // n_ctx)
    limit = max(1, min(room, useful, config.recipe.batch))
    return next(n for n in range(limit, 0, -1) if config.recipe.batch % n == 0)


def _simd(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ()
    flags = next((ln for ln in lines if ln.startswith(("flags", "Features"))), "").split()
    return tuple(name for name in SIMD if name in flags)


def _memory(path: Path) -> Mapping[str, int]:
    """`MemTotal:  24731752 kB` and so on, in bytes."""
    try:
        pairs = [line.split(":") for line in path.read_text().splitlines() if ":" in line]
    except OSError:
        return {}
    return {name: int(value.split()[0]) * 1024 for name, value in pairs}


def _cuda() -> tuple[str, int]:
    try:
        import torch
    except ImportError:
        return "", 0
    if not torch.cuda.is_available():
        return "", 0
    return str(torch.cuda.get_device_name()), int(torch.cuda.mem_get_info()[1])
