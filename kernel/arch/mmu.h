// Identity map: physical memory at its own address, with the permissions that each part needs.
#pragma once

#include "lib/types.h"

#define PAGE_SIZE      4096ull
#define MMU_SIZE_LIMIT (1ull << 39) // three levels of tables cover this much

// Indices into MAIR_EL1.
#define MMU_ATTR_NORMAL 0
#define MMU_ATTR_DEVICE 1

enum mmu_kind {
    MMU_NONE,   // any access faults
    MMU_TEXT,   // read, execute
    MMU_RODATA, // read
    MMU_DATA,   // read, write
    MMU_DEVICE, // registers: read, write, strictly in order
};

// The tables are built in [tables, tables + size_bytes), with the MMU off. Nothing is mapped yet.
void mmu_init(void *tables, size_t size_bytes);

// Maps [start, end), in whole pages; what an earlier call said about a page is replaced. Panics
// when the tables do not fit their region.
void mmu_map(paddr_t start, paddr_t end, enum mmu_kind kind);

// As mmu_map() with MMU_DATA, for what mmu_protect() will make read-only: blocks and pages of the
// tables end where [start, end) does.
void mmu_map_for_now(paddr_t start, paddr_t end);

// MMU and caches on. Everything in use must be mapped; nothing may be mapped afterwards.
void mmu_enable(void);

// After mmu_enable(), with other CPUs running or not: [start, end), mapped by mmu_map_for_now(), is
// MMU_RODATA from now on, on each of them. The tables' region must be mapped so, too.
void mmu_protect(paddr_t start, paddr_t end);

// The same for the tables' own region; nothing can be changed afterwards.
void mmu_seal(void);

// Of both the part that changes the tables, without telling the CPUs.
void mmu_tables_protect(paddr_t start, paddr_t end);
void mmu_tables_seal(void);

// What mmu_enable() wrote, for the CPUs that follow (start.S): in memory, not in caches only.
struct mmu_registers {
    uint64_t mair, tcr, ttbr0, sctlr;
};
extern struct mmu_registers mmu_registers;

// The level 1 table, and the bytes that all tables take.
const uint64_t *mmu_tables(void);
size_t mmu_tables_size(void);

// Is every byte of [start, start + size) mapped memory (not a device)? Asks the MMU itself.
bool mmu_readable(paddr_t start, uint64_t size);
