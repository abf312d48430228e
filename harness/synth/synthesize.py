"""A random-weight GGUF of a real model's shape: for tests, for sizing a board, for benches."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from math import sqrt
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np

from harness.errors import SynthError
from harness.gguf import GGMLType, HyperParameters
from harness.gguf.architecture import ARCHITECTURES
from harness.gguf.tensors import DENSE, expected_shapes, optional_shapes
from harness.synth.blocks import Bytes, RandomBytes, random_blocks, random_vector
from harness.synth.metadata import MergeTable, TokenTable, WordTable, add_model, add_vocabulary
from harness.synth.mixture import QUANTS, tensor_type
from harness.synth.presets import LLAMA3_TEMPLATE, PRESETS, TRAITS, Preset
from harness.synth.spread import weight_std
from harness.synth.vocabulary import make_merges, make_vocabulary
from harness.synth.wordpiece import make_words

CHUNK_VALUES: Final = 1 << 21  # made and written at a time; part of what a seed means

Shape = tuple[int, ...]


def synthesize(
    like: str,
    *,
    arch: str | None = None,
    quant: str = "Q4_K_M",
    path: Path,
    seed: int = 0,
    n_vocab: int | None = None,
    n_ctx: int | None = None,
    pre: str | None = None,
    changes: Mapping[str, Any] | None = None,
    optional: Callable[[str], bool] = lambda name: False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a model of the shape `like`; the same arguments give the same bytes.

    arch None: the one that models of this shape have. pre None: a SentencePiece vocabulary, of
    bert a WordPiece one; else a byte-level BPE one with the regexes of that name, and Llama 3's
    chat template.
    `changes`: hyper-parameters other than the architecture's usual ones. `optional`: which of the
    tensors that a file of this architecture may hold are in it, by name.

    `progress` is told (bytes written, bytes in all). The file appears under its name only when it
    is complete.
    """
    preset, arch = _preset(like, arch, quant, seed)
    traits = preset.traits if arch == preset.arch else {}
    hyper = _hyper_parameters(
        preset,
        preset.n_vocab if n_vocab is None else n_vocab,
        preset.n_ctx if n_ctx is None else n_ctx,
        {**TRAITS[arch], **traits, "arch": ARCHITECTURES[arch], **(changes or {})},
    )
    n_tokens = hyper.n_vocab_rows
    tokens = _tokens(arch, n_tokens, pre)
    tied = preset.tied or hyper.makes_vectors
    tensors = _tensors(hyper, tied, quant, optional)
    unfinished = path.with_name(path.name + ".part")
    writer = gguf.GGUFWriter(unfinished, arch)
    try:
        add_model(writer, f"synthetic {like} {quant} seed {seed}", hyper, quant)
        add_vocabulary(writer, tokens, wraps=hyper.makes_vectors)
        template = preset.chat_template if pre is None else LLAMA3_TEMPLATE
        if template is not None:
            writer.add_chat_template(template)
        for name, (shape, kind) in tensors.items():
            writer.add_tensor_info(
                name,
                shape[::-1],
                np.dtype(np.float32),
                _size(shape, kind),
                raw_dtype=gguf.GGMLQuantizationType(kind),
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        _write_tensors(writer, hyper, tensors, tied, seed, progress)
        writer.close()
        unfinished.replace(path)
    except OSError as exc:
        raise SynthError(
            f"cannot write {path}: {exc.strerror or exc}", hint="choose another path with -o"
        ) from exc
    finally:
        writer.close()
        unfinished.unlink(missing_ok=True)
    return path


def _tokens(arch: str, n_tokens: int, pre: str | None) -> TokenTable | MergeTable | WordTable:
    if pre is not None:
        return make_merges(n_tokens, pre)
    return make_words(n_tokens) if arch == "bert" else make_vocabulary(n_tokens)


def _preset(like: str, arch: str | None, quant: str, seed: int) -> tuple[Preset, str]:
    for what, value, known in (
        ("--like", like, PRESETS),
        ("--arch", PRESETS[like].arch if arch is None and like in PRESETS else arch, ARCHITECTURES),
        ("--quant", quant, QUANTS),
    ):
        if value not in known:
            raise SynthError(f"{what} is {value!r}", hint=f"choose one of: {', '.join(known)}")
    if seed < 0:
        raise SynthError(f"--seed is {seed}, wanted 0 or more")
    return PRESETS[like], arch or PRESETS[like].arch


def _hyper_parameters(
    preset: Preset, n_vocab: int, n_ctx: int, changes: Mapping[str, Any]
) -> HyperParameters:
    if n_ctx < 1:
        raise SynthError(f"a context of {n_ctx} tokens holds nothing, wanted 1 or more")
    head_size = changes.get("head_size", preset.n_embd // preset.n_head)
    hyper = HyperParameters(
        n_embd=preset.n_embd,
        n_head=preset.n_head,
        n_head_kv=preset.n_head_kv,
        n_layer=preset.n_layer,
        n_ff=preset.n_ff,
        n_ctx_train=n_ctx,
        n_vocab_rows=n_vocab,
        head_size=head_size,
        n_rot=head_size,
        rms_eps=preset.rms_eps,
        rope_freq_base=preset.rope_freq_base,
        attn_scale=1.0 / sqrt(head_size),
    )
    hyper = dataclasses.replace(hyper, **changes)
    if hyper.arch.dense and "n_dense" not in changes:
        hyper = dataclasses.replace(hyper, n_dense=4 * hyper.n_embd)  # as EmbeddingGemma's
    if hyper.arch.sqrt_embedding:
        hyper = dataclasses.replace(hyper, embedding_scale=sqrt(hyper.n_embd))
    if hyper.window and not hyper.local_layers:
        every = hyper.arch.local_every
        flags = tuple(layer % every < every - 1 for layer in range(hyper.n_layer))
        hyper = dataclasses.replace(hyper, local_layers=flags)
    return hyper


def _tensors(
    hyper: HyperParameters, tied: bool, quant: str, optional: Callable[[str], bool]
) -> dict[str, tuple[Shape, GGMLType]]:
    shapes = expected_shapes(hyper)
    others = optional_shapes(hyper).items()
    shapes |= {name: shape for name, shape in others if name in DENSE or optional(name)}
    if not tied:
        shapes["output.weight"] = shapes["token_embd.weight"]
    return {
        name: (
            shape,
            GGMLType.F32
            if len(shape) == 1
            else tensor_type(
                name,
                shape[0],
                quant,
                n_layer=hyper.n_layer,
                tied=tied,
                n_gqa=hyper.n_head // hyper.n_head_kv,
            ),
        )
        for name, shape in shapes.items()
    }


def _write_tensors(
    writer: gguf.GGUFWriter,
    hyper: HyperParameters,
    tensors: dict[str, tuple[Shape, GGMLType]],
    tied: bool,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    # GGUFWriter.write_tensor_data wants a tensor in one piece; an F32 embedding of a large
    # vocabulary is a quarter of a gigabyte, so pieces go to its file directly.
    assert writer.fout is not None
    (file,) = writer.fout
    total = sum(_size(shape, kind) for shape, kind in tensors.values())
    done = 0
    writer.write_padding(file, file.tell())
    for name, (shape, kind) in tensors.items():
        for chunk in _chunks(name, shape, kind, weight_std(name, hyper, tied), seed):
            file.write(chunk.data)
            done += chunk.nbytes
            if progress:
                progress(done, total)
        writer.write_padding(file, _size(shape, kind))


def _chunks(name: str, shape: Shape, kind: GGMLType, std: float, seed: int) -> Iterator[Bytes]:
    source = RandomBytes(seed, name)
    if len(shape) == 1:
        yield random_vector(shape[0], *_vector_range(name), source)
        return
    n_cols, n_rows = shape
    rows_at_once = max(1, CHUNK_VALUES // n_cols)
    for first in range(0, n_rows, rows_at_once):
        n = min(rows_at_once, n_rows - first)
        yield random_blocks(kind, n * n_cols, std, source)


def _vector_range(name: str) -> tuple[float, float]:
    if name.endswith(".bias"):
        return -0.5, 0.5  # of what is about 1
    if ".post_" in name:
        return 15.0, 25.0  # drowns the embedding's echo, see spread.py
    return (1.0, 8.0) if name.startswith("rope_") else (0.7, 1.3)


def _size(shape: Shape, kind: GGMLType) -> int:
    n_rows = shape[1] if len(shape) > 1 else 1
    return n_rows * kind.row_bytes(shape[0])
