"""Every recorded model against llama.cpp, as a table: `python -m tests.gold_table`.

The kernel is its host twin, whose bits are the target's.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from harness.errors import GgufError
from harness.reference import FloatEncoder, FloatReference, teacher_forced, unit
from tests.gold import Gold, read_gold, rms
from tests.gold_vectors import GoldVector, cosine, read_gold_vector, vector_names
from tests.kernel.nn.encoder_twin import EncoderTwin
from tests.kernel.nn.forward_twin import ForwardTwin
from tests.models import shared_folder

N_CTX = 256
HEADS = ("model", "float: max", "kernel: cosine", "max", "rms / llama.cpp's noise", "greedy tokens")
VECTOR_HEADS = (
    *("model", "float: cosine", "max", "kernel: cosine to float", "to llama.cpp's floats"),
    *("to llama.cpp", "max of unit vectors"),
)


def row(gold: Gold, folder: Path, operations: Path) -> tuple[str, ...]:
    """Differences from llama.cpp's logits of expanded weights; the first other token, if any."""
    exact = teacher_forced(FloatReference(gold.model), gold.prompt_ids, gold.greedy)[gold.rows]
    twin = ForwardTwin(gold.model, folder, operations, n_ctx=N_CTX)
    ids = [*gold.prompt_ids, *gold.greedy[:-1]][: N_CTX - 1]
    logits = twin.logits(ids, n_batch=twin.n_batch)[len(gold.prompt_ids) - 1 :]
    rows = gold.rows[gold.rows < len(logits)]
    difference = logits[rows] - gold.logits_deq[: len(rows)]
    differs = np.flatnonzero(logits.argmax(axis=1) != gold.greedy[: len(logits)])
    first = f"all {len(logits)} equal"
    if len(differs):
        at = int(differs[0])
        tie = gold.margin[at] <= 6 * gold.noise_rms
        first = f"differs at {at}, {'a near-tie' if tie else 'NO near-tie'}"
    noise = gold.noise_rms
    return (
        f"{np.abs(exact - gold.logits_deq).max():.1e}",
        f"1 - {1 - cosine(logits[rows], gold.logits_deq[: len(rows)]):.1e}",
        f"{np.abs(difference).max():.3f}",
        f"{rms(difference) / noise:.2f}" if noise > 1e-4 else "no noise",
        first,
    )


def vector_row(gold: GoldVector, folder: Path, operations: Path) -> tuple[str, ...]:
    """Cosines: of the float reference and of the kernel."""
    exact = FloatEncoder(gold.model).embed(gold.ids)
    made = EncoderTwin(gold.model, folder, operations, n_ctx=N_CTX).embed([gold.ids]).vectors[0]
    return (
        *(f"1 - {1 - cosine(exact, gold.exact):.1e}", f"{np.abs(exact - gold.exact).max():.1e}"),
        *(f"1 - {1 - cosine(made, against):.1e}" for against in (exact, gold.exact, gold.vector)),
        f"{np.abs(made - unit(gold.exact)).max():.4f}",
    )


def print_vectors(shared: Path, work: Path) -> None:
    """A second table, of models that make vectors."""
    print("\n| " + " | ".join(VECTOR_HEADS) + " |")
    print("| --- " + "| --: " * (len(VECTOR_HEADS) - 1) + "|")
    for name in vector_names(shared):
        folder = work / name
        folder.mkdir()
        cells = vector_row(read_gold_vector(shared, name), folder, work / "operations")
        print("| " + " | ".join((name, *cells)) + " |", flush=True)


def main() -> int:
    """Print a row per file of the manifest; a file that is refused says why."""
    shared = shared_folder()
    entries = json.loads((shared / "gold/manifest.json").read_text())["models"]
    files = sorted(entry["file"] for entry in entries if "pooling" not in entry["prompts"]["A"])
    print("| " + " | ".join(HEADS) + " |")
    print("| --- " + "| --: " * 4 + "| --- |")
    with tempfile.TemporaryDirectory() as work:
        operations = Path(work) / "operations"
        operations.mkdir()
        for file in files:
            folder = Path(work) / Path(file).stem
            folder.mkdir()
            try:
                cells = row(read_gold(shared, Path(file).stem), folder, operations)
            except GgufError as error:
                print(f"{file}: {error}", file=sys.stderr)
                continue
            print("| " + " | ".join((Path(file).stem, *cells)) + " |", flush=True)
        print_vectors(shared, Path(work))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
