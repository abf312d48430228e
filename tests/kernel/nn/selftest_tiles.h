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

// Tiles of the type; extreme ones for flavour < 12.
static void random_tiles(uint32_t type, size_t n_tiles, int tile_bytes, int n_halves, int flavour)
{
    random_weights(n_tiles * (size_t)tile_bytes, (size_t)tile_bytes, n_halves,
                   flavour < 12 ? flavour % 4 : 4);
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
