// Dequantisation of one row, element by element.
#include "nn/row_get.h"

#include "lib/f16.h"
#include "nn/tiles.h"

static float q8_0_element(const struct tile_q8_0 *row, int i, int r)
{
    const struct tile_q8_0 *tile = row + i / QK8_0;
    return f16_to_f32(tile->d[r]) * (float)q8_0_quant(tile, i % QK8_0, r);
}

static float q4_0_element(const struct tile_q4_0 *row, int i, int r)
{
    const struct tile_q4_0 *tile = row + i / QK8_0;
    return f16_to_f32(tile->d[r]) * (float)(q4_0_quant(tile, i % QK8_0, r) - 8);
}

static float q4_k_element(const struct tile_q4_k *row, int i, int r)
{
    const struct tile_q4_k *tile = row + i / QK_K;
    const int k = i % QK_K, j = k / 32;
    const float scale = f16_to_f32(tile->d[r]) * (float)q4_k_scale(tile, j, r);
    const float min = f16_to_f32(tile->dmin[r]) * (float)q4_k_min(tile, j, r);
    return scale * (float)q4_k_quant(tile, k, r) - min;
}

static float q6_k_element(const struct tile_q6_k *row, int i, int r)
{
    const struct tile_q6_k *tile = row + i / QK_K;
    const int k = i % QK_K;
    const float scale = f16_to_f32(tile->d[r]) * (float)tile->sc[k / 16][r];
    return scale * (float)(q6_k_quant(tile, k, r) - 32);
}

static float element(uint32_t type, const void *tiles, int i, int r)
{
    switch (type) {
    case TYPE_F16:
        return f16_to_f32(((const uint16_t *)tiles)[FLOAT_TILE_ROWS * i + r]);
    case TYPE_BF16:
        return bf16_to_f32(((const uint16_t *)tiles)[FLOAT_TILE_ROWS * i + r]);
    case TYPE_Q8_0:
        return q8_0_element(tiles, i, r);
    case TYPE_Q4_0:
        return q4_0_element(tiles, i, r);
    case TYPE_Q4_K:
        return q4_k_element(tiles, i, r);
    case TYPE_Q6_K:
        return q6_k_element(tiles, i, r);
    default:
        return ((const float *)tiles)[FLOAT_TILE_ROWS * i + r];
    }
}

void row_get(float *out, const struct tensor *tensor, int row, int begin, int end)
{
    const int rows = tile_rows(tensor->type);
    const size_t tile = (size_t)(row / rows) * tile_row_bytes(tensor->type, tensor->n_cols);
    const uint8_t *tiles = (const uint8_t *)tensor_data(tensor) + tile;
    for (int i = begin; i < end; i++) {
        out[i] = element(tensor->type, tiles, i, row % rows);
    }
}
