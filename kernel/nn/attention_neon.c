// NEON twin of attention.c, of tokens that see all keys before them. Query rows (a head of a token
// each) that share keys go through them together, up to eight at a time, so that a load serves all.
#include "nn/attention_chunk_neon.h"

ALWAYS_INLINE void attend(struct packed *packed, struct row *rows, const uint8_t *k,
                          const uint8_t *v, int head_size, int n_rows, int type)
{
    const int n_keys = rows[n_rows - 1].n_keys;
    pack_queries(packed->q, rows, n_rows, head_size);
    clear_sums(packed->o, n_rows, head_size);
    for (int start = 0; start < n_keys; start += ATTENTION_CHUNK) {
        int n[MAX_ROWS] = {0};
        count_keys(n, rows, n_rows, start, start + ATTENTION_CHUNK);
        score_chunk(packed, k, n[n_rows - 1], head_size, n_rows, type);
        exp_scores(rows, packed, n, start == 0, n_rows, head_size);
        weigh_values(packed, n, v, head_size, n_rows, type);
        k += ATTENTION_CHUNK / KV_TILE * kv_tile_bytes(type, head_size);
        v += ATTENTION_CHUNK * kv_row_bytes(type, head_size);
    }
    for (int r = 0; r < n_rows; r++) {
        write_out(&rows[r], packed->o + 8 * r, 8 * n_rows, head_size);
    }
}

#define ATTENTION(name, type)                                                                      \
    void attention_##name##_neon(float *out, const float *q, int stride, const void *k,            \
                                 const void *v, int n_keys, int n_tokens, int n_heads,             \
                                 int head_size)                                                    \
    {                                                                                              \
        struct packed packed; /* one for all: gcc would not let them share their place */          \
        struct row rows[MAX_ROWS];                                                                 \
        const int n_all = n_tokens * n_heads;                                                      \
        for (int begin = 0; begin < n_all;) {                                                      \
            const int n_rows = rows_at_once(n_all - begin, head_size);                             \
            for (int r = 0; r < n_rows; r++) {                                                     \
                const int t = (begin + r) / n_heads, h = (begin + r) % n_heads;                    \
                const int at = t * stride + h * head_size;                                         \
                rows[r] = (struct row){q + at, out + at, n_keys + t, vdupq_n_f32(0)};              \
            }                                                                                      \
            begin += n_rows;                                                                       \
            switch (n_rows) {                                                                      \
            case 8:                                                                                \
                attend(&packed, rows, k, v, head_size, 8, type);                                   \
                break;                                                                             \
            case 4:                                                                                \
                attend(&packed, rows, k, v, head_size, 4, type);                                   \
                break;                                                                             \
            case 2:                                                                                \
                attend(&packed, rows, k, v, head_size, 2, type);                                   \
                break;                                                                             \
            default:                                                                               \
                attend(&packed, rows, k, v, head_size, 1, type);                                   \
            }                                                                                      \
        }                                                                                          \
    }
ATTENTION(f16, KV_TYPE_F16)
ATTENTION(f32, KV_TYPE_F32)
ATTENTION(q8_0, KV_TYPE_Q8_0)
