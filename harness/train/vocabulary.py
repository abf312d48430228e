"""A SentencePiece BPE vocabulary with byte fallback, and the tokenizer that training uses.

Set up so that llama.cpp's rule (merge the neighbours whose text has the highest score) gives the
same ids: no normalisation, no space put in front, scores = -rank. Digits stand alone, so arithmetic
sees them; a line break is always the byte token <0x0A>, as in Llama 2.
"""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import sentencepiece

from harness.gguf.model import TOKEN_BYTE, TOKEN_CONTROL, TOKEN_NORMAL, TOKEN_UNKNOWN
from harness.synth.metadata import BOS, EOS, UNK, TokenTable
from harness.train.errors import TrainError

__all__ = ["BOS", "CONTROL", "EOS", "UNK", "TokenTable", "Tokenizer", "train_vocabulary"]

CONTROL: Final = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")


def train_vocabulary(texts: Iterable[str], n_vocab: int) -> bytes:
    """The serialised SentencePiece model; the same texts give the same bytes."""
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(line for text in texts for line in text.split("\n") if line),
            model_writer=model,
            model_type="bpe",
            vocab_size=n_vocab,
            byte_fallback=True,
            split_digits=True,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            character_coverage=1.0,
            control_symbols=list(CONTROL),
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            pad_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as exc:
        raise TrainError(
            f"no vocabulary of {n_vocab} tokens can be made of this text: {exc}",
            hint="the text is too little: lower model.n_vocab or raise data.vocabulary_chars",
        ) from exc
    return model.getvalue()


class Tokenizer:
    """Text -> ids as the device will see them."""

    def __init__(self, model: bytes) -> None:
        self._model = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.n_vocab = int(self._model.GetPieceSize())
        self.special = {name: int(self._model.PieceToId(name)) for name in CONTROL}
        self.special |= {"<unk>": UNK, "<s>": BOS, "</s>": EOS}

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        """From a file that `train_vocabulary` made."""
        return cls(path.read_bytes())

    def encode(self, text: str) -> list[int]:
        """Ids of plain text; what looks like a special token is text here."""
        return list(map(int, self._model.EncodeAsIds(text)))

    def table(self) -> TokenTable:
        """The vocabulary as a GGUF lists it."""
        ids = range(self.n_vocab)
        return TokenTable(
            texts=[str(self._model.IdToPiece(i)) for i in ids],
            scores=[float(self._model.GetScore(i)) for i in ids],
            types=[self._type(i) for i in ids],
        )

    def _type(self, token: int) -> int:
        if self._model.IsUnknown(token):
            return TOKEN_UNKNOWN
        if self._model.IsControl(token):
            return TOKEN_CONTROL
        return TOKEN_BYTE if self._model.IsByte(token) else TOKEN_NORMAL
