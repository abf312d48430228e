// What attention's NEON twins have in common: a chunk of keys from scores to weighted values. In
// the scores a lane is a key, in the output a lane is an element of v: no sum changes its order.
#pragma once

#include "nn/attention_softmax_neon.h"

// attention_f16_neon.S: scores of n_tiles >= 1 tiles of keys, and values of n_quads >= 1 times four
// keys, of eight rows as they lie in struct packed. head_size: a multiple of eight
// (rows_at_once()).
void attention_scores_f16_neon(float *p, const float *q, const void *tiles, unsigned n_tiles,
                               unsigned head_size);
void attention_values_f16_neon(float *o, const float *p, const void *v, size_t row_bytes,
                               unsigned n_quads, unsigned head_size);

ALWAYS_INLINE bool in_assembly(int n_rows, int type)
{
    return type == KV_TYPE_F16 && n_rows == 8;
}

// acc[r] += value * factor[r][lane]; a lane number must be a literal.
#define ADD_PRODUCTS(lane, value)                                                                  \
    {                                                                                              \
        const float32x4x2_t eight = value;                                                         \
        UNROLL for (int r = 0; r < n_rows; r++)                                                    \
        {                                                                                          \
            acc[r][0] = vfmaq_laneq_f32(acc[r][0], eight.val[0], factor[r], lane);                 \
            acc[r][1] = vfmaq_laneq_f32(acc[r][1], eight.val[1], factor[r], lane);                 \
        }                                                                                          \
    }

// [head_size / 8][row][8], as in struct packed.
ALWAYS_INLINE void clear_sums(float *o, int n_rows, int head_size)
{
    const float32x4_t zero = vdupq_n_f32(0);
    for (int i = 0; i < head_size; i += 8) {
        UNROLL for (int r = 0; r < 2 * n_rows; r++)
        {
            vst1q_f32(o + 4 * r, zero);
        }
        o += 8 * n_rows;
    }
}

ALWAYS_INLINE void pack_queries(float *packed, const struct row *rows, int n_rows, int head_size)
{
    for (int r = 0; r < n_rows; r++) {
        float *to = packed + 4 * r;
        int d = 0;
        for (; d + 4 <= head_size; d += 4, to += 4 * n_rows) {
            vst1q_f32(to, vld1q_f32(rows[r].q + d));
        }
        if (d < head_size) {
            vst1q_f32(to, load_tail(rows[r].q + d, head_size - d));
        }
    }
}

// p[tile][0..1][row][4] = q . k_i for the keys of n_tiles (1 or 2) tiles, wanted or not: eight
// each.
ALWAYS_INLINE void score_tiles(float *p, const float *q, const uint8_t *tiles, int head_size,
                               int n_rows, int n_tiles, int type)
{
    float32x4_t sums[2][MAX_ROWS][2], factor[MAX_ROWS];
    float32x4x2_t scale[2];
    const uint8_t *k[2], *scales[2];
    const size_t step = KV_TILE * kv_element_bytes(type);
    const int block = type == KV_TYPE_Q8_0 ? KV_BLOCK : ATTENTION_MAX_HEAD;
    UNROLL for (int t = 0; t < n_tiles; t++)
    {
        scales[t] = tiles + (size_t)t * kv_tile_bytes(type, head_size);
        k[t] = scales[t] + KV_TILE * kv_scales_bytes(type, head_size);
        scale[t].val[0] = scale[t].val[1] = vdupq_n_f32(0);
        UNROLL for (int r = 0; r < n_rows; r++)
        {
            sums[t][r][0] = sums[t][r][1] = vdupq_n_f32(0);
        }
    }
    for (int d = 0; d < head_size;) {
        const int end = d + block < head_size ? d + block : head_size;
        UNROLL for (int t = 0; t < n_tiles && type == KV_TYPE_Q8_0; t++)
        {
            scale[t] = load8_f16(scales[t]);
            scales[t] += KV_TILE * sizeof(uint16_t);
        }
        for (unsigned left = (unsigned)(end - d) / 4; left != 0; left--) {
            next_quads(factor, &q, n_rows);
            UNROLL for (int t = 0; t < n_tiles; t++)
            {
                float32x4_t(*acc)[2] = sums[t];
                float32x4x2_t keys[4];
                next_keys(keys, &k[t], scale[t], type);
                ADD_PRODUCTS(0, keys[0]);
                ADD_PRODUCTS(1, keys[1]);
                ADD_PRODUCTS(2, keys[2]);
                ADD_PRODUCTS(3, keys[3]);
            }
        }
        for (d += (end - d) / 4 * 4; d < end; d++) {
            UNROLL for (int t = 0; t < n_tiles; t++)
            {
                const float32x4x2_t eight = load_keys(k[t], scale[t], type);
                k[t] += step;
                UNROLL for (int r = 0; r < n_rows; r++)
                {
                    add_product(sums[t][r], eight, q[4 * r + d % 4]);
                }
            }
        }
    }
    UNROLL for (int i = 0; i < 2 * n_tiles; i++)
    {
        UNROLL for (int r = 0; r < n_rows; r++)
        {
            vst1q_f32(p + 4 * (i * n_rows + r), sums[i / 2][r][i % 2]);
        }
    }
}

