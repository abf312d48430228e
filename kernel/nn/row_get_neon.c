// NEON twin of row_get.c: sixteen columns at a time, what is asked for of them.
#include "lib/f16.h"
#include "lib/string.h"
#include "nn/row_get.h"
#include "nn/simd_neon.h"
#include "nn/tile_values.h"

#define N_COLUMNS 16 // of one row: four column groups

ALWAYS_INLINE float from_f16(uint16_t half)
{
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0);
}

// Tiles are aligned for it.
ALWAYS_INLINE uint32_t load_word(const uint8_t *p)
{
    return *(const uint32_t *)(const void *)p;
}

ALWAYS_INLINE uint8x16_t four_words(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    uint32x4_t v = vdupq_n_u32(a);
    v = vsetq_lane_u32(b, v, 1);
    v = vsetq_lane_u32(c, v, 2);
    return vreinterpretq_u8_u32(vsetq_lane_u32(d, v, 3));
}

// Four columns each of four column groups, `stride` bytes apart.
ALWAYS_INLINE uint8x16_t load_groups(const uint8_t *p, size_t stride)
{
    return four_words(load_word(p), load_word(p + stride), load_word(p + 2 * stride),
                      load_word(p + 3 * stride));
}

// Rows 4..7 are in the upper nibbles, xor 8.
ALWAYS_INLINE uint8x16_t nibbles_of(uint8x16_t q, int r)
{
    const uint8x16_t high = vshrq_n_u8(veorq_u8(q, vdupq_n_u8(0x80)), 4);
    return r < 4 ? vandq_u8(q, vdupq_n_u8(15)) : high;
}

// out = scale * q, less min where the type has one; each operation rounds.
ALWAYS_INLINE void put_columns(float *out, int8x16_t q, float scale, float min, bool has_min)
{
    const int16x8_t half[2] = {vmovl_s8(vget_low_s8(q)), vmovl_high_s8(q)};
    UNROLL for (int k = 0; k < 4; k++)
    {
        const int32x4_t wide =
            k % 2 ? vmovl_high_s16(half[k / 2]) : vmovl_s16(vget_low_s16(half[k / 2]));
        const float32x4_t product = vmulq_n_f32(vcvtq_f32_s32(wide), scale);
        vst1q_f32(out + 4 * k, has_min ? vsubq_f32(product, vdupq_n_f32(min)) : product);
    }
}

ALWAYS_INLINE void columns_q8_0(float *out, const struct tile_q8_0 *row, int i, int r)
{
    const struct tile_q8_0 *tile = row + i / QK8_0;
    const uint8x16_t q =
        load_groups((const uint8_t *)tile->qs[i % QK8_0 / 4][r], sizeof tile->qs[0]);
    put_columns(out, vreinterpretq_s8_u8(q), from_f16(tile->d[r]), 0, false);
}

ALWAYS_INLINE void columns_q4_0(float *out, const struct tile_q4_0 *row, int i, int r)
{
    const struct tile_q4_0 *tile = row + i / QK8_0;
    const uint8x16_t q = load_groups(tile->qs[i % QK8_0 / 4][r % 4], sizeof tile->qs[0]);
    const int8x16_t value = vsubq_s8(vreinterpretq_s8_u8(nibbles_of(q, r)), vdupq_n_s8(8));
    put_columns(out, value, from_f16(tile->d[r]), 0, false);
}

ALWAYS_INLINE void columns_q4_k(float *out, const struct tile_q4_k *row, int i, int r)
{
    const struct tile_q4_k *tile = row + i / QK_K;
    const int j = i % QK_K / 32;
    const uint8_t *p = tile->qs[j][i % 32 / 4][r % 4];
    const int8x16_t q = vreinterpretq_s8_u8(nibbles_of(load_groups(p, sizeof tile->qs[0][0]), r));
    put_columns(out, q, from_f16(tile->d[r]) * (float)tile_s6_scale(tile->s6, j, r),
                from_f16(tile->dmin[r]) * (float)tile_s6_min(tile->s6, j, r), true);
}

