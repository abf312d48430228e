"""What is run when no model is named."""

from pathlib import Path
from typing import Final

from harness.cli.progress import bar, note
from harness.synth import synthesize

# The project's own model: made by `train images/models/default.toml`, described by the card beside.
TRAINED: Final = (
    Path(__file__).resolve().parents[2] / "images" / "models" / "bareword-default-Q4_K_M.gguf"
)
# What it has learnt to answer; the first is asked when nobody asks anything.
EXAMPLES: Final = (
    "Tell me a story about a mouse.",
    "turn on the lamp in the kitchen",
    "What is 27 + 15?",
    "Which board do you run on?",
)
LIKE, ARCH, QUANT, SEED = "tiny", "llama", "Q4_K_M", 0


def default_model(out: Path) -> Path:
    """The trained model; without it a synthetic one, and stderr says what that is."""
    if TRAINED.is_file():
        return TRAINED
    path = out / "models" / f"{LIKE}-{QUANT}.gguf"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with bar("making a model", unit="B") as shown:
            synthesize(LIKE, arch=ARCH, quant=QUANT, path=path, seed=SEED, progress=shown.of)
    note(f"no -m: running {path}, a synthetic model with random weights; it speaks no language")
    return path


def default_prompt() -> str:
    """What to ask the default model when no prompt is given either."""
    return EXAMPLES[0] if TRAINED.is_file() else "Once upon a time"
