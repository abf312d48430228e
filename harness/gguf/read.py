"""Open a GGUF file and check all of it, except the weights' values (see weights.py)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from stat import S_ISREG
from typing import Final

from harness.errors import GgufError, quoted
from harness.gguf.architecture import ARCHITECTURES, Architecture
from harness.gguf.container import Container, read_container
from harness.gguf.hyper_parameters import MAX_VOCAB_ROWS, MIN_EMBD, hyper_parameters
from harness.gguf.metadata import Metadata
from harness.gguf.model import Model, Vocabulary
from harness.gguf.placement import place_tensors
from harness.gguf.rope_scaling import check_rope_divisors
from harness.gguf.tensors import check_tensors
from harness.gguf.vocabulary import ARRAYS, vocabulary_of

MAX_TEMPLATE_BYTES: Final = 1 << 20  # known ones have up to 20 thousand
SHOWN_NAME_MAX: Final = 200  # characters

_PROJECTOR: Final = "a projector of images or sound"
# Beside the language model in many a download; in older files nothing else says so.
NO_LANGUAGE: Final = {"clip": _PROJECTOR, "controlvector": "a control vector"}
OF_EXPERTS: Final = re.compile("moe|^(gpt-oss|deepseek2|llama4|dbrx|grok|arctic)$")
_LANGUAGE_ITSELF: Final = "give the file with the language model itself"
_WHICH_FILE: Final = "give the path of a .gguf file with -m"


def read_gguf(path: Path) -> Model:
    """Parse and check header, metadata and tensor table; tensor data stays in the file."""
    with _naming(path):
        container = _open(path)
        metadata = container.metadata
        _refuse_other_files(container)
        arch = _architecture(metadata)
        tensors = place_tensors(container)
        n_rows = _vocab_rows(container)
        vocabulary = vocabulary_of(metadata, n_rows)
        hyper = hyper_parameters(metadata, arch, n_rows)
        check_tensors(tensors, hyper)
        template = "tokenizer.chat_template"
        model = Model(
            path=path,
            name=_printable(metadata.text("general.name", default="")) or path.stem,
            architecture=arch.name,
            hyper=hyper,
            vocabulary=vocabulary,
            tensors=tensors,
            chat_template=metadata.text(template, limit=MAX_TEMPLATE_BYTES)
            if template in metadata
            else None,
            metadata=metadata.plain(without=ARRAYS),
            size_bytes=container.size_bytes,
        )
        check_rope_divisors(model)
        return model


def read_vocabulary(path: Path) -> Vocabulary:
    """Only the vocabulary, which a file without weights and of any architecture may hold."""
    with _naming(path):
        return vocabulary_of(_open(path).metadata)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors begin with the name of the file."""
    try:
        yield
    except GgufError as exc:
        raise GgufError(f"{path.name}: {exc}", hint=exc.hint) from None


def _open(path: Path) -> Container:
    try:
        status = path.stat()
        if not S_ISREG(status.st_mode):  # a pipe would block, a device never end
            raise GgufError("is not a regular file", hint=_WHICH_FILE)
        with path.open("rb") as file:
            if status.st_size == 0:  # mmap refuses an empty file
                return read_container(b"")
            # Mapped only while header, metadata and tensor table are read: their size is unknown.
            with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
                return read_container(data)
    except OSError as exc:
        raise GgufError(f"cannot be read: {exc.strerror or exc}", hint=_WHICH_FILE) from exc


def _printable(name: str) -> str:
    """A name is shown: what a terminal would obey becomes `?`."""
    return "".join(c if c.isprintable() else "?" for c in name[:SHOWN_NAME_MAX])


def _refuse_other_files(container: Container) -> None:
    metadata = container.metadata
    split_key = "split.count"
    n_splits = metadata.integer(split_key, 0, 1 << 16, default=0)
    if n_splits > 1:
        metadata.fail(
            split_key,
            f"is {n_splits}: this is one part of a split model",
            hint="merge the parts with llama-gguf-split --merge first",
        )
    type_key = "general.type"
    kind = metadata.text(type_key, default="model")
    if kind != "model":
        named = {
            "adapter": "a LoRA adapter",
            "mmproj": _PROJECTOR,
            "vocab": "a vocabulary without weights",
        }
        metadata.fail(
            type_key,
            f"is {quoted(kind)}: this is {named.get(kind, 'no model')}, wanted a whole model",
            hint="merge an adapter into its base model with llama-export-lora first"
            if kind == "adapter"
            else _LANGUAGE_ITSELF,
        )
    if not container.infos:
        raise GgufError(
            "there are no tensors (tensor count 0): the file holds only a vocabulary",
            hint="give a GGUF with weights; such files serve only to test tokenizers",
        )


def _architecture(metadata: Metadata) -> Architecture:
    key = "general.architecture"
    name = metadata.text(key)
    if name not in ARCHITECTURES:
        if name in NO_LANGUAGE:
            what = f"is {quoted(name)}: this is {NO_LANGUAGE[name]}, wanted a whole model"
            metadata.fail(key, what, hint=_LANGUAGE_ITSELF)
        experts = ", a mixture of experts," if OF_EXPERTS.search(name) else ","
        metadata.fail(
            key,
            f"is {quoted(name)}{experts} which is not supported; "
            f"supported: {', '.join(ARCHITECTURES)}",
            hint="use a dense model of one of these families",
        )
    return ARCHITECTURES[name]


def _vocab_rows(container: Container) -> int:
    """Rows of the embedding matrix; never taken from a key, which may be absent or wrong."""
    name = "token_embd.weight"
    for info in container.infos:
        if info.name == name and len(info.shape) == 2:
            if info.shape[0] < MIN_EMBD:
                raise GgufError(
                    f"{name} has rows of {info.shape[0]} values, wanted at least {MIN_EMBD}"
                )
            if info.shape[1] > MAX_VOCAB_ROWS:
                raise GgufError(
                    f"{name} has {info.shape[1]} rows, at most {MAX_VOCAB_ROWS} are accepted"
                )
            return info.shape[1]
        if info.name == name:
            raise GgufError(f"{name} has {len(info.shape)} dimensions, wanted 2")
    raise GgufError(f"tensor {name} is missing")
