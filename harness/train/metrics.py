"""metrics.jsonl: one line per step and per validation; what the plot and the card are made of."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Metrics:
    """An append-only file; each line says its step."""

    path: Path

    def add(self, **values: Any) -> None:
        """Append one line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(values) + "\n")

    def rows(self) -> list[dict[str, Any]]:
        """All lines; one that a kill cut off is not there."""
        if not self.path.is_file():
            return []
        rows = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
        return rows

    def forget_after(self, step: int) -> None:
        """Drop what was written after the checkpoint that a run goes on from; all or nothing."""
        kept = [json.dumps(row) + "\n" for row in self.rows() if row["step"] <= step]
        unfinished = self.path.with_name(self.path.name + ".part")
        unfinished.write_text("".join(kept), encoding="utf-8")
        unfinished.replace(self.path)
