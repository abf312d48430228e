// Which parts of a kernel have come.
#include "loader/blocks.h"

#include "lib/string.h"

uint32_t blocks_count(const struct blocks *blocks)
{
    return (blocks->size + LOAD_BLOCK_BYTES - 1) / LOAD_BLOCK_BYTES;
}

void blocks_begin(struct blocks *blocks, uint32_t size, uint32_t crc)
{
    if (blocks->size == size && blocks->crc == crc) {
        return; // a repeated request, or a host that was away: what has come is still right
    }
    blocks->size = size;
    blocks->crc = crc;
    memset(blocks->map, 0, (blocks_count(blocks) + 7) / 8);
}

bool blocks_take(struct blocks *blocks, uint32_t first, const uint8_t *bytes, size_t n)
{
    const uint32_t count = (uint32_t)((n + LOAD_BLOCK_BYTES - 1) / LOAD_BLOCK_BYTES);
    if (n == 0 || first >= blocks_count(blocks) || count > blocks_count(blocks) - first) {
        return false;
    }
    const uint32_t at = first * LOAD_BLOCK_BYTES;
    const bool is_last = first + count == blocks_count(blocks);
    if (is_last ? n != blocks->size - at : n % LOAD_BLOCK_BYTES != 0) {
        return false;
    }
    memcpy(blocks->memory + at, bytes, n);
    for (uint32_t i = first; i < first + count; i++) {
        blocks->map[i / 8] |= (uint8_t)(1u << i % 8);
    }
    return true;
}

bool blocks_has(const struct blocks *blocks, uint32_t block)
{
    return block < blocks_count(blocks) && (blocks->map[block / 8] >> block % 8 & 1);
}

bool blocks_complete(const struct blocks *blocks)
{
    for (uint32_t i = 0; i < blocks_count(blocks); i++) {
        if (!blocks_has(blocks, i)) {
            return false;
        }
    }
    return blocks->size > 0;
}
