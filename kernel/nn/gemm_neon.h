// How the integer GEMMs walk: a tile of weights is unpacked, one block of columns at a time, into a
// panel that stays in the L1 cache; then groups of tokens multiply with it from registers.
//
// The sums of a row are those of the mat-vec: exact integers inside a block, then the same float
// operations per row and token, blocks ascending.
#pragma once

#include "nn/simd_neon.h"
#include "nn/tiles.h"

// Tokens that share a load of weights. 8 rows x 4 tokens are what 32 vector registers hold.
#define GEMM_TOKENS 4

// The compiler takes the pointer for one that depends on v.
#define COMPUTE_BEFORE(v, pointer) __asm__("" : "+w"(v), "+r"(pointer))

// An empty statement that computes v: what comes before stays before.
#define KEEP_ORDER(v) __asm__("" : "+w"(v))

// Tokens per unpacking of a panel: of more the sums would be too large a part of the L1 cache.
#define GEMM_MAX_TOKENS 64

struct gemm {
    float *out; // [n_tokens][out_stride], rows 0 .. n_rows - 1 of each
    size_t out_stride;
    const uint8_t *w; // tiles of QUANT_TILE_ROWS
    const uint8_t *x; // the int8 form of a token every x_stride bytes
    size_t x_stride;
    int n_tokens, n_rows, n_cols;
};

// How much of a row a panel holds, and the bytes of that in a tile and in a token's activations.
struct gemm_block {
    int n_cols;
    size_t w_bytes, x_bytes;
};
#define GEMM_BLOCKS(n, n_cols, w, x)                                                               \
    ((struct gemm_block){(n) * (n_cols), (n) * sizeof(struct w), (n) * sizeof(struct x)})

// panel <- n_cols columns of a tile; acc[token][row] += panel . x[token] for GEMM_TOKENS tokens.
typedef void gemm_unpack(void *panel, const void *tile, int n_cols);
typedef void gemm_multiply(float (*acc)[QUANT_TILE_ROWS], const void *panel,
                           const uint8_t *const *x, int n_cols);

ALWAYS_INLINE void gemm_store(float *out, size_t stride, float (*acc)[QUANT_TILE_ROWS],
                              int n_tokens, int n_rows)
{
    for (int t = 0; t < n_tokens; t++, out += stride) {
        if (n_rows >= QUANT_TILE_ROWS) {
            vst1q_f32(out, vld1q_f32(acc[t]));
            vst1q_f32(out + 4, vld1q_f32(acc[t] + 4));
            continue;
        }
        for (int r = 0; r < n_rows; r++) {
            out[r] = acc[t][r];
        }
    }
}

// One tile for up to GEMM_MAX_TOKENS tokens. A last group that is not whole repeats its last token.
ALWAYS_INLINE void gemm_tile(float (*acc)[QUANT_TILE_ROWS], const struct gemm *g, const uint8_t *w,
                             const uint8_t *x, int n_tokens, struct gemm_block block, void *panel,
                             gemm_unpack *unpack, gemm_multiply *multiply)
{
    for (int t = 0; t < GEMM_MAX_TOKENS && t < n_tokens + GEMM_TOKENS - 1; t++) {
        vst1q_f32(acc[t], vdupq_n_f32(0));
        vst1q_f32(acc[t] + 4, vdupq_n_f32(0));
    }
    for (int k = 0; k < g->n_cols; k += block.n_cols, w += block.w_bytes, x += block.x_bytes) {
        const int n_cols = g->n_cols - k < block.n_cols ? g->n_cols - k : block.n_cols;
        unpack(panel, w, n_cols);
        for (int t = 0; t < n_tokens; t += GEMM_TOKENS) {
            const uint8_t *token[GEMM_TOKENS] = {x + (size_t)t * g->x_stride};
            UNROLL for (int i = 1; i < GEMM_TOKENS; i++)
            {
                token[i] = token[i - 1] + (t + i < n_tokens ? g->x_stride : 0);
            }
            multiply(acc + t, panel, token, n_cols);
        }
    }
}

ALWAYS_INLINE void gemm_walk(const struct gemm *g, uint32_t type, struct gemm_block block,
                             void *panel, gemm_unpack *unpack, gemm_multiply *multiply)
{
    const size_t tile_bytes = tile_row_bytes(type, (size_t)g->n_cols);
    const uint8_t *w = g->w;
    for (int row = 0; row < g->n_rows; row += QUANT_TILE_ROWS, w += tile_bytes) {
        for (int first = 0; first < g->n_tokens; first += GEMM_MAX_TOKENS) {
            float acc[GEMM_MAX_TOKENS][QUANT_TILE_ROWS];
            const int left = g->n_tokens - first;
            const int n = left < GEMM_MAX_TOKENS ? left : GEMM_MAX_TOKENS;
            gemm_tile(acc, g, w, g->x + (size_t)first * g->x_stride, n, block, panel, unpack,
                      multiply);
            gemm_store(g->out + (size_t)first * g->out_stride + row, g->out_stride, acc, n,
                       g->n_rows - row);
        }
    }
}
