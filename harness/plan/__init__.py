"""Model x Board -> MemoryPlan: every buffer's address and size, or what would fit."""

from harness.plan.memory import BlobEntry, Buffer, KvType, MemoryPlan, Region
from harness.plan.planner import default_ctx, largest_ctx, plan_memory
from harness.plan.table import over_budget

__all__ = [
    "BlobEntry",
    "Buffer",
    "KvType",
    "MemoryPlan",
    "Region",
    "default_ctx",
    "largest_ctx",
    "over_budget",
    "plan_memory",
]
