// Device registers. volatile: each access happens once, in order, at its full width.
#pragma once

#include "lib/types.h"

static inline uint32_t mmio_read32(paddr_t address)
{
    return *(volatile uint32_t *)address;
}

static inline void mmio_write32(paddr_t address, uint32_t value)
{
    *(volatile uint32_t *)address = value;
}

static inline void mmio_write8(paddr_t address, uint8_t value)
{
    *(volatile uint8_t *)address = value;
}

static inline uint8_t mmio_read8(paddr_t address)
{
    return *(volatile uint8_t *)address;
}
