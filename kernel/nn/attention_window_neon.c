// NEON twin of attention.c, of tokens that see a window of keys, and of capped scores.
#include "nn/attention_span_neon.h"

// The first key that token t of a call sees, when the first token has n_keys.
static int first_key(int n_keys, int t, int window)
{
    return n_keys + t > window ? n_keys + t - window : 0;
}

// Rows from `begin` on that go together: they must enter the keys in the same chunk.
static int rows_of_one_chunk(int begin, int n_all, int n_heads, int head_size, int n_keys,
                             int window)
{
    int n_rows = rows_at_once(n_all - begin, head_size);
    const int chunk = first_key(n_keys, begin / n_heads, window) / ATTENTION_CHUNK;
    while (first_key(n_keys, (begin + n_rows - 1) / n_heads, window) / ATTENTION_CHUNK != chunk) {
        n_rows /= 2;
    }
    return n_rows;
}

#define ATTENTION(name, type)                                                                      \
    void attention_window_##name##_neon(float *out, const float *q, int stride, const void *k,     \
                                        const void *v, int n_keys, int n_tokens, int n_heads,      \
                                        int head_size, int window, float cap)                      \
    {                                                                                              \
        struct packed packed;                                                                      \
        struct row rows[MAX_ROWS];                                                                 \
        int first[MAX_ROWS];                                                                       \
        const int n_all = n_tokens * n_heads;                                                      \
        for (int begin = 0; begin < n_all;) {                                                      \
            const int n_rows =                                                                     \
                rows_of_one_chunk(begin, n_all, n_heads, head_size, n_keys, window);               \
            for (int r = 0; r < n_rows; r++) {                                                     \
                const int t = (begin + r) / n_heads, h = (begin + r) % n_heads;                    \
                const int at = t * stride + h * head_size;                                         \
                rows[r] = (struct row){q + at, out + at, n_keys + t, vdupq_n_f32(0)};              \
                first[r] = first_key(n_keys, t, window);                                           \
            }                                                                                      \
            begin += n_rows;                                                                       \
            switch (n_rows) {                                                                      \
            case 8:                                                                                \
                attend(&packed, rows, first, k, v, head_size, 8, cap, type);                       \
                break;                                                                             \
            case 4:                                                                                \
                attend(&packed, rows, first, k, v, head_size, 4, cap, type);                       \
                break;                                                                             \
            case 2:                                                                                \
                attend(&packed, rows, first, k, v, head_size, 2, cap, type);                       \
                break;                                                                             \
            default:                                                                               \
                attend(&packed, rows, first, k, v, head_size, 1, cap, type);                       \
            }                                                                                      \
        }                                                                                          \
    }
ATTENTION(f16, KV_TYPE_F16)
ATTENTION(f32, KV_TYPE_F32)
ATTENTION(q8_0, KV_TYPE_Q8_0)
