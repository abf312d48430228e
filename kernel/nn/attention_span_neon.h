// For attention's NEON twins whose tokens do not see keys from the first one on: rows that enter
// the keys in the same chunk go through them together.
#pragma once

#include "nn/attention_chunk_neon.h"

// Scores of the first `hidden` keys of a row become one that it sees, so that they raise no
// maximum.
ALWAYS_INLINE void hide(float *p, int hidden, int stride)
{
    for (int i = 0; i < hidden; i++) {
        p[i / 4 * stride + i % 4] = p[hidden / 4 * stride + hidden % 4];
    }
}

// And they get no weight: zeros do not count in a sum.
ALWAYS_INLINE void forget(struct row *row, float *p, int hidden, int n, int stride)
{
    static const int32_t lanes[4] = {0, 1, 2, 3};
    row->sum = vdupq_n_f32(0);
    for (int i = 0; i < n; i += 4, p += stride) {
        const int32x4_t key = vaddq_s32(vld1q_s32(lanes), vdupq_n_s32(i));
        const uint32x4_t seen =
            vandq_u32(vcgeq_s32(key, vdupq_n_s32(hidden)), vcltq_s32(key, vdupq_n_s32(n)));
        const uint32x4_t e = vandq_u32(vreinterpretq_u32_f32(vld1q_f32(p)), seen);
        vst1q_f32(p, vreinterpretq_f32_u32(e));
        row->sum = vaddq_f32(row->sum, vreinterpretq_f32_u32(e));
    }
}

// first: the first key that each row sees, ascending, all in one chunk.
ALWAYS_INLINE void attend(struct packed *packed, struct row *rows, const int *first,
                          const uint8_t *k, const uint8_t *v, int head_size, int n_rows, float cap,
                          int type)
{
    const size_t tile_bytes = kv_tile_bytes(type, head_size), row = kv_row_bytes(type, head_size);
    const int n_keys = rows[n_rows - 1].n_keys, stride = 4 * n_rows;
    const int begin = first[0] / KV_TILE * KV_TILE;
    k += (size_t)(begin / KV_TILE) * tile_bytes;
    v += (size_t)begin * row;
    pack_queries(packed->q, rows, n_rows, head_size);
    clear_sums(packed->o, n_rows, head_size);
    for (int start = begin, end; start < n_keys; start = end) {
        int n[MAX_ROWS] = {0};
        end = (start / ATTENTION_CHUNK + 1) * ATTENTION_CHUNK;
        count_keys(n, rows, n_rows, start, end);
        score_chunk(packed, k, n[n_rows - 1], head_size, n_rows, type);
        if (cap != 0.0f) {
            vec_softcap_neon(packed->p, packed->p, cap, (n[n_rows - 1] + 3) / 4 * stride);
        }
        for (int r = 0; r < n_rows && start == begin; r++) {
            hide(packed->p + 4 * r, first[r] - begin, stride);
        }
        exp_scores(rows, packed, n, start == begin, n_rows, head_size);
        for (int r = 0; r < n_rows && start == begin; r++) {
            forget(&rows[r], packed->p + 4 * r, first[r] - begin, n[r], stride);
        }
        weigh_values(packed, n, v, head_size, n_rows, type);
        k += (size_t)((end - start) / KV_TILE) * tile_bytes;
        v += (size_t)(end - start) * row;
    }
    for (int r = 0; r < n_rows; r++) {
        write_out(&rows[r], packed->o + 8 * r, 8 * n_rows, head_size);
    }
}
