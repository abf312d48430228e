// Dequantisation of one row, element by element.
#include "nn/row_get.h"

#include "lib/f16.h"
#include "nn/tile_values.h"

static float quantised(uint32_t type, const void *block, int i, int r)
{
    const int j = i / tile_sub_block(type);
    const float d = tile_half(block, 0, r), q = (float)tile_quant(type, block, i, r);
    if (tile_block_cols(type) == QK8_0) {
        return tile_has_min(type) ? d * q + tile_half(block, 1, r) : d * q;
    }
    const float value = d * (float)tile_scale(type, block, j, r) * q;
    return tile_has_min(type) ? value - tile_half(block, 1, r) * (float)tile_min(type, block, j, r)
                              : value;
}

// Column i of row r of a tile.
static float element(uint32_t type, const void *tile, int i, int r)
{
    const int block_cols = tile_block_cols(type);
    const uint8_t *block =
        (const uint8_t *)tile + (size_t)(i / block_cols) * tile_block_bytes(type);
    switch (type) {
    case TYPE_F32:
        return ((const float *)(const void *)block)[r];
    case TYPE_F16:
        return f16_to_f32(((const uint16_t *)(const void *)block)[r]);
    case TYPE_BF16:
        return bf16_to_f32(((const uint16_t *)(const void *)block)[r]);
    default:
        return quantised(type, block, i % block_cols, r);
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
