// Which parts of a kernel have come. Blocks of a fixed size, in any order, as often as they like.
#pragma once

#include "gen/link.h"
#include "lib/types.h"
#include "loader/loader.h"

struct blocks {
    uint8_t *memory;
    uint32_t size, crc; // of what is to come; size 0: nothing
    uint8_t *map;       // a bit each: it has come
};

// Forgets what has come, unless it is of the same kernel.
void blocks_begin(struct blocks *blocks, uint32_t size, uint32_t crc);

// n bytes from block `first` on. False: they do not belong there.
bool blocks_take(struct blocks *blocks, uint32_t first, const uint8_t *bytes, size_t n);

uint32_t blocks_count(const struct blocks *blocks);
bool blocks_has(const struct blocks *blocks, uint32_t block);
bool blocks_complete(const struct blocks *blocks);
