"""images/models/NAME.toml -> TrainConfig: all that decides what the trained weights are."""

import dataclasses
import hashlib
import math
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from harness.gguf import HyperParameters
from harness.train.errors import TrainError

WIDTH_STEP: Final = 256  # a K-quant block: rows of any other width cannot be Q4_K or Q6_K
MIN_VOCAB, MAX_VOCAB = 300, 4096  # 263 tokens are special or bytes; five ids fit 64 bits (ngram.py)

Dtype = Literal["auto", "f32", "bf16"]
Switch = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class Shape:
    """The sizes of the transformer, named as GGUF names them."""

    n_embd: int
    n_layer: int
    n_head: int
    n_head_kv: int
    n_ff: int
    n_ctx: int
    n_vocab: int
    tied: bool = True  # no output.weight: the embedding matrix makes the logits
    rms_eps: float = 1e-5
    rope_freq_base: float = 10000.0


@dataclass(frozen=True)
class Recipe:
    """Warm-up, then a cosine down to lr_final of the rates; `batch` windows of n_ctx a step."""

    lr: float  # of AdamW
    batch: int
    muon_lr: float = 0.0  # of Muon, for the matrices of the layers; 0 = AdamW for all
    warmup_steps: int = 100
    lr_final: float = 0.05
    weight_decay: float = 0.1  # of matrices; norms have none
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0


@dataclass(frozen=True)
class Budget:
    """Whichever ends first; 0 = no limit. The same `steps` and seed give the same weights.

    Minutes count training, not the preparation (vocabulary, baseline, compilation).
    """

    minutes: float = 0.0
    steps: int = 0


@dataclass(frozen=True)
class Data:
    """How much text the vocabulary, the validation and the n-gram baseline see."""

    vocabulary_chars: int = 4_000_000
    valid_windows: int = 64
    valid_every: int = 250  # steps
    ngram_tokens: int = 5_000_000


@dataclass(frozen=True)
class Machine:
    """What the hardware decides unless said here; 0 and auto = decide."""

    threads: int = 0
    micro_batch: int = 0
    dtype: Dtype = "auto"
    compile: Switch = "auto"


@dataclass(frozen=True)
class TrainConfig:
    """One trained model."""

    name: str
    licence: str
    seed: int
    model: Shape
    recipe: Recipe
    budget: Budget
    data: Data = field(default_factory=Data)
    machine: Machine = field(default_factory=Machine)

    @property
    def hyper(self) -> HyperParameters:
        """The sizes as the rest of the harness knows them."""
        m = self.model
        head_size = m.n_embd // m.n_head
        return HyperParameters(
            n_embd=m.n_embd,
            n_head=m.n_head,
            n_head_kv=m.n_head_kv,
            n_layer=m.n_layer,
            n_ff=m.n_ff,
            n_ctx_train=m.n_ctx,
            n_vocab_rows=m.n_vocab,
            head_size=head_size,
            n_rot=head_size,
            rms_eps=m.rms_eps,
            rope_freq_base=m.rope_freq_base,
            attn_scale=1.0 / math.sqrt(head_size),
        )

    @property
    def digest(self) -> str:
        """What must be equal for a checkpoint to be continued: everything but the budget."""
        without = dataclasses.replace(self, budget=Budget())
        return hashlib.sha256(repr(without).encode()).hexdigest()[:16]


def load_config(path: Path) -> TrainConfig:
    """Read and check one file."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise TrainError(f"{path}: {exc}", hint="see images/models/default.toml") from exc
    config = TrainConfig(**_fields(TrainConfig, table, path, ""))
    check_config(config, str(path))
    return config


def check_config(config: TrainConfig, where: str) -> None:
    """Refuse what the kernel, the quantiser or the budget could not work with."""
    m, r, b = config.model, config.recipe, config.budget
    for key in ("n_embd", "n_ff"):
        if getattr(m, key) % WIDTH_STEP or getattr(m, key) <= 0:
            raise TrainError(
                f"{where}: model.{key} is {getattr(m, key)}, wanted a multiple of {WIDTH_STEP}",
                hint="rows of other widths cannot be stored as Q4_K and Q6_K",
            )
    wrong = {
        "model.n_vocab": not MIN_VOCAB <= m.n_vocab <= MAX_VOCAB and f"{MIN_VOCAB} to {MAX_VOCAB}",
        "model.n_layer": m.n_layer < 1 and "1 or more",
        "model.n_ctx": m.n_ctx < 8 and "8 or more",
        "model.n_head": (m.n_head < 1 or m.n_embd % (2 * m.n_head) != 0)
        and "a number of heads that divides n_embd into even parts",
        "model.n_head_kv": (m.n_head_kv < 1 or m.n_head % m.n_head_kv != 0)
        and "a divisor of n_head",
        "recipe.lr": r.lr <= 0 and "more than 0",
        "recipe.muon_lr": r.muon_lr < 0 and "0 or more",
        "recipe.batch": r.batch < 1 and "1 or more",
        "budget": b.minutes <= 0 and b.steps <= 0 and "minutes or steps above 0",
        "seed": config.seed < 0 and "0 or more",
    }
    for key, wanted in wrong.items():
        if wanted:
            value: Any = config
            for part in key.split("."):
                value = getattr(value, part)
            raise TrainError(f"{where}: {key} is {value}, wanted {wanted}")


def _fields(cls: type, table: Mapping[str, Any], path: Path, prefix: str) -> dict[str, Any]:
    """The table as arguments of a dataclass: every key known and of its type."""
    kinds = typing.get_type_hints(cls)
    for key in table:
        if key not in kinds:
            known = ", ".join(prefix + name for name in kinds)
            raise TrainError(f"{path}: unknown key {prefix}{key}", hint=f"keys: {known}")
    result = {}
    for item in dataclasses.fields(cls):
        key = prefix + item.name
        if item.name in table:
            result[item.name] = _value(kinds[item.name], table[item.name], path, key)
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise TrainError(f"{path}: key {key} is missing", hint="see images/models/default.toml")
    return result


def _value(kind: Any, value: Any, path: Path, key: str) -> Any:
    wanted = getattr(kind, "__name__", str(kind))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if isinstance(value, dict):
            return kind(**_fields(kind, value, path, key + "."))
        wanted = "a table"
    elif typing.get_origin(kind) is Literal:
        if value in typing.get_args(kind):
            return value
        wanted = " or ".join(map(repr, typing.get_args(kind)))
    elif kind is float and type(value) in (int, float):
        return float(value)
    elif type(value) is kind:
        return value
    raise TrainError(f"{path}: key {key} is {value!r}, wanted {wanted}")
