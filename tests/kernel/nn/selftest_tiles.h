// Part of selftest.c: weights and activations for the products, extreme ones among them.
#pragma once

// An image has 256 KiB for code and data: products borrow the memory of attention's cache.
#define weights ((uint8_t *)keys)
static_assert(WEIGHT_BYTES <= sizeof *keys, "the weights fit");

// Random bytes, the extremes of a byte, and scales that are numbers. period: bytes per tile struct.
static void random_weights(size_t bytes, size_t period, int n_halves, int flavour)
{
    static const uint8_t extremes[] = {0xff, 0x80, 0x7f, 0x00};
    for (size_t i = 0; i < bytes; i++) {
        weights[i] = flavour < 4 ? extremes[flavour] : (uint8_t)random_u32();
    }
    for (size_t tile = 0; tile < bytes; tile += period) {
        for (int i = 0; i < n_halves; i++) {
            const uint16_t half = random_half();
            memcpy(weights + tile + 2 * (size_t)i, &half, sizeof half);
        }
    }
}

// At the beginning of a tile of one block.
static int tile_halves(uint32_t type)
{
    if (tile_rows(type) == FLOAT_TILE_ROWS) {
        return type == TYPE_F16 ? FLOAT_TILE_ROWS : 0;
    }
    return tile_has_min(type) ? 2 * QUANT_TILE_ROWS : QUANT_TILE_ROWS;
}

// Bytes that are all the same give five bits that are not at their ends: those are nibbles of 15
// with no bit of qh, or of 0 with all of them. A tile with qh from `first` on, scales before it.
static void extreme_five_bits(uint8_t *tile, size_t first, size_t n_qh, bool scaled)
{
    for (size_t i = first; i < first + n_qh; i++) {
        tile[i] ^= 0xff;
    }
    if (scaled) {
        memset(tile + 32, 0xff, first - 32);
    }
}

static void extreme_tile(uint32_t type, uint8_t *tile)
{
    if (type == TYPE_Q5_0) {
        extreme_five_bits(tile, 16, 32, false);
    } else if (type == TYPE_Q5_1) {
        extreme_five_bits(tile, 32, 32, false);
    } else if (type == TYPE_Q5_K) {
        extreme_five_bits(tile, 128, 256, true);
    }
}

// Tiles of the type; extreme ones for flavour < 12.
static void random_tiles(uint32_t type, size_t n_tiles, int flavour)
{
    const size_t tile_bytes = tile_block_bytes(type);
    random_weights(n_tiles * tile_bytes, tile_bytes, tile_halves(type),
                   flavour < 12 ? flavour % 4 : 4);
    for (size_t i = 0; i < n_tiles && flavour < 12; i++) {
        extreme_tile(type, weights + i * tile_bytes);
    }
    if (type == TYPE_F32) {
        random_floats((float *)weights, 4 * (int)n_tiles);
    } else if (type == TYPE_BF16) {
        for (size_t w = 0; w < 4 * n_tiles; w++) { // finite: exponents below 2^32
            ((uint16_t *)weights)[w] &= 0xcfff;
        }
    }
}

// Activations of +-127 in all places for the flavours that go with the extremes.
static void extreme_floats(float *x, int n, int flavour)
{
    for (int i = 0; i < n; i++) {
        x[i] = flavour & 4 ? -127.0f : flavour & 8 && i & 1 ? -127.0f : 127.0f;
    }
}