ALWAYS_INLINE void columns_q6_k(float *out, const struct tile_q6_k *row, int i, int r)
{
    const struct tile_q6_k *tile = row + i / QK_K;
    const int j = i % QK_K / 16;
    uint32_t v[3];
    UNROLL for (int k = 0; k < 3; k++)
    {
        v[k] = load_word(tile->qs[j][r / 4][k][r % 4]);
    }
    const uint32_t top =
        (v[0] >> 6 & 0x03030303) | (v[1] >> 4 & 0x0c0c0c0c) | (v[2] >> 2 & 0x30303030);
    const uint8x16_t q = vandq_u8(four_words(v[0], v[1], v[2], top), vdupq_n_u8(63));
    put_columns(out, vsubq_s8(vreinterpretq_s8_u8(q), vdupq_n_s8(32)),
                from_f16(tile->d[r]) * (float)tile->sc[j][r], 0, false);
}

// Four columns of a row of five bits, less 16, as two's complement.
ALWAYS_INLINE uint32_t five_bit_word(const uint8_t qh[2][4][4], const uint8_t qs[8][4][4], int g,
                                     int r)
{
    const uint32_t nibbles = load_word(qs[g][r % 4]) >> (r < 4 ? 0 : 4) & 0x0f0f0f0f;
    const uint32_t lacks = load_word(qh[r / 4][r % 4]) >> g & 0x01010101;
    return nibbles | lacks * 0xf0;
}

// Sixteen columns of a sub-block of 32, from column group g on.
ALWAYS_INLINE int8x16_t five_bit_columns(const uint8_t qh[2][4][4], const uint8_t qs[8][4][4],
                                         int g, int r)
{
    return vreinterpretq_s8_u8(
        four_words(five_bit_word(qh, qs, g, r), five_bit_word(qh, qs, g + 1, r),
                   five_bit_word(qh, qs, g + 2, r), five_bit_word(qh, qs, g + 3, r)));
}

ALWAYS_INLINE int8x16_t iq4_columns(const uint8_t qs[8][4][4], int g, int r)
{
    const uint8x16_t q = load_groups(qs[g][r % 4], sizeof qs[0]);
    const uint8x16_t nibbles = r < 4 ? vandq_u8(q, vdupq_n_u8(15)) : vshrq_n_u8(q, 4);
    return vqtbl1q_s8(vld1q_s8(iq4_values), nibbles);
}

ALWAYS_INLINE int8x16_t two_bit_columns(const uint8_t qs[2][4][4], int r)
{
    const uint32_t v = load_word(qs[r / 4][r % 4]);
    return vreinterpretq_s8_u8(vandq_u8(four_words(v, v >> 2, v >> 4, v >> 6), vdupq_n_u8(3)));
}

ALWAYS_INLINE int8x16_t three_bit_columns(const uint8_t qs[3][4][4], int r)
{
    const uint32_t v0 = load_word(qs[0][r % 4]), v1 = load_word(qs[1][r % 4]);
    const uint32_t v2 = load_word(qs[2][r % 4]);
    const uint32_t top = (v0 >> 6 & 0x03030303) | (v1 >> 4 & 0x0c0c0c0c) | (v2 >> 2 & 0x30303030);
    const int shift = r < 4 ? 0 : 3;
    const uint8x16_t q =
        vandq_u8(four_words(v0 >> shift, v1 >> shift, v2 >> shift, top >> shift), vdupq_n_u8(7));
    return vsubq_s8(vreinterpretq_s8_u8(q), vdupq_n_s8(4));
}

