// How the integer GEMMs walk: the activations of some tokens, one block of columns at a time, are
// packed the way a tier multiplies with them; a tile of weights is unpacked into a panel that stays
// in the L1 cache; then groups of tokens multiply with it from registers.
//
// The sums of a row are those of the mat-vec: exact integers inside a block, then the same float
// operations per row and token, blocks ascending. Between blocks they are kept in the result.
#pragma once

#include "lib/string.h"
#include "nn/simd_neon.h"
#include "nn/tiles.h"

// A frame is smaller than the guard below a stack, 8 KiB; this is what the arrays may take of it.
#define GEMM_FRAME_SIZE 7424

// The compiler takes the pointer for one that depends on v.
#define COMPUTE_BEFORE(v, pointer) __asm__("" : "+w"(v), "+r"(pointer))

// An empty statement that computes v: what comes before stays before.
#define KEEP_ORDER(v) __asm__("" : "+w"(v))

struct gemm {
    float *out; // [n_tokens][out_stride], rows 0 .. n_rows - 1 of each
    size_t out_stride;
    const uint8_t *w; // tiles of QUANT_TILE_ROWS
    const uint8_t *x; // the int8 form of a token every x_stride bytes
    size_t x_stride;
    int n_tokens, n_rows, n_cols;
};

// How much of a row a panel holds, and the bytes of that in a tile, in a token's activations, and
// in those of GEMM_TOKENS packed ones.
struct gemm_block {
    int n_cols;
    size_t w_bytes, x_bytes, packed_bytes;
};

// packed <- n_cols columns of GEMM_TOKENS tokens. panel <- n_cols columns of a tile.
// acc[t][row] += panel . token t.
typedef void gemm_pack(void *packed, const uint8_t *const token[GEMM_TOKENS], int n_cols);
typedef void gemm_unpack(void *panel, const void *tile, int n_cols);
typedef void gemm_multiply(float *const acc[GEMM_TOKENS], const void *panel, const void *packed,
                           int n_cols);

// All tokens of n_tokens, a last group that is not whole with its last token repeated.
ALWAYS_INLINE void gemm_pack_tokens(uint8_t *packed, const uint8_t *x, size_t x_stride,
                                    int n_tokens, int n_cols, size_t packed_bytes, gemm_pack *pack)
{
    for (int t = 0; t < n_tokens; t += GEMM_TOKENS, packed += packed_bytes) {
        const uint8_t *token[GEMM_TOKENS] = {x + (size_t)t * x_stride};
        UNROLL for (int i = 1; i < GEMM_TOKENS; i++)
        {
            token[i] = token[i - 1] + (t + i < n_tokens ? x_stride : 0);
        }
        pack(packed, token, n_cols);
    }
}

// The same where a group or a tile may not be whole: n_tokens, n_rows are what is left.
ALWAYS_INLINE void gemm_multiply_part(float *out, size_t out_stride, int n_tokens, int n_rows,
                                      const void *panel, const void *packed, int n_cols,
                                      gemm_multiply *multiply)
{
    const int n = n_tokens < GEMM_TOKENS ? n_tokens : GEMM_TOKENS;
    float spare[GEMM_TOKENS][QUANT_TILE_ROWS]; // for what the result has no place for
    float *acc[GEMM_TOKENS];
    UNROLL for (int t = 0; t < GEMM_TOKENS; t++)
    {
        acc[t] = t < n && n_rows >= QUANT_TILE_ROWS ? out + (size_t)t * out_stride : spare[t];
    }
    for (int t = 0; t < n && n_rows < QUANT_TILE_ROWS; t++) {
        memcpy(spare[t], out + (size_t)t * out_stride, (size_t)n_rows * sizeof *out);
    }
    multiply(acc, panel, packed, n_cols);
    for (int t = 0; t < n && n_rows < QUANT_TILE_ROWS; t++) {
        memcpy(out + (size_t)t * out_stride, spare[t], (size_t)n_rows * sizeof *out);
    }
}

ALWAYS_INLINE void gemm_multiply_tokens(float *out, size_t out_stride, int n_tokens, int n_rows,
                                        const void *panel, const uint8_t *packed,
                                        size_t packed_bytes, int n_cols, gemm_multiply *multiply)
{
    int left = n_tokens;
    for (; left >= GEMM_TOKENS && n_rows >= QUANT_TILE_ROWS; left -= GEMM_TOKENS) {
        float *const acc[GEMM_TOKENS] = {out, out + out_stride, out + 2 * out_stride,
                                         out + 3 * out_stride};
        multiply(acc, panel, packed, n_cols);
        out += GEMM_TOKENS * out_stride;
        packed += packed_bytes;
    }
    for (; left > 0; left -= GEMM_TOKENS) {
        gemm_multiply_part(out, out_stride, left, n_rows, panel, packed, n_cols, multiply);
        out += GEMM_TOKENS * out_stride;
        packed += packed_bytes;
    }
}

