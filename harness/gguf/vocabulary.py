"""The vocabulary of a model: token texts, scores or merges, types and special ids."""

import re
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from harness.errors import GgufError, quoted
from harness.gguf.bpe import check_byte_tokens, merges_of, pre_tokenizer_of
from harness.gguf.metadata import Metadata
from harness.gguf.model import (
    TOKEN_BYTE,
    TOKEN_CONTROL,
    TOKEN_UNKNOWN,
    TOKEN_USER_DEFINED,
    Vocabulary,
)
from harness.gguf.reader import MAX_ARRAY_ITEMS
from harness.gguf.texts import TextIndex, Texts

PREFIX: Final = "tokenizer.ggml."
# What becomes a Vocabulary, and would take its memory twice.
ARRAYS: Final = frozenset(PREFIX + name for name in ("tokens", "scores", "token_type", "merges"))
NO_TOKEN: Final = 0xFFFFFFFF  # how converters write "the model has no such token"
MAX_TOKEN_BYTES: Final = 512  # the longest known token is 128 spaces (3 bytes each)
# Each of these takes more memory than in the file; published models have some hundred at most.
MAX_EMPTY_TOKENS: Final = 1 << 12
MAX_SWALLOWING: Final = 1 << 14
N_BYTES: Final = 256
PHI3_LEAVES_SPACE: Final = (b"<unk>", b"<s>", b"<|endoftext|>")
WORD_MARK: Final = "\u2581".encode()
GPT2_END: Final = 11  # llama.cpp's id of BOS and EOS for a "gpt2" file that names none

# llama.cpp treats these texts as control tokens and as ends of generation whatever the file says.
END_TEXTS: Final = frozenset(
    {
        b"<|eot_id|>",
        b"<|im_end|>",
        b"<|end|>",
        b"<end_of_turn>",
        b"<|endoftext|>",
        b"</s>",
        b"<|eom_id|>",
        b"<|end_of_text|>",
        b"<EOT>",
    }
)
_BYTE_TEXT = re.compile(rb"<0x([0-9A-F]{2})>")


def vocabulary_of(metadata: Metadata, n_rows: int = MAX_ARRAY_ITEMS) -> Vocabulary:
    """Check the tokenizer keys and make the vocabulary; n_rows: of the embedding matrix."""
    key = PREFIX + "model"
    model = metadata.text(key)
    if model == "llama":
        return _sentencepiece(metadata, n_rows)
    if model == "gpt2":
        return _byte_level_bpe(metadata, n_rows)
    if model == "bert":
        return _wordpiece(metadata, n_rows)
    named = {"t5": " (Unigram)"}
    metadata.fail(
        key,
        f"is {quoted(model)}{named.get(model, '')}, which is not supported; supported: "
        "'llama' (SentencePiece), 'gpt2' (byte-level BPE), 'bert' (WordPiece)",
        hint="use a model whose vocabulary is of one of these kinds",
    )


def _sentencepiece(metadata: Metadata, n_rows: int) -> Vocabulary:
    tokens, _ = _tokens(metadata, n_rows)
    types = _types(metadata, tokens)
    _check_byte_tokens(tokens, types)
    bos_id = _special_id(metadata, "bos", len(tokens), default=1)
    eos_id = _special_id(metadata, "eos", len(tokens), default=2)
    _check_other_ids(metadata, len(tokens))
    return Vocabulary(
        tokens=tokens,
        scores=_scores(metadata, len(tokens)),
        types=types,
        bos_id=bos_id,
        eos_id=eos_id,
        unk_id=_special_id(metadata, "unknown", len(tokens), default=0),
        add_bos=metadata.boolean(PREFIX + "add_bos_token", default=True) and bos_id is not None,
        add_eos=metadata.boolean(PREFIX + "add_eos_token", default=False) and eos_id is not None,
        add_space_prefix=metadata.boolean(PREFIX + "add_space_prefix", default=True),
        eog_ids=_eog_ids(metadata, tokens, bos_id, eos_id),
        swallow_space=_swallow_space(metadata, tokens, types),
    )


