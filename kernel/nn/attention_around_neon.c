// NEON twin of attention.c, of tokens that see what is behind them as well.
#include "nn/attention_span_neon.h"

static int first_key(int t, int reach)
{
    return t > reach ? t - reach : 0;
}

// Rows from token t on, of n_all, that go together: they must enter the keys in the same chunk.
static int rows_of_one_chunk(int begin, int n_all, int n_heads, int head_size, int pos, int reach)
{
    int n_rows = rows_at_once(n_all - begin, head_size);
    const int chunk = first_key(pos + begin / n_heads, reach) / ATTENTION_CHUNK;
    while (first_key(pos + (begin + n_rows - 1) / n_heads, reach) / ATTENTION_CHUNK != chunk) {
        n_rows /= 2;
    }
    return n_rows;
}

void attention_around_f32_neon(float *out, const float *q, int stride, const void *k, const void *v,
                               int pos, int n_keys, int n_tokens, int n_heads, int head_size,
                               int reach)
{
    struct packed packed;
    struct row rows[MAX_ROWS];
    int first[MAX_ROWS];
    const int n_all = n_tokens * n_heads;
    for (int begin = 0; begin < n_all;) {
        const int n_rows = rows_of_one_chunk(begin, n_all, n_heads, head_size, pos, reach);
        for (int r = 0; r < n_rows; r++) {
            const int i = (begin + r) / n_heads, h = (begin + r) % n_heads, t = pos + i;
            const int at = i * stride + h * head_size;
            const int end = n_keys - t > reach ? t + reach + 1 : n_keys;
            rows[r] = (struct row){q + at, out + at, end, vdupq_n_f32(0)};
            first[r] = first_key(t, reach);
        }
        begin += n_rows;
        switch (n_rows) {
        case 8:
            attend(&packed, rows, first, k, v, head_size, 8, 0.0f, KV_TYPE_F32);
            break;
        case 4:
            attend(&packed, rows, first, k, v, head_size, 4, 0.0f, KV_TYPE_F32);
            break;
        case 2:
            attend(&packed, rows, first, k, v, head_size, 2, 0.0f, KV_TYPE_F32);
            break;
        default:
            attend(&packed, rows, first, k, v, head_size, 1, 0.0f, KV_TYPE_F32);
        }
    }
}
