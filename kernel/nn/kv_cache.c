// The KV cache in its planned region.
#include "nn/kv_cache.h"

#include "gen/layout.h"
#include "gen/model.h"
#include "lib/string.h"
#include "nn/ops.h"

#if KV_F16
typedef uint16_t kv_element;
#else
typedef float kv_element;
#endif

static_assert(N_CTX_PADDED % ATTENTION_CHUNK == 0, "tiles of the last chunk lie inside the region");

static kv_element *head_start(size_t region_offset, int layer, int kv_head)
{
    const size_t head = (size_t)layer * N_HEAD_KV + (size_t)kv_head;
    return (kv_element *)(__kv_cache_start + region_offset) + head * N_CTX_PADDED * HEAD_SIZE;
}

const void *kv_cache_k(int layer, int kv_head)
{
    return head_start(KV_K_OFFSET, layer, kv_head);
}

const void *kv_cache_v(int layer, int kv_head)
{
    return head_start(KV_V_OFFSET, layer, kv_head);
}

static void round_head(kv_element *out, const float *x)
{
#if KV_F16
    f32_to_f16_row(out, x, HEAD_SIZE);
#else
    memcpy(out, x, HEAD_SIZE * sizeof(float));
#endif
}

void kv_cache_append(int layer, int kv_head, int pos, const float *k, const float *v)
{
    const size_t tile = (size_t)pos / KV_TILE * HEAD_SIZE * KV_TILE + (size_t)pos % KV_TILE;
    kv_element rounded[HEAD_SIZE];
    round_head(rounded, k);
    kv_element *key = head_start(KV_K_OFFSET, layer, kv_head) + tile;
    for (int d = 0; d < HEAD_SIZE; d++) {
        key[d * KV_TILE] = rounded[d];
    }
    round_head(head_start(KV_V_OFFSET, layer, kv_head) + (size_t)pos * HEAD_SIZE, v);
}
