// Facts about the machine that are known only at run time.
#pragma once

#include "arch/secondary.h"
#include "lib/types.h"
#include "platform/board.h"

#define PLATFORM_MAX_RANGES 32
#define PLATFORM_MAX_TAKEN  4

struct platform {
    char name[40], title[40];              // of the board
    char source[160];                      // where all of this is from, for a person
    struct range ram[PLATFORM_MAX_RANGES]; // ascending, disjoint, whole pages
    int n_ram;
    struct range no_map[PLATFORM_MAX_RANGES]; // the firmware's: must not even be mapped
    int n_no_map;
    // Readable, but somebody's: /reserved-memory and /memreserve/. May hold the tree and the
    // initrd.
    struct range reserved[PLATFORM_MAX_RANGES];
    int n_reserved;
    struct range image;                     // all planned regions; empty before layout_check()
    struct range taken[PLATFORM_MAX_TAKEN]; // of free RAM, since boot (platform/free_ram.h)
    int n_taken;
    struct range fdt;       // empty: the board's values are used
    struct range initrd;    // as the loader says; empty: none
    bool initrd_from_card;  // a place for it, to be filled by card_load()
    struct devices devices; // as the tree has them, else as the board has
    enum psci_conduit psci;
    struct cpu cpus[CPU_MAX]; // the first of them, in the order of the tree
    int n_cpu;                // all
    const char *overflow;     // what the tree has more ranges of than fit; NULL: nothing
};

// Reads the FDT, or takes the board's values (gen/board.h) and the ATAGs where there is none, and
// opens the console: from here on panic() can speak. `loader`: what came in x0; image: where it was
// loaded; el: entered at.
void platform_init(struct platform *platform, paddr_t loader, paddr_t image, unsigned el);

// Prepares for idle waits: received bytes and the timer wake the CPU.
void platform_idle_init(const struct platform *platform);

// Sleeps until a byte has arrived, or for 100 ms. Without an interrupt controller that we know, or
// an interrupt of the UART: only until the event stream's next event.
void platform_idle(void);

// Rests until the event stream's next event: about 100 us at most.
void platform_pause(void);

// For CPUs with nothing to do but wait for another: whether there is something that wakes them.
bool platform_cores_can_sleep(void);
void platform_core_init(void); // once on each but the boot CPU, after platform_idle_init()
void platform_core_sleep(
    void); // until platform_wake_cores(), also if that came since the last sleep
void platform_wake_cores(void); // all but this one

noreturn void platform_poweroff(const struct platform *platform);
noreturn void platform_reboot(const struct platform *platform);
