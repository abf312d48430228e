"""What is run when no model is named."""

from pathlib import Path

from harness.cli.progress import bar, note
from harness.synth import synthesize

LIKE, ARCH, QUANT, SEED = "tiny", "llama", "Q4_K_M", 0


def default_model(out: Path) -> Path:
    """A synthetic model, made when it is not there; stderr says what it is."""
    path = out / "models" / f"{LIKE}-{QUANT}.gguf"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with bar("making a model", unit="B") as shown:
            synthesize(LIKE, arch=ARCH, quant=QUANT, path=path, seed=SEED, progress=shown.of)
    note(f"no -m: running {path}, a synthetic model with random weights; it speaks no language")
    return path