// Sixteen columns of a block, from column i on.
ALWAYS_INLINE int8x16_t quants(uint32_t type, const void *block, int i, int r)
{
    const int g = i % 32 / 4, j = i / 32;
    switch (type) {
    case TYPE_Q4_1: {
        const struct tile_q4_1 *tile = block;
        const uint8x16_t q = load_groups(tile->qs[g][r % 4], sizeof tile->qs[0]);
        return vreinterpretq_s8_u8(nibbles_of(q, r));
    }
    case TYPE_Q5_0: {
        const struct tile_q5_0 *tile = block;
        return five_bit_columns(tile->qh, tile->qs, g, r);
    }
    case TYPE_Q5_1: {
        const struct tile_q5_1 *tile = block;
        return vaddq_s8(five_bit_columns(tile->qh, tile->qs, g, r), vdupq_n_s8(16));
    }
    case TYPE_IQ4_NL:
        return iq4_columns(((const struct tile_iq4_nl *)block)->qs, g, r);
    case TYPE_Q2_K:
        return two_bit_columns(((const struct tile_q2_k *)block)->qs[i / 16], r);
    case TYPE_Q3_K:
        return three_bit_columns(((const struct tile_q3_k *)block)->qs[i / 16], r);
    case TYPE_Q5_K: {
        const struct tile_q5_k *tile = block;
        return vaddq_s8(five_bit_columns(tile->qh[j], tile->qs[j], g, r), vdupq_n_s8(16));
    }
    default:
        return iq4_columns(((const struct tile_iq4_xs *)block)->qs[j], g, r);
    }
}

// Of the types that few models have.
ALWAYS_INLINE void columns_of_type(float *out, uint32_t type, const void *row, int i, int r)
{
    const int block_cols = tile_block_cols(type), k = i % block_cols, j = k / tile_sub_block(type);
    const uint8_t *block = (const uint8_t *)row + (size_t)(i / block_cols) * tile_block_bytes(type);
    const uint16_t *half = (const uint16_t *)(const void *)block;
    const bool has_min = tile_has_min(type);
    float scale = from_f16(half[r]), min = has_min ? from_f16(half[8 + r]) : 0.0f;
    if (block_cols == QK_K) {
        scale *= (float)tile_scale(type, block, j, r);
        min *= (float)tile_min(type, block, j, r);
    } else {
        min = -min; // it is added
    }
    put_columns(out, quants(type, block, k, r), scale, min, has_min);
}

// Sixteen columns from i on, a multiple of sixteen, of a quantised row.
static void columns(float *out, uint32_t type, const void *tiles, int i, int r)
{
    switch (type) {
    case TYPE_Q8_0:
        columns_q8_0(out, tiles, i, r);
        break;
    case TYPE_Q4_0:
        columns_q4_0(out, tiles, i, r);
        break;
    case TYPE_Q4_K:
        columns_q4_k(out, tiles, i, r);
        break;
    case TYPE_Q6_K:
        columns_q6_k(out, tiles, i, r);
        break;
    default:
        columns_of_type(out, type, tiles, i, r);
    }
}

static void floats(float *out, uint32_t type, const void *tiles, int begin, int end, int r)
{
    const uint16_t *half = (const uint16_t *)tiles + r;
    const float *single = (const float *)tiles + r;
    for (int i = begin; i < end; i++) {
        const int at = FLOAT_TILE_ROWS * i;
        out[i] = type == TYPE_F16    ? from_f16(half[at])
                 : type == TYPE_BF16 ? bf16_to_f32(half[at])
                                     : single[at];
    }
}

void row_get_neon(float *out, const struct tensor *tensor, int row, int begin, int end)
{
    const int rows = tile_rows(tensor->type), r = row % rows;
    const size_t tile = (size_t)(row / rows) * tile_row_bytes(tensor->type, tensor->n_cols);
    const uint8_t *tiles = (const uint8_t *)tensor_data(tensor) + tile;
    if (rows == FLOAT_TILE_ROWS) {
        floats(out, tensor->type, tiles, begin, end, r);
        return;
    }
    for (int i = begin; i < end;) {
        const int first = i % N_COLUMNS;
        const int n = N_COLUMNS - first < end - i ? N_COLUMNS - first : end - i;
        if (n == N_COLUMNS) {
            columns(out + i, tensor->type, tiles, i, r);
        } else {
            float all[N_COLUMNS];
            columns(all, tensor->type, tiles, i - first, r);
            memcpy(out + i, all + first, (size_t)n * sizeof *out);
        }
        i += n;
    }
}
