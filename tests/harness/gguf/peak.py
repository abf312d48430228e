"""The memory that a file takes, measured in a process of its own: `... SMALL.gguf... FILE.gguf`.

Small files come first, so that libraries, and tables that any file of a kind needs, are there.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.harness.gguf.test_hostile import built_file

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Peak:
    """Bytes of resident memory above what there was before; what the refusal said, if any."""

    n_bytes: int
    refusal: str


def peak_of(path: Path, small: Sequence[Path]) -> Peak:
    """Of `inspect` and `build` up to the compiler."""
    command = [sys.executable, "-m", "tests.harness.gguf.peak", *map(str, (*small, path))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return Peak(**json.loads(done.stdout))


def measure(path: Path) -> Peak:
    """In this process."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew (proc(5))
    before = _status("VmRSS")
    refusal = built_file(path)
    return Peak(_status("VmHWM") - before, refusal)


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) << 10
    raise KeyError(name)


if __name__ == "__main__":
    *small, last = map(Path, sys.argv[1:])
    for path in small:
        built_file(path)
    print(json.dumps(asdict(measure(last))))