def _byte_level_bpe(metadata: Metadata, n_rows: int) -> Vocabulary:
    pre = pre_tokenizer_of(metadata)
    tokens, index = _tokens(metadata, n_rows)
    types = _types(metadata, tokens)
    check_byte_tokens(metadata, index)
    _check_cut_texts(metadata, tokens, types)
    bos_id = _special_id(metadata, "bos", len(tokens), default=GPT2_END)
    eos_id = _special_id(metadata, "eos", len(tokens), default=GPT2_END)
    _check_other_ids(metadata, len(tokens))
    return Vocabulary(
        tokens=tokens,
        scores=np.zeros(len(tokens), np.float32),
        types=types,
        bos_id=bos_id,
        eos_id=eos_id,
        unk_id=_special_id(metadata, "unknown", len(tokens), default=None),
        add_bos=metadata.boolean(PREFIX + "add_bos_token", default=pre.add_bos)
        and bos_id is not None,
        add_eos=metadata.boolean(PREFIX + "add_eos_token", default=False) and eos_id is not None,
        add_space_prefix=False,
        eog_ids=_eog_ids(metadata, tokens, bos_id, eos_id),
        model="gpt2",
        pre=pre,
        merges=merges_of(metadata, tokens, index),
    )


def _wordpiece(metadata: Metadata, n_rows: int) -> Vocabulary:
    """[CLS] and [SEP] around every text are BOS and EOS here."""
    tokens, _ = _tokens(metadata, n_rows)
    types = _types(metadata, tokens)
    n_vocab = len(tokens)
    if not any(text.startswith(WORD_MARK) for text in tokens):
        metadata.fail(
            PREFIX + "tokens",
            "has no token that begins with U+2581, as the beginnings of words do in a GGUF",
            hint="convert the model again: `##` marks what llama.cpp's converter writes without",
        )
    unk_id = _special_id(metadata, "unknown", n_vocab, default=100)
    if unk_id is None:
        metadata.fail(
            PREFIX + "unknown_token_id",
            "names no token, wanted the one for words that the vocabulary cannot spell",
        )
    cls_id = _special_id(metadata, "cls", n_vocab, default=101)
    bos_id = _special_id(metadata, "bos", n_vocab, default=cls_id)
    sep_id = _special_id(metadata, "seperator", n_vocab, default=102)  # GGUF spells it so
    _check_other_ids(metadata, n_vocab)
    lowercase = metadata.boolean(PREFIX + "normalizer.lowercase", default=True)
    return Vocabulary(
        tokens=tokens,
        scores=np.zeros(n_vocab, np.float32),
        types=types,
        bos_id=bos_id,
        eos_id=sep_id,
        unk_id=unk_id,
        add_bos=bos_id is not None,
        add_eos=sep_id is not None,
        add_space_prefix=False,
        eog_ids=_eog_ids(metadata, tokens, bos_id, sep_id),
        model="bert",
        lowercase=lowercase,
        strip_accents=metadata.boolean(PREFIX + "normalizer.strip_accents", default=lowercase),
    )


def _swallow_space(
    metadata: Metadata, tokens: Texts, types: npt.NDArray[np.uint8]
) -> frozenset[int]:
    """Phi-3's special tokens but three; no key says so, and llama.cpp knows it by the name."""
    name = metadata.text("general.name", default="").lower()
    if not any(phi3 in name for phi3 in ("phi-3", "phi3")):
        return frozenset()
    special = np.flatnonzero(np.isin(types, (TOKEN_CONTROL, TOKEN_UNKNOWN, TOKEN_USER_DEFINED)))
    if len(special) > MAX_SWALLOWING:
        metadata.fail(
            PREFIX + "token_type",
            f"marks {len(special)} special tokens, at most {MAX_SWALLOWING} of Phi-3 are accepted",
        )
    return frozenset(i for i in special.tolist() if tokens[i] not in PHI3_LEAVES_SPACE)


def _tokens(metadata: Metadata, n_rows: int) -> tuple[Texts, TextIndex]:
    key = PREFIX + "tokens"
    n_tokens = len(metadata.strings(key))
    if not n_tokens:
        metadata.fail(key, "is empty, wanted one text per token")
    if n_tokens > n_rows:
        raise GgufError(
            f"token_embd.weight has {n_rows} rows, {key} has {n_tokens} texts: "
            "wanted a row for each"
        )
    tokens = Texts.of(_token_texts(metadata, key))
    index = TextIndex(tokens)
    if index.again:
        i, earlier = index.again
        metadata.fail(key, f"[{i}] is {quoted(tokens[i])}, the same text as token {earlier}")
    return tokens, index


def _token_texts(metadata: Metadata, key: str) -> Iterator[bytes]:
    n_empty = 0
    for i, text in enumerate(metadata.strings(key)):
        if len(text) > MAX_TOKEN_BYTES:
            metadata.fail(key, f"[{i}] has {len(text)} bytes, wanted at most {MAX_TOKEN_BYTES}")
        if not text:
            n_empty += 1
            if n_empty > MAX_EMPTY_TOKENS:
                metadata.fail(key, f"has more than {MAX_EMPTY_TOKENS} empty texts")
        # As llama.cpp does: a placeholder that no text spells by accident.
        yield text or b"[EMPTY_%d]" % i