// Scores of all rows for n keys of a chunk, and what is behind them in their tiles.
ALWAYS_INLINE void score_chunk(struct packed *packed, const uint8_t *tiles, int n, int head_size,
                               int n_rows, int type)
{
    const size_t tile_bytes = kv_tile_bytes(type, head_size);
    int i = 0;
    if (in_assembly(n_rows, type)) {
        attention_scores_f16_neon(packed->p, packed->q, tiles,
                                  (unsigned)(n + KV_TILE - 1) / KV_TILE, (unsigned)head_size);
        return;
    }
    // Of few rows two tiles keep the multipliers busy.
    for (; n_rows <= 2 && i + 2 * KV_TILE <= n; i += 2 * KV_TILE, tiles += 2 * tile_bytes) {
        score_tiles(packed->p + i * n_rows, packed->q, tiles, head_size, n_rows, 2, type);
    }
    for (; i < n; i += KV_TILE, tiles += tile_bytes) {
        score_tiles(packed->p + i * n_rows, packed->q, tiles, head_size, n_rows, 1, type);
    }
}

// acc[g][r] += value[g] * factor[r][lane] for the value that v points at or, where v does not walk
// from one to the next, `ahead` bytes further; a lane number must be a literal.
#define ADD_VALUE(lane, ahead)                                                                     \
    {                                                                                              \
        float32x4x2_t value[MAX_GROUPS];                                                           \
        load_value(value, v + (walks ? 0 : ahead), scale + (walks ? 0 : ahead), n_groups, type);   \
        if (walks) {                                                                               \
            v += at.row;                                                                           \
            FORGET_ORIGIN(v);                                                                      \
            scale += at.row;                                                                       \
        }                                                                                          \
        UNROLL for (int i_ = 0; i_ < n_groups * n_rows; i_++)                                      \
        {                                                                                          \
            const int g = i_ / n_rows, r = i_ % n_rows;                                            \
            acc[i_][0] = vfmaq_laneq_f32(acc[i_][0], value[g].val[0], factor[r], lane);            \
            acc[i_][1] = vfmaq_laneq_f32(acc[i_][1], value[g].val[1], factor[r], lane);            \
        }                                                                                          \
    }

// o[g][r][0..7] += sum_i p[r][i] * v_i[8 g + 0..7] for keys begin .. n[r]. p: [quad][row][4].
ALWAYS_INLINE void add_values(float *o, const float *p, int begin, const int *n,
                              const uint8_t *rows, struct value_place at, int n_rows, int n_groups,
                              int type)
{
    float32x4_t acc[MAX_ROWS][2], factor[MAX_ROWS];
    const int n_common = n[0], n_most = n[n_rows - 1];
    rows += (size_t)begin * at.row;
    p += begin * n_rows;
    const uint8_t *v = rows + at.elements, *scale = rows + at.scale;
    const bool walks = n_groups > 1; // loads of several registers take no offset
    UNROLL for (int i = 0; i < n_groups * n_rows; i++)
    {
        acc[i][0] = vld1q_f32(o + 8 * i);
        acc[i][1] = vld1q_f32(o + 8 * i + 4);
    }
    for (unsigned left = (unsigned)(n_common - begin) / 4; left != 0; left--) {
        next_quads(factor, &p, n_rows);
        ADD_VALUE(0, 0);
        ADD_VALUE(1, at.row);
        ADD_VALUE(2, at.two_rows);
        ADD_VALUE(3, at.three_rows);
        v += walks ? 0 : 4 * at.row;
        scale += walks ? 0 : 4 * at.row;
        FORGET_ORIGIN(v); // one pointer, and offsets from it
    }
    for (int i = n_common / 4 * 4, rest = 0; i < n_most; i++, rest++) { // not for all rows
        float32x4x2_t value[MAX_GROUPS];
        load_value(value, v, scale, n_groups, type);
        UNROLL for (int r = 0; r < n_rows; r++)
        {
            if (i < n[r]) {
                const float factor = p[rest / 4 * 4 * n_rows + 4 * r + rest % 4];
                UNROLL for (int g = 0; g < n_groups; g++)
                {
                    add_product(acc[g * n_rows + r], value[g], factor);
                }
            }
        }
        v += at.row;
        scale += at.row;
    }
    UNROLL for (int i = 0; i < n_groups * n_rows; i++)
    {
        vst1q_f32(o + 8 * i, acc[i][0]);
        vst1q_f32(o + 8 * i + 4, acc[i][1]);
    }
}

