"""Formats (or with --check only compares) the C of this project with clang-format."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("kernel", "tests/kernel", "tests/target", "toolchain")


def main() -> int:
    """The exit status of clang-format; the version is pinned in pyproject.toml."""
    beside_python = Path(sys.executable).with_name("clang-format")
    files = [str(f) for folder in FOLDERS for f in sorted((ROOT / folder).rglob("*.[ch]"))]
    mode = ["--dry-run", "-Werror"] if "--check" in sys.argv[1:] else ["-i"]
    return subprocess.run([str(beside_python), *mode, *files], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
