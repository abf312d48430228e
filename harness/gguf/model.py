"""What a GGUF file becomes: a validated Model. Tensor data stays in the file until asked for."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.errors import GgufError
from harness.gguf.architecture import LLAMA, Architecture
from harness.gguf.pre_tokenizer import PreTokenizer
from harness.gguf.types import GGMLType

TOKEN_NORMAL, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER_DEFINED, TOKEN_UNUSED, TOKEN_BYTE = range(
    1, 7
)
_CHANGED = "the file changed while it was read: start again"

TokenizerModel = Literal["llama", "gpt2", "bert"]
Pooling = Literal["mean", "cls", "last"]  # of the vectors of a text's tokens


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of the file: `shape` as GGUF lists it (n_in, n_out), `offset` from byte 0."""

    name: str
    shape: tuple[int, ...]
    type: GGMLType
    offset: int
    size_bytes: int

    @property
    def n_cols(self) -> int:
        """Values in a row: the inputs of a matrix, the length of a vector."""
        return self.shape[0]

    @property
    def n_rows(self) -> int:
        """Rows: the outputs of a matrix; 1 for a vector."""
        return self.shape[1] if len(self.shape) > 1 else 1

    @property
    def row_bytes(self) -> int:
        """Bytes of one row in the file; rows follow one another without gaps."""
        return self.type.row_bytes(self.n_cols)


@dataclass(frozen=True)
class RopeScaling:
    """Frequencies divided by `factor`: all of them, or by YaRN those that turn slowly."""

    kind: Literal["linear", "yarn"] = "linear"
    factor: float = 1.0
    n_ctx_original: int = 0  # for yarn: the context of the first training
    attn_factor: float = 1.0  # cosines and sines are multiplied by it