// The same for one row and one element of v, where the head's size is no multiple of eight.
ALWAYS_INLINE void add_element(float *o, const float *p, int n, int stride, const uint8_t *row,
                               struct value_place at, int type)
{
    float acc = *o;
    for (int i = 0; i < n; i++, row += at.row) {
        const float v = load_element(row + at.elements, row + at.scale, type);
        acc = fma_f32(p[i / 4 * stride + i % 4], v, acc);
    }
    *o = acc;
}

ALWAYS_INLINE void weigh_values(struct packed *packed, const int *n, const uint8_t *v,
                                int head_size, int n_rows, int type)
{
    const size_t row = kv_row_bytes(type, head_size);
    struct value_place at = {.row = row, .two_rows = 2 * row, .three_rows = 3 * row};
    FORGET_ORIGIN(at.two_rows); // offsets of a load each, not sums to be made in the loop
    FORGET_ORIGIN(at.three_rows);
    const int n_groups = n_rows == 1 ? MAX_GROUPS : n_rows <= 4 ? 2 : 1; // registers for the sums
    float *o = packed->o;
    int d = 0, begin = 0;
    if (in_assembly(n_rows, type)) {
        begin = n[0] / 4 * 4;
        if (begin > 0) {
            attention_values_f16_neon(o, packed->p, v, row, (unsigned)begin / 4,
                                      (unsigned)head_size);
        }
        if (begin == n[n_rows - 1]) {
            return;
        }
    }
    for (; d + 8 * n_groups <= head_size; d += 8 * n_groups, o += 8 * n_groups * n_rows) {
        find_elements(&at, d, head_size, type);
        add_values(o, packed->p, begin, n, v, at, n_rows, n_groups, type);
    }
    for (; n_groups > 1 && d + 8 <= head_size; d += 8, o += 8 * n_rows) {
        find_elements(&at, d, head_size, type);
        add_values(o, packed->p, begin, n, v, at, n_rows, 1, type);
    }
    for (; d < head_size; d++) {
        find_elements(&at, d, head_size, type);
        for (int r = 0; r < n_rows; r++) {
            add_element(o + 8 * r + d % 8, packed->p + 4 * r, n[r], 4 * n_rows, v, at, type);
        }
    }
}

ALWAYS_INLINE void write_out(const struct row *row, const float *o, int stride, int head_size)
{
    const float inverse = 1.0f / sum_lanes(row->sum);
    int d = 0;
    for (; d + 8 <= head_size; d += 8, o += stride) {
        vst1q_f32(row->out + d, vmulq_n_f32(vld1q_f32(o), inverse));
        vst1q_f32(row->out + d + 4, vmulq_n_f32(vld1q_f32(o + 4), inverse));
    }
    for (; d < head_size; d++, o++) {
        row->out[d] = *o * inverse;
    }
}

// Keys that each row has of a chunk (or the rest of one) from `start` to `end`.
ALWAYS_INLINE void count_keys(int *n, const struct row *rows, int n_rows, int start, int end)
{
    for (int r = 0; r < n_rows; r++) {
        const int left = rows[r].n_keys - start;
        n[r] = left < 0 ? 0 : left < end - start ? left : end - start;
    }
}
