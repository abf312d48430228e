// The online softmax of attention's NEON twins: query rows that share keys, and what becomes of a
// chunk of their scores.
#pragma once

#include "lib/math.h"
#include "nn/attention_neon.h"
#include "nn/kernels.h"

#define MAX_ROWS ATTENTION_ROWS

// One query row: what it reads, where its result goes, and its softmax so far.
struct row {
    const float *q;
    float *out;
    int n_keys;
    float32x4_t sum;
};

// What rows that go together share: one row's numbers beside the next one's, so that a loop over
// them needs one address.
struct packed {
    float q[MAX_PACKED];                 // [head_size / 4][row][4], zeros behind
    float o[MAX_PACKED];                 // [head_size / 8][row][8]: the weighted sum of v so far
    float p[MAX_ROWS * ATTENTION_CHUNK]; // [key / 4][row][4]: scores, then probabilities
    float max[MAX_ROWS];
};

// A quad of each row, side by side, and on to the next ones.
ALWAYS_INLINE void next_quads(float32x4_t *quads, const float **p, int n_rows)
{
    if (n_rows == 2) {
        const float32x4x2_t two = NEXT(p, vld1q_f32_x2, 8);
        quads[0] = two.val[0];
        quads[1] = two.val[1];
    } else if (n_rows == 1) {
        quads[0] = NEXT(p, vld1q_f32, 4);
    } else {
        UNROLL for (int r = 0; r < n_rows; r += 4)
        {
            const float32x4x4_t four = next_f32x4(p);
            UNROLL for (int i = 0; i < 4; i++)
            {
                quads[r + i] = four.val[i];
            }
        }
    }
}

// The largest score of each row, in lanes of as many vectors as there are rows by four.
ALWAYS_INLINE void largest(float32x4_t *max, const float *p, int n_quads, int n_rows)
{
    float32x4_t m[MAX_ROWS], quads[MAX_ROWS];
    next_quads(m, &p, n_rows);
    for (int i = 1; i < n_quads; i++) {
        next_quads(quads, &p, n_rows);
        UNROLL for (int r = 0; r < n_rows; r++)
        {
            m[r] = vmaxnmq_f32(m[r], quads[r]);
        }
    }
    UNROLL for (int r = 0; r < n_rows; r += 4)
    {
        const int last = n_rows - 1 < r + 3 ? n_rows - 1 : r + 3;
        const float32x4_t two = vpmaxnmq_f32(m[r], m[r + 1 < last ? r + 1 : last]);
        const float32x4_t others = vpmaxnmq_f32(m[r + 2 < last ? r + 2 : last], m[last]);
        max[r / 4] = vpmaxnmq_f32(two, others);
    }
}

// p = e^(p - max), and the sums of it, of four quads at once: four rows' every stride floats, or
// one or two rows' several. n: times.
ALWAYS_INLINE void exp_rows(struct row *rows, const float *maxima, float *p, int n, int stride,
                            int n_rows)
{
    float32x4_t sum[4], max[4];
    UNROLL for (int r = 0; r < n_rows; r++)
    {
        sum[r] = rows[r].sum;
        max[r] = vdupq_n_f32(maxima[r]);
    }
    for (unsigned left = (unsigned)n; left != 0; left--, p += stride) {
        float32x4x4_t e = vld1q_f32_x4(p);
        UNROLL for (int i = 0; i < 4; i++)
        {
            e.val[i] = vsubq_f32(e.val[i], max[i % n_rows]);
        }
        exp_f32x16_to_88(e.val);
        UNROLL for (int i = 0; i < 4; i++)
        {
            sum[i % n_rows] = vaddq_f32(sum[i % n_rows], e.val[i]);
        }
        vst1q_f32_x4(p, e);
    }
    UNROLL for (int r = 0; r < n_rows; r++)
    {
        rows[r].sum = sum[r];
    }
}

