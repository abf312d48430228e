"""How much memory training takes: planned before, compared with the measured peak after."""

import resource
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from harness.train.config import Shape, TrainConfig
from harness.train.errors import TrainError

MIB: Final = 1 << 20
HEADROOM: Final = 1.25  # the plan is exact for what it lists; malloc and libraries are not


@dataclass(frozen=True)
class MemoryPlan:
    """Name -> bytes, in the order of the table."""

    parts: dict[str, int]

    @property
    def total_bytes(self) -> int:
        """Everything at the moment when most is alive."""
        return sum(self.parts.values())

    def table(self) -> str:
        """One line per part, and the sum."""
        rows = [*self.parts.items(), ("sum", self.total_bytes)]
        return "\n".join(f"  {name:<28} {size / MIB:9.1f} MiB" for name, size in rows)


def n_params(shape: Shape) -> int:
    """Weights of the model, each counted once."""
    n_kv = shape.n_embd // shape.n_head * shape.n_head_kv
    attention = shape.n_embd * (2 * shape.n_embd + 2 * n_kv)
    layer = attention + 3 * shape.n_embd * shape.n_ff + 2 * shape.n_embd
    tables = (1 if shape.tied else 2) * shape.n_vocab * shape.n_embd
    return shape.n_layer * layer + tables + shape.n_embd


def activation_bytes_per_token(shape: Shape, dtype: str) -> int:
    """What the backward pass needs of one token, and the gradients of the widest layer.

    Per layer, b bytes being a product's element: the residual stream twice in float32, what each
    norm keeps (its input scaled, its output, and that in b), q k v joined, rotated, and k v
    repeated for every head, the heads' output and its transposed copy, gate, up, silu and their
    product. Compiled code keeps less.
    """
    b = 2 if dtype == "bf16" else 4
    n_embd, n_ff = shape.n_embd, shape.n_ff
    n_kv = n_embd // shape.n_head * shape.n_head_kv
    norms = 2 * (4 + 4 + 4 + b) * n_embd
    # Rotated and repeated q k v and the heads' output are float32 (model.py, _causal_attention).
    attention = b * ((n_embd + 2 * n_kv) + (n_embd + n_kv) + n_embd) + 4 * 4 * n_embd
    feed_forward = b * 4 * n_ff
    logits = shape.n_vocab * (b + 3 * 4)  # of the product, in float32, log-softmax, gradient
    gradients = feed_forward + 4 * 4 * n_embd
    return shape.n_layer * (norms + attention + feed_forward) + logits + gradients


def plan_memory(
    config: TrainConfig, *, dtype: str, micro_batch: int, base_bytes: int
) -> MemoryPlan:
    """The parts of a training step; `base_bytes` is what the process holds before it begins."""
    n = n_params(config.model)
    tokens = micro_batch * config.model.n_ctx
    parts = {
        "process before training": base_bytes,
        "weights (F32)": 4 * n,
        "gradients (F32)": 4 * n,
        "optimizer (F32)": _optimizer_bytes(config, n),
        f"activations ({micro_batch} x {config.model.n_ctx})": tokens
        * activation_bytes_per_token(config.model, dtype),
    }
    if dtype == "bf16":
        parts["weights (BF16 copies)"] = 2 * n
    return MemoryPlan(parts)


def _optimizer_bytes(config: TrainConfig, n: int) -> int:
    """AdamW keeps two moments per weight, Muon one per weight of the layers' matrices."""
    shape = config.model
    by_muon = n - n_params(replace(shape, n_layer=0)) - shape.n_layer * 2 * shape.n_embd
    return 8 * n - (4 * by_muon if config.recipe.muon_lr > 0 else 0)


def check_fits(plan: MemoryPlan, available_bytes: int) -> None:
    """Raise when the plan, with headroom, is more than there is."""
    wanted = int(plan.total_bytes * HEADROOM)
    if wanted > available_bytes > 0:
        raise TrainError(
            f"training needs {wanted / MIB:.0f} MiB (plan and 25 % headroom), "
            f"{available_bytes / MIB:.0f} MiB are available",
            hint="set machine.micro_batch lower: the batch is then accumulated in more pieces",
        )


def resident_bytes() -> int:
    """What this process holds now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return peak_bytes()


def peak_bytes() -> int:
    """The most this process ever held.

    Not getrusage's figure where there is another: that one counts what the process was before exec,
    so a small program that a large one started begins with the large one's peak.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
