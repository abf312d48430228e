// Watchdog. The registers are in no data sheet; names and meanings as in Linux,
// drivers/watchdog/bcm2835_wdt.c.
#include "dev/pm_bcm2835.h"

#include "arch/mmio.h"

#define PM_RSTC                  0x1c
#define PM_RSTC_WRCFG_MASK       0x30u
#define PM_RSTC_WRCFG_FULL_RESET 0x20u
#define PM_RSTS                  0x20
#define PM_RSTS_PARTITION_MASK   0x555u // every second bit: which partition to boot
#define PM_RSTS_PARTITION_HALT   0x555u // 63: none
#define PM_WDOG                  0x24
#define PM_PASSWORD              0x5a000000u // of every write
#define TIMEOUT_TICKS            10u         // of 1/65536 s

void pm_reset(paddr_t base)
{
    mmio_write32(base + PM_WDOG, PM_PASSWORD | TIMEOUT_TICKS);
    const uint32_t others = mmio_read32(base + PM_RSTC) & ~PM_RSTC_WRCFG_MASK & 0xffffff;
    mmio_write32(base + PM_RSTC, PM_PASSWORD | others | PM_RSTC_WRCFG_FULL_RESET);
}

void pm_halt(paddr_t base)
{
    const uint32_t others = mmio_read32(base + PM_RSTS) & ~PM_RSTS_PARTITION_MASK & 0xffffff;
    mmio_write32(base + PM_RSTS, PM_PASSWORD | others | PM_RSTS_PARTITION_HALT);
    pm_reset(base);
}