def _scores(metadata: Metadata, n_vocab: int) -> npt.NDArray[np.float32]:
    key = PREFIX + "scores"
    with np.errstate(over="ignore"):  # too large for a float32: infinite, and refused below
        scores: npt.NDArray[np.float32] = metadata.numbers(key, "f", "floats").astype(
            np.float32, copy=False
        )
    if len(scores) != n_vocab:
        metadata.fail(key, f"has {len(scores)} elements, wanted one per token: {n_vocab}")
    finite = np.isfinite(scores)
    if not finite.all():
        i = int(np.argmin(finite))
        metadata.fail(key, f"[{i}] is {scores[i]}, wanted a finite number")
    return scores


def _types(metadata: Metadata, tokens: Texts) -> npt.NDArray[np.uint8]:
    key = PREFIX + "token_type"
    types = metadata.numbers(key, "iu", "integers")
    if len(types) != len(tokens):
        metadata.fail(key, f"has {len(types)} elements, wanted one per token: {len(tokens)}")
    wrong = (types < 0) | (types > TOKEN_BYTE)
    if wrong.any():
        i = int(np.argmax(wrong))
        metadata.fail(key, f"[{i}] is {types[i]}, wanted 0 to {TOKEN_BYTE}")
    result: npt.NDArray[np.uint8] = types.astype(np.uint8)  # a copy, to be written
    for i, text in enumerate(tokens):
        if text in END_TEXTS:
            result[i] = TOKEN_CONTROL
    return result


def _check_cut_texts(metadata: Metadata, tokens: Texts, types: npt.NDArray[np.uint8]) -> None:
    """Special tokens are cut out of texts first: what is left must be whole characters."""
    special = np.isin(types, (TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER_DEFINED))
    for i in map(int, np.flatnonzero(special)):
        try:
            tokens[i].decode()
        except UnicodeDecodeError:
            metadata.fail(
                PREFIX + "tokens",
                f"[{i}] is {tokens[i]!r} and a special token, wanted whole UTF-8 characters",
                hint="the file is damaged, or was converted wrongly",
            )


def _check_byte_tokens(tokens: Texts, types: npt.NDArray[np.uint8]) -> None:
    """Any byte must be expressible, else a text exists that cannot be tokenised."""
    found: set[bytes] = set()
    for i in map(int, np.flatnonzero(types == TOKEN_BYTE)):
        match = _BYTE_TEXT.fullmatch(tokens[i])
        if not match:
            raise GgufError(
                f"{PREFIX}tokens[{i}] is {quoted(tokens[i])} and of type byte, "
                "wanted a text like <0x0A>"
            )
        found.add(match[1])
    if len(found) != N_BYTES:
        missing = next(b for b in range(N_BYTES) if b"%02X" % b not in found)
        raise GgufError(
            f"{PREFIX}tokens has {len(found)} byte tokens, wanted {N_BYTES}: "
            f"<0x{missing:02X}> is missing",
            hint="a SentencePiece model without byte fallback is not supported",
        )


def _special_id(metadata: Metadata, name: str, n_vocab: int, default: int | None) -> int | None:
    key = f"{PREFIX}{name}_token_id"
    if key not in metadata:
        return default if default is not None and default < n_vocab else None
    token = metadata.integer(key, -1, NO_TOKEN)
    if token in (-1, NO_TOKEN):
        return None
    if token >= n_vocab:
        metadata.fail(key, f"is {token}, the vocabulary has tokens 0 to {n_vocab - 1}")
    return token


def _check_other_ids(metadata: Metadata, n_vocab: int) -> None:
    for key in metadata:
        if key.startswith(PREFIX) and key.endswith("_token_id"):
            name = key.removeprefix(PREFIX).removesuffix("_token_id")
            _special_id(metadata, name, n_vocab, default=None)


def _eog_ids(
    metadata: Metadata, tokens: Texts, bos_id: int | None, eos_id: int | None
) -> tuple[int, ...]:
    """Tokens at which generation stops: the file's own ends, and END_TEXTS where they exist.

    A model without a chat template continues documents, and training sets that join documents
    often mark only the beginning of the next one (stories260K: BOS between stories). Such a model
    ends a text by beginning another, so BOS ends it too. A chat model keeps to its end tokens.
    """
    ends = {
        eos_id,
        _special_id(metadata, "eot", len(tokens), default=None),
        _special_id(metadata, "eom", len(tokens), default=None),
    }
    ends.update(i for i, text in enumerate(tokens) if text in END_TEXTS)
    if "tokenizer.chat_template" not in metadata:
        ends.add(bos_id)
    return tuple(sorted(i for i in ends if i is not None))
