// The KV cache in the memory that the platform has for it; for texts that become vectors, one layer
// of it among the activations.
#include "nn/kv_cache.h"

#include "gen/model.h"
#include "lib/string.h"
#include "nn/ops.h"

static_assert(N_CTX_PADDED % ATTENTION_CHUNK == 0, "tiles of the last chunk lie inside the region");

#define ROW_BYTES    kv_row_bytes(KV_TYPE, HEAD_SIZE)
#define SCALES_BYTES kv_scales_bytes(KV_TYPE, HEAD_SIZE)

// The largest row: float elements, or bytes and their scales.
union row {
    float f32[HEAD_SIZE];
    uint16_t f16[HEAD_SIZE];
    uint8_t bytes[4 * HEAD_SIZE + 2];
};

#if MAKES_VECTORS
#define PLACE(layer_) 0
#else
#define PLACE(layer_) (layer_)
#endif

static uint8_t *cache;

void kv_cache_init(uint8_t *start)
{
    cache = start;
}

static uint8_t *head_start(size_t region_offset, int layer, int kv_head)
{
    (void)layer;
    const size_t head = (size_t)PLACE(layer) * N_HEAD_KV + (size_t)kv_head;
    return cache + region_offset + head * N_CTX_PADDED * ROW_BYTES;
}

const void *kv_cache_k(int layer, int kv_head)
{
    return head_start(KV_K_OFFSET, layer, kv_head);
}

const void *kv_cache_v(int layer, int kv_head)
{
    return head_start(KV_V_OFFSET, layer, kv_head);
}

// One position's row: scales, then elements.
static void round_row(void *row, const float *x)
{
#if KV_TYPE == KV_TYPE_Q8_0
    quantize_kv_q8_0((int8_t *)row + SCALES_BYTES, row, x, HEAD_SIZE);
#elif KV_TYPE == KV_TYPE_F16
    f32_to_f16_row(row, x, HEAD_SIZE);
#else
    memcpy(row, x, HEAD_SIZE * sizeof(float));
#endif
}

#if KV_TYPE == KV_TYPE_Q8_0
typedef int8_t kv_element;
#elif KV_TYPE == KV_TYPE_F16
typedef uint16_t kv_element;
#else
typedef float kv_element;
#endif

// A row into its place among the KV_TILE of a tile.
static void put_key(uint8_t *tile, int place, const uint8_t *row)
{
    uint16_t *scales = (uint16_t *)tile + place;
    for (size_t i = 0; i < SCALES_BYTES / sizeof *scales; i++) {
        scales[i * KV_TILE] = ((const uint16_t *)row)[i];
    }
    kv_element *elements = (kv_element *)(tile + KV_TILE * SCALES_BYTES) + place;
    for (int d = 0; d < HEAD_SIZE; d++) {
        elements[d * KV_TILE] = ((const kv_element *)(row + SCALES_BYTES))[d];
    }
}

void kv_cache_append(int layer, int kv_head, int pos, const float *k, const float *v)
{
    union row row;
    round_row(&row, k);
    uint8_t *keys = head_start(KV_K_OFFSET, layer, kv_head);
    put_key(keys + (size_t)(pos / KV_TILE) * KV_TILE * ROW_BYTES, pos % KV_TILE, row.bytes);
    round_row(head_start(KV_V_OFFSET, layer, kv_head) + (size_t)pos * ROW_BYTES, v);
}
