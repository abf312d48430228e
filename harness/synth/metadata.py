"""The keys of a GGUF that this project writes, whoever made the weights."""

from dataclasses import dataclass

import gguf

from harness.gguf import HyperParameters
from harness.gguf.model import RopeScaling
from harness.synth.mixture import QUANTS

UNK, BOS, EOS = 0, 1, 2  # as SentencePiece numbers them


@dataclass(frozen=True)
class TokenTable:
    """The arrays of a SentencePiece vocabulary's keys, one entry per token."""

    texts: list[str]
    scores: list[float]
    types: list[int]


@dataclass(frozen=True)
class MergeTable:
    """The keys of a byte-level BPE vocabulary; merges in order of rank, `left right`."""

    pre: str
    texts: list[str]
    types: list[int]
    merges: list[str]
    bos_id: int
    eos_id: int
    eot_id: int


@dataclass(frozen=True)
class WordTable:
    """The arrays of a WordPiece vocabulary's keys, with BERT's special tokens at their ids."""

    texts: list[str]
    types: list[int]


def add_model(writer: gguf.GGUFWriter, name: str, hyper: HyperParameters, quant: str) -> None:
    """Name, sizes and constants."""
    writer.add_name(name)
    writer.add_file_type(QUANTS[quant][1])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(hyper.n_vocab_rows)
    writer.add_context_length(hyper.n_ctx_train)
    writer.add_embedding_length(hyper.n_embd)
    writer.add_block_count(hyper.n_layer)
    writer.add_feed_forward_length(hyper.n_ff)
    writer.add_head_count(hyper.n_head)
    writer.add_head_count_kv(hyper.n_head_kv)
    if hyper.arch.layer_norms:
        writer.add_layer_norm_eps(hyper.rms_eps)
    else:
        writer.add_layer_norm_rms_eps(hyper.rms_eps)
    if hyper.n_rot:
        writer.add_rope_dimension_count(hyper.n_rot)
        writer.add_rope_freq_base(hyper.rope_freq_base)
    _add_pooling(writer, hyper)
    if hyper.head_size * hyper.n_head != hyper.n_embd:
        writer.add_key_length(hyper.head_size)
        writer.add_value_length(hyper.head_size)
    _add_rope_scaling(writer, hyper.rope_scaling)
    _add_window(writer, hyper)
    if hyper.arch.scales:
        writer.add_attention_scale(hyper.attn_scale)
        writer.add_embedding_scale(hyper.embedding_scale)
        writer.add_residual_scale(hyper.residual_scale)
        writer.add_logit_scale(1.0 / hyper.logit_scale)


def _add_pooling(writer: gguf.GGUFWriter, hyper: HyperParameters) -> None:
    if hyper.arch.bidirectional:
        writer.add_causal_attention(False)
    if hyper.pooling is not None:
        writer.add_pooling_type(gguf.PoolingType[hyper.pooling.upper()])
    if hyper.n_token_types:
        writer.add_token_type_count(hyper.n_token_types)
    if hyper.n_dense:
        writer.add_dense_features_dims("dense_2", hyper.n_embd, hyper.n_dense)
        writer.add_dense_features_dims("dense_3", hyper.n_dense, hyper.n_embd)


def _add_window(writer: gguf.GGUFWriter, hyper: HyperParameters) -> None:
    if hyper.arch.attn_softcap is not None:
        writer.add_attn_logit_softcapping(hyper.attn_softcap)
    if hyper.logit_softcap:
        writer.add_final_logit_softcapping(hyper.logit_softcap)
    if hyper.window:
        writer.add_sliding_window(hyper.window)
    if hyper.rope_freq_base_local is not None:
        writer.add_sliding_window_pattern(list(hyper.local_layers))
        writer.add_rope_freq_base_swa(hyper.rope_freq_base_local)


def _add_rope_scaling(writer: gguf.GGUFWriter, scaling: RopeScaling) -> None:
    if scaling == RopeScaling():
        return
    writer.add_rope_scaling_type(gguf.RopeScalingType(scaling.kind))
    writer.add_rope_scaling_factor(scaling.factor)
    writer.add_rope_scaling_attn_factors(scaling.attn_factor)
    if scaling.n_ctx_original:
        writer.add_rope_scaling_orig_ctx_len(scaling.n_ctx_original)


def add_vocabulary(
    writer: gguf.GGUFWriter, tokens: TokenTable | MergeTable | WordTable, *, wraps: bool = False
) -> None:
    """A vocabulary that begins prompts with BOS; wraps: and ends them with EOS, as Gemma's does."""
    if isinstance(tokens, WordTable):
        writer.add_tokenizer_model("bert")
        writer.add_token_list(tokens.texts)
        writer.add_token_types(tokens.types)
        return
    if isinstance(tokens, MergeTable):
        _add_merges(writer, tokens, wraps=wraps)
        return
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens.texts)
    writer.add_token_scores(tokens.scores)
    writer.add_token_types(tokens.types)
    writer.add_unk_token_id(UNK)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(wraps)
    if wraps:
        writer.add_add_space_prefix(False)


def _add_merges(writer: gguf.GGUFWriter, tokens: MergeTable, *, wraps: bool) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(tokens.pre)
    writer.add_token_list(tokens.texts)
    writer.add_token_types(tokens.types)
    writer.add_token_merges(tokens.merges)
    writer.add_bos_token_id(tokens.bos_id)
    writer.add_eos_token_id(tokens.eos_id)
    writer.add_eot_token_id(tokens.eot_id)
    writer.add_add_bos_token(not wraps)  # Qwen3-Embedding's texts only end with a token
    writer.add_add_eos_token(wraps)
