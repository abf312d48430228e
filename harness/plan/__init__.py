"""Model x Board -> MemoryPlan: every buffer's address and size, or what would fit."""

from harness.plan.memory import BlobEntry, Buffer, KvType, MemoryPlan, Region
from harness.plan.planner import plan_memory
from harness.plan.table import over_budget

__all__ = ["BlobEntry", "Buffer", "KvType", "MemoryPlan", "Region", "over_budget", "plan_memory"]
