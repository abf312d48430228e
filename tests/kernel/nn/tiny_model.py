"""A tiny model for the forward pass: blob and headers written straight from their definitions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

MAX_CORES = 8  # PARALLEL_MAX_CORES

TYPE_IDS = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q2_K": 10,
    "Q3_K": 11, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14, "IQ4_NL": 20, "IQ4_XS": 23, "BF16": 30,
}  # fmt: skip
LAYER_TENSORS = (
    "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output",
    "ffn_norm", "ffn_gate", "ffn_up", "ffn_down",
)  # fmt: skip
# What other architectures have beyond llama's.
OPTIONAL_TENSORS = (
    "attn_q_bias", "attn_k_bias", "attn_v_bias", "attn_output_bias",
    "ffn_gate_bias", "ffn_up_bias", "ffn_down_bias", "attn_q_norm", "attn_k_norm",
    "post_attention_norm", "post_ffw_norm", "attn_output_norm", "attn_output_norm_bias",
    "layer_output_norm", "layer_output_norm_bias",
)  # fmt: skip
LLAMA = "\n".join(
    [
        "#define ROPE_HALVES 0",
        "#define FFN_GELU 0",
        "#define FFN_GATED 1",
        *(f"#define {name} 0" for name in ("LAYER_NORMS", "LEARNED_POSITIONS", "MAKES_VECTORS")),
        "#define ATTN_WINDOW 0",
        "#define LAYER_IS_LOCAL {0}",
        "#define BLOB_ROPE_LOCAL BLOB_ROPE",
        *(f"#define {name}_SOFTCAP 0.0f" for name in ("LOGIT", "ATTN")),
        *(f"#define {name}_SCALE 1.0f" for name in ("EMBEDDING", "RESIDUAL", "LOGIT")),
        *(f"#define HAS_{name.upper()} 0" for name in OPTIONAL_TENSORS),
    ]
)


@dataclass(frozen=True)
class Matrix:
    """Weights in tiles, and the exact values that they stand for."""

    type: str
    values: npt.NDArray[np.float64]  # (n_rows, n_cols)
    tiles: bytes


@dataclass(frozen=True)
class Shape:
    """The hyper-parameters that the generated headers hold."""

    n_embd: int = 64
    n_layer: int = 2
    n_head: int = 4
    n_head_kv: int = 2
    head_size: int = 16
    n_rot: int = 16
    n_ff: int = 96
    n_vocab: int = 40
    n_ctx: int = 100
    n_batch: int = 8
    up_rows: int = 0  # of a core's part of ACT_UP; 0: it holds all
    kv_type: str = "f16"
    rms_eps: float = 1e-5
    rope_base: float = 10000.0

    def tensor_shapes(self) -> dict[str, tuple[int, int]]:
        """(n_rows, n_cols) of each tensor of a layer."""
        n_q, n_kv = self.n_head * self.head_size, self.n_head_kv * self.head_size
        return {
            "attn_norm": (1, self.n_embd), "attn_q": (n_q, self.n_embd),
            "attn_k": (n_kv, self.n_embd), "attn_v": (n_kv, self.n_embd),
            "attn_output": (self.n_embd, n_q), "ffn_norm": (1, self.n_embd),
            "ffn_gate": (self.n_ff, self.n_embd), "ffn_up": (self.n_ff, self.n_embd),
            "ffn_down": (self.n_embd, self.n_ff),
        }  # fmt: skip


def rope_table(shape: Shape) -> Floats:
    """(n_ctx, n_rot / 2, 2): cos, sin."""
    i = np.arange(shape.n_rot // 2)
    angle = np.arange(shape.n_ctx)[:, None] * shape.rope_base ** (-2.0 * i / shape.n_rot)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float32)


def write_model(shape: Shape, tensors: dict[str, Matrix], out: Path) -> None:
    """`out`/model.blob and `out`/gen/*.h. Tensors: token_embd, output_norm, output, blk.N.NAME."""
    blob = bytearray(64)
    offsets: dict[str, int] = {}
    payloads = {name: matrix.tiles for name, matrix in tensors.items()}
    payloads["rope"] = rope_table(shape).tobytes()
    for name, payload in payloads.items():
        offsets[name] = len(blob)
        blob += payload + bytes(-len(payload) % 64)

    def tensor(name: str) -> str:
        matrix = tensors[name]
        n_rows, n_cols = matrix.values.shape
        return f"{{TYPE_{matrix.type}, {n_rows}, {n_cols}, {offsets[name]}ull}}"

    layers = ", ".join(
        "{" + ", ".join(tensor(f"blk.{i}.{name}") for name in LAYER_TENSORS) + "}"
        for i in range(shape.n_layer)
    )
    n_ctx_padded = -(-shape.n_ctx // 64) * 64
    row = {
        "f32": 4 * shape.head_size,
        "f16": 2 * shape.head_size,
        "q8_0": 2 * -(-shape.head_size // 32) + shape.head_size,
    }
    kv_bytes = shape.n_layer * shape.n_head_kv * n_ctx_padded * row[shape.kv_type]
    scale = float(np.float32(1 / np.sqrt(shape.head_size)))
    types = sum(1 << number for number in {TYPE_IDS[m.type] for m in tensors.values()})
    model = f"""#pragma once
#include "nn/model.h"
#define N_VOCAB {shape.n_vocab}
#define N_VOCAB_ROWS {shape.n_vocab}
#define N_EMBD {shape.n_embd}
#define N_LAYER {shape.n_layer}
#define N_HEAD {shape.n_head}
#define N_HEAD_KV {shape.n_head_kv}
#define HEAD_SIZE {shape.head_size}
#define N_ROT {shape.n_rot}
#define N_FF {shape.n_ff}
#define N_CTX {shape.n_ctx}
#define N_CTX_PADDED {n_ctx_padded}
#define N_BATCH {shape.n_batch}
#define PRODUCT_TYPES {types}u
#define MATRIX_TYPES {types}u
#define RMS_EPS {float(np.float32(shape.rms_eps)).hex()}f
#define ATTN_SCALE {scale.hex()}f
{LLAMA}
#define KV_TYPE KV_TYPE_{shape.kv_type.upper()}
#define KV_K_OFFSET 0
#define KV_V_OFFSET {kv_bytes}
#define BLOB_ROPE {offsets["rope"]}ull
#define TENSOR_TOKEN_EMBD {tensor("token_embd")}
#define TENSOR_OUTPUT_NORM {tensor("output_norm")}
#define TENSOR_OUTPUT {tensor("output")}
#define TENSOR_LAYERS {{{layers}}}
"""
    (out / "gen").mkdir(parents=True, exist_ok=True)
    (out / "gen" / "model.h").write_text(model)
    (out / "gen" / "layout.h").write_text(layout_header(shape, 2 * kv_bytes))
    (out / "model.blob").write_bytes(blob)


def layout_header(shape: Shape, kv_bytes: int) -> str:
    """The activations' buffers one after the other."""
    widest = -(-max(shape.n_embd, shape.n_ff, shape.n_head * shape.head_size) // 256) * 256
    q8_0_bytes = widest // 32 * 40 + 63 & ~63
    quant_row = q8_0_bytes + (widest // 256 * 304 + 63 & ~63)
    n_q, n_kv = shape.n_head * shape.head_size, shape.n_head_kv * shape.head_size
    floats = {
        "X": shape.n_embd, "H": shape.n_embd, "Q": n_q, "K": n_kv, "V": n_kv, "ATT": n_q,
        "GATE": shape.n_ff, "UP": max(shape.n_ff, MAX_CORES * shape.up_rows), "Y": shape.n_embd,
    }  # fmt: skip
    lines = ["#pragma once", '#include "lib/types.h"']
    end = 0
    n_rows = max(shape.n_batch, MAX_CORES)
    for name, n in floats.items():
        lines.append(f"#define ACT_{name} {end}")
        end += 4 * n * (n_rows if name == "H" else shape.n_batch) + 63 & ~63
    lines += [
        f"#define ACT_UP_ROWS {shape.up_rows}",
        f"#define ACT_QUANT {end}",
        f"#define ACT_QUANT_ROW_SIZE {quant_row}",
        f"#define ACT_QUANT_Q8_K {q8_0_bytes}",
        f"#define REGION_ACTIVATIONS_SIZE {end + quant_row * n_rows}ull",
        f"#define REGION_KV_CACHE_SIZE {kv_bytes}ull",
        "extern uint8_t __activations_start[];",
    ]
    return "\n".join(lines) + "\n"