// The same for quads of one row from key i on, where n keys may end within a quad.
ALWAYS_INLINE void exp_rest(struct row *row, float max, float *p, int i, int n, int stride)
{
    static const int32_t lanes[4] = {0, 1, 2, 3};
    for (; i < n; i += 4, p += stride) {
        const uint32x4_t wanted = vcltq_s32(vld1q_s32(lanes), vdupq_n_s32(n - i));
        const float32x4_t x = vsubq_f32(vld1q_f32(p), vdupq_n_f32(max));
        const uint32x4_t e = vreinterpretq_u32_f32(exp_f32x4_to_88(x));
        vst1q_f32(p, vreinterpretq_f32_u32(e));
        // + 0 changes no lane: none is negative.
        row->sum = vaddq_f32(row->sum, vreinterpretq_f32_u32(vandq_u32(e, wanted)));
    }
}

// stride: floats from eight elements to the next eight.
ALWAYS_INLINE void scale_sum(float *o, float scale, int stride, int head_size)
{
    for (int d = 0; d < head_size; d += 8, o += stride) {
        vst1q_f32(o, vmulq_n_f32(vld1q_f32(o), scale));
        vst1q_f32(o + 4, vmulq_n_f32(vld1q_f32(o + 4), scale));
    }
}

// The maximum so far, in rows of which n[r] keys are new. Where it rises, what was summed before is
// scaled down to it.
ALWAYS_INLINE void raise_maximum(struct row *rows, struct packed *packed, const int *n, int n_quads,
                                 bool first, int n_rows, int head_size)
{
    float32x4_t new_max[MAX_ROWS / 4];
    float max[MAX_ROWS];
    bool rises = false;
    largest(new_max, packed->p, n_quads, n_rows);
    UNROLL for (int r = 0; r < n_rows; r += 4)
    {
        const float32x4_t old = vld1q_f32(packed->max + r);
        new_max[r / 4] = first ? new_max[r / 4] : vmaxnmq_f32(old, new_max[r / 4]);
        rises |= vminvq_u32(vceqq_f32(old, new_max[r / 4])) == 0;
        vst1q_f32(max + r, old);
        vst1q_f32(packed->max + r, new_max[r / 4]);
    }
    for (int r = 0; r < n_rows && rises && !first; r++) {
        if (n[r] > 0 && packed->max[r] != max[r]) {
            const float scale = exp_f32(max[r] - packed->max[r]);
            rows[r].sum = vmulq_n_f32(rows[r].sum, scale);
            scale_sum(packed->o + 8 * r, scale, 8 * n_rows, head_size);
        }
    }
}

// Scores beyond the last key of a row are anything, even NaN: they become such as raise no maximum.
ALWAYS_INLINE void overwrite_rest(struct packed *packed, const int *n, int n_quads, int n_rows)
{
    for (int r = 0; r < n_rows; r++) {
        float *p = packed->p + 4 * r;
        const float harmless = n[r] > 0 ? p[0] : packed->max[r];
        for (int i = n[r]; i < 4 * n_quads; i++) {
            p[i / 4 * 4 * n_rows + i % 4] = harmless;
        }
    }
}

// Scores of a chunk to probabilities, n[r] of each row.
ALWAYS_INLINE void exp_scores(struct row *rows, struct packed *packed, const int *n, bool first,
                              int n_rows, int head_size)
{
    float *p = packed->p, *max = packed->max;
    const int stride = 4 * n_rows;
    const int n_quads = (n[n_rows - 1] + 3) / 4, n_common = n[0] / 4;
    if (n_common != n_quads) {
        overwrite_rest(packed, n, n_quads, n_rows);
    }
    raise_maximum(rows, packed, n, n_quads, first, n_rows, head_size);
    const int at_once = n_rows < 4 ? 4 / n_rows : 1; // quads of a row
    const int n_done = n[0] / (4 * at_once) * at_once;
    for (int r = 0; r < n_rows; r += 4) {
        exp_rows(rows + r, max + r, p + 4 * r, n_done / at_once, at_once * stride,
                 n_rows < 4 ? n_rows : 4);
    }
    for (int r = 0; r < n_rows && n_done != n_quads; r++) {
        exp_rest(&rows[r], max[r], p + n_done * stride + 4 * r, 4 * n_done, n[r], stride);
    }
}