ALWAYS_INLINE void gemm_clear(float *out, size_t out_stride, int n_tokens, int n_rows)
{
    for (int t = 0; t < n_tokens; t++, out += out_stride) {
        int r = 0;
        for (; r + QUANT_TILE_ROWS <= n_rows; r += QUANT_TILE_ROWS) {
            vst1q_f32(out + r, vdupq_n_f32(0));
            vst1q_f32(out + r + 4, vdupq_n_f32(0));
        }
        for (; r < n_rows; r++) {
            out[r] = 0;
        }
    }
}

// g of as many tokens and rows as are packed, and as meet them, at once.
ALWAYS_INLINE void gemm_tiles(const struct gemm *g, size_t tile_bytes, struct gemm_block block,
                              void *panel, uint8_t *packed, gemm_pack *pack, gemm_unpack *unpack,
                              gemm_multiply *multiply)
{
    gemm_clear(g->out, g->out_stride, g->n_tokens, g->n_rows);
    const uint8_t *w = g->w, *x = g->x;
    for (int k = 0; k < g->n_cols; k += block.n_cols, w += block.w_bytes, x += block.x_bytes) {
        const int n_cols = g->n_cols - k < block.n_cols ? g->n_cols - k : block.n_cols;
        gemm_pack_tokens(packed, x, g->x_stride, g->n_tokens, n_cols, block.packed_bytes, pack);
        const uint8_t *tile = w;
        for (int row = 0; row < g->n_rows; row += QUANT_TILE_ROWS, tile += tile_bytes) {
            unpack(panel, tile, n_cols);
            gemm_multiply_tokens(g->out + row, g->out_stride, g->n_tokens, g->n_rows - row, panel,
                                 packed, block.packed_bytes, n_cols, multiply);
        }
    }
}

ALWAYS_INLINE void gemm_walk(const struct gemm *g, uint32_t type, struct gemm_block block,
                             void *panel, void *packed, int max_tokens, int max_tiles,
                             gemm_pack *pack, gemm_unpack *unpack, gemm_multiply *multiply)
{
    const size_t tile_bytes = tile_row_bytes(type, (size_t)g->n_cols);
    const int max_rows = max_tiles * QUANT_TILE_ROWS;
    for (int row = 0; row < g->n_rows; row += max_rows) {
        for (int t = 0; t < g->n_tokens; t += max_tokens) {
            struct gemm part = *g;
            part.out += (size_t)t * g->out_stride + row;
            part.w += (size_t)(row / QUANT_TILE_ROWS) * tile_bytes;
            part.x += (size_t)t * g->x_stride;
            part.n_tokens = g->n_tokens - t < max_tokens ? g->n_tokens - t : max_tokens;
            part.n_rows = g->n_rows - row < max_rows ? g->n_rows - row : max_rows;
            gemm_tiles(&part, tile_bytes, block, panel, packed, pack, unpack, multiply);
        }
    }
}

// A GEMM of kernels.h: n blocks of block_cols columns, w_block in a tile and x_block in a token's
// activations, fill a panel; the header of the tier says how many tokens it packs, and for how many
// tiles.
#define GEMM_FUNCTION(name, type, n, block_cols, w_block, x_block, panel_struct, unpack,           \
                      packed_struct, pack, multiply)                                               \
    void name(float *out, size_t out_stride, const void *w_tiles, const void *act,                 \
              size_t act_stride, int n_tokens, int n_rows, int n_cols)                             \
    {                                                                                              \
        const struct gemm g = {                                                                    \
            out, out_stride, w_tiles, act, act_stride, n_tokens, n_rows, n_cols};                  \
        const struct gemm_block block = {                                                          \
            .n_cols = (n) * (block_cols),                                                          \
            .w_bytes = (n) * sizeof(struct w_block),                                               \
            .x_bytes = (n) * sizeof(struct x_block),                                               \
            .packed_bytes = sizeof(struct packed_struct),                                          \
        };                                                                                         \
        struct panel_struct panel;                                                                 \
        struct packed_struct packed[PACKED_TOKENS / GEMM_TOKENS];                                  \
        static_assert(sizeof panel + sizeof packed <= GEMM_FRAME_SIZE, "within a stack's guard");  \
        gemm_walk(&g, type, block, &panel, packed, PACKED_TOKENS, PACKED_TILES, pack, unpack,      \
                  multiply);                                                                       \
    }
