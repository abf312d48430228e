"""The memory plan as a table for a person."""

from collections.abc import Sequence

from harness.plan.memory import KIB, MIB, MemoryPlan

_WHAT = {
    "kernel": "text, rodata, data, bss (budget)",
    "blob": "model.blob, appended to the image",
    "page_tables": "levels 1 to 3",
    "stack_guard": "not mapped",
    "stack": "boot CPU",
    "core_stacks": "7 further CPUs, each above a guard page",
    "link": "received segment, window of sent frames",
    "session": "prompt, history, sampler, tokenizer",
    "activations": "vectors of one batch, logits",
    "kv_cache": "keys, then values",
}


def render_table(plan: MemoryPlan) -> str:
    """Regions with addresses, then totals; deterministic."""
    rows = [
        (f"{r.base:#012x}", f"{r.end:#012x}", _size(r.size_bytes), r.name, _WHAT.get(r.name, ""))
        for r in plan.regions
    ]
    if not plan.kv_in_image:
        kv = plan.kv_cache
        what = f"{_WHAT[kv.name]}; the first free RAM, found at boot"
        rows.append((f"{kv.base:#012x}", f"{kv.end:#012x}", _size(kv.size_bytes), kv.name, what))
    if plan.initrd_base is not None:
        base, size = plan.initrd_base, plan.blob_size_bytes
        what = "model.blob; the address is the loader's, found at run time"
        rows.append((f"{base:#012x}", f"{base + size:#012x}", _size(size), "initrd", what))
    place = "appended" if plan.blob_appended else "initrd"
    batch = f"{plan.n_batch} token{'s' if plan.n_batch > 1 else ''}"
    pieces = f" in {len(plan.ram)} pieces" if len(plan.ram) > 1 else ""
    tensors = sum(entry.type is not None for entry in plan.blob)
    totals = [
        ("weights", _size(plan.weights_bytes), f"{tensors} tensors, blob {place}"),
        ("vocabulary", _size(plan.vocabulary_bytes), "in the blob"),
        _grows_with_texts(plan),
        ("state", _size(plan.state_bytes), f"{_of_budget(plan)}: all else, namely"),
        ("  tables", _size(plan.tables_bytes), "rope, in the blob"),
        ("  regions", _size(plan.state_bytes - plan.tables_bytes), f"batch of {batch}"),
        ("alignment", _size(plan.gap_bytes), "unused, between regions"),
        (
            "RAM needed",
            _size(plan.ram_needed_bytes),
            f"of {_size(plan.ram_size_bytes)}{pieces} on {plan.board_name}, device tree included",
        ),
    ]
    return "\n".join(
        [
            *_columns(("from", "to", "size", "region", "holds"), rows, right={2}),
            "",
            *_columns(("total", "size", ""), totals, right={1}),
        ]
    )


def _grows_with_texts(plan: MemoryPlan) -> tuple[str, str, str]:
    if plan.n_texts:
        what = f"of one pass: {plan.n_ctx} tokens, {plan.n_texts} texts at most; no KV cache"
        return ("texts", _size(plan.texts_bytes), what)
    return ("KV cache", _size(plan.kv_bytes), f"{plan.n_ctx} tokens, {plan.kv_type.upper()}")


def over_budget(plan: MemoryPlan) -> str:
    """The table's line on the state as a sentence, when it exceeds its budget; else empty."""
    if plan.state_bytes <= plan.state_budget:
        return ""
    why = (
        f"{_size(plan.tables_bytes)} of it tables"
        if plan.n_texts
        else "though the batch is one token"
    )
    return f"state: {_size(plan.state_bytes)}, {_of_budget(plan)}, {why}"


def _of_budget(plan: MemoryPlan) -> str:
    verdict = "of" if plan.state_bytes <= plan.state_budget else "MORE THAN"
    return f"{verdict} {_size(plan.state_budget)}"


def _size(size_bytes: int) -> str:
    if size_bytes >= 10 * MIB:
        return f"{size_bytes / MIB:.1f} MiB"
    return f"{size_bytes / KIB:.1f} KiB" if size_bytes % KIB else f"{size_bytes // KIB} KiB"


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: set[int]) -> list[str]:
    table = [head, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    return [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