@dataclass(frozen=True)
class HyperParameters:
    """The sizes and constants of a llama-style transformer, named as GGUF names them."""

    n_embd: int
    n_head: int
    n_head_kv: int
    n_layer: int
    n_ff: int
    n_ctx_train: int
    n_vocab_rows: int  # rows of token_embd = number of logits; at least the token list's length
    head_size: int
    n_rot: int  # 0: positions are learned
    rms_eps: float  # of any norm
    rope_freq_base: float
    attn_scale: float  # of q.k: 1/sqrt(head_size) for most
    arch: Architecture = LLAMA
    rope_scaling: RopeScaling = RopeScaling()
    embedding_scale: float = 1.0
    residual_scale: float = 1.0  # of what a branch adds
    logit_scale: float = 1.0  # logits are multiplied by it
    attn_softcap: float = 0.0  # scores pass through cap * tanh(score / cap); 0: they do not
    logit_softcap: float = 0.0  # logits likewise
    window: int = 0  # keys that a token of a local layer sees; 0: no layer is local
    local_layers: tuple[bool, ...] = ()  # of each layer; () when no layer is local
    rope_freq_base_local: float | None = None  # of local layers, without any scaling
    pooling: Pooling | None = None  # None: the file names none
    n_dense: int = 0  # values between the two dense matrices; 0: a file must hold none
    n_token_types: int = 0  # a text is of the first

    @property
    def makes_vectors(self) -> bool:
        """True when texts become vectors, False when they go on."""
        return self.arch.bidirectional or self.pooling is not None


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Texts as in the file: SentencePiece ("llama") writes U+2581 for a space and `<0xXX>` for a
    byte, byte-level BPE ("gpt2") a character of bpe.BYTE_TEXTS for each byte, WordPiece ("bert")
    U+2581 at the beginning of a word.

    `types` holds the TOKEN_* numbers above. An id is None when the model has no such token.
    Generation stops at any of `eog_ids` (ascending).

    model: the kind, as GGUF names it. scores: of SentencePiece, else zeros. pre, merges: of BPE;
    merges are ids (left, right, merged), int32 (n, 3), in order of rank. lowercase, strip_accents:
    of WordPiece's normaliser. swallow_space: special tokens that take white space to their right
    with them.
    """

    tokens: Sequence[bytes]
    scores: npt.NDArray[np.float32]
    types: npt.NDArray[np.uint8]
    bos_id: int | None
    eos_id: int | None
    unk_id: int | None
    add_bos: bool
    add_eos: bool
    add_space_prefix: bool
    eog_ids: tuple[int, ...]
    model: TokenizerModel = "llama"
    pre: PreTokenizer | None = None
    merges: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty((0, 3), np.int32))
    lowercase: bool = False
    strip_accents: bool = False
    swallow_space: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Model:
    """A model that passed every check of the reader. Cheap to hold: weights are read on demand."""

    path: Path
    name: str
    architecture: str
    hyper: HyperParameters
    vocabulary: Vocabulary
    tensors: Mapping[str, Tensor]
    chat_template: str | None
    metadata: Mapping[str, object] = field(repr=False)  # without the arrays of the vocabulary
    size_bytes: int

    @property
    def tied(self) -> bool:
        """True when the output matrix is the embedding matrix."""
        return "output.weight" not in self.tensors

    @property
    def matrix_types(self) -> frozenset[GGMLType]:
        """Types of the tensors that it multiplies with, perhaps of others too, not of vectors."""
        return frozenset(
            tensor.type
            for name, tensor in self.tensors.items()
            if not name.endswith(("norm.weight", ".bias"))
            and not name.startswith("rope_")
            and (name != "token_embd.weight" or self.tied)
        )

    @property
    def makes_vectors(self) -> bool:
        """True when texts become vectors, False when they go on."""
        return self.hyper.makes_vectors

    @property
    def has_dense(self) -> bool:
        """True when a text's vector goes through two more matrices."""
        return "dense_2.weight" in self.tensors

    @property
    def weights_bytes(self) -> int:
        """Bytes of all tensors in the file, without padding."""
        return sum(tensor.size_bytes for tensor in self.tensors.values())

    def tensor(self, name: str) -> Tensor:
        """The tensor of this name, which the model must have."""
        try:
            return self.tensors[name]
        except KeyError:
            raise GgufError(f"{self.path.name}: there is no tensor {name}") from None

    def read_rows(self, name: str, first_row: int, n_rows: int) -> npt.NDArray[np.uint8]:
        """Rows as the file stores them: uint8 (n_rows, row_bytes), a fresh array."""
        tensor = self.tensor(name)
        if first_row < 0 or n_rows < 0 or first_row + n_rows > tensor.n_rows:
            raise IndexError(f"rows {first_row}+{n_rows} of {name}, which has {tensor.n_rows}")
        rows = np.empty((n_rows, tensor.row_bytes), dtype=np.uint8)
        self._read_into(rows, tensor, tensor.offset + first_row * tensor.row_bytes)
        return rows

    def vector(self, name: str) -> npt.NDArray[np.float32]:
        """A one-dimensional tensor (a norm weight); these are F32 in every accepted file."""
        tensor = self.tensor(name)
        assert tensor.type is GGMLType.F32, tensor
        assert len(tensor.shape) == 1, tensor
        values: npt.NDArray[np.float32] = self.read_rows(name, 0, 1).view(np.float32)[0]
        return values

    def _read_into(self, rows: npt.NDArray[np.uint8], tensor: Tensor, offset: int) -> None:
        view = rows.data.cast("B") if rows.size else memoryview(b"")
        try:
            file = self.path.open("rb", buffering=0)
        except OSError as exc:
            raise GgufError(
                f"{self.path.name}: cannot be read any more: {exc.strerror}", hint=_CHANGED
            ) from exc
        with file:
            while view:
                # One read returns at most 2 GiB on Linux, and a signal may shorten it.
                n = os.preadv(file.fileno(), [view], offset)
                if n == 0:
                    raise GgufError(
                        f"{self.path.name}: {tensor.name} ends at byte {offset}; "
                        f"the file was {self.size_bytes} bytes when it was opened",
                        hint=_CHANGED,
                    )
                view, offset = view[n:], offset + n
