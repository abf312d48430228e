// Keys and values of all positions so far: [layer][kv_head][N_CTX_PADDED positions], as
// nn/kv_layout.h says for KV_TYPE. Positions not written yet hold anything.
//
// Of a model that makes vectors: those of the layer that is being computed, a text's after
// another's, each from a whole tile on.
#pragma once

#include "lib/types.h"

// At REGION_KV_CACHE_SIZE bytes, 64-byte aligned; of a model that makes vectors, at the
// activations. Before anything else here.
void kv_cache_init(uint8_t *start);

// k, v: [HEAD_SIZE], rounded to the cache's type. 0 <= pos < N_CTX_PADDED.
void kv_cache_append(int layer, int kv_head, int pos, const float *k, const float *v);

const void *kv_cache_k(int layer, int kv_head);
const void *kv_cache_v(int layer, int kv_head);
