// Identity map, as tables: 4 KiB granule, 39-bit addresses, three levels: blocks of 1 GiB and 2 MiB
// where a region fills them, pages at the edges. Names: Arm ARM (DDI 0487), D8 "VMSAv8-64".
#include "arch/cache.h"
#include "arch/mmu.h"
#include "lib/panic.h"

#define ENTRIES 512 // of a 4 KiB table

#define DESC_VALID    (1ull << 0)
#define DESC_TABLE    (1ull << 1)          // level 1 and 2: next table; clear: a block
#define DESC_PAGE     (1ull << 1)          // level 3: always set
#define DESC_ATTR(i)  ((uint64_t)(i) << 2) // index into MAIR_EL1
#define DESC_AP_RO    (1ull << 7)
#define DESC_SH_INNER (3ull << 8)
#define DESC_AF       (1ull << 10) // access flag: set, or the first access faults
#define DESC_PXN      (1ull << 53)
#define DESC_UXN      (1ull << 54)
#define DESC_ADDRESS  0x0000fffffffff000ull

static uint64_t *tables; // the first is the level 1 table
static size_t n_tables, n_tables_max;

static unsigned level_shift(int level)
{
    return level == 1 ? 30 : level == 2 ? 21 : 12;
}

static uint64_t leaf_attributes(enum mmu_kind kind)
{
    const uint64_t normal =
        DESC_VALID | DESC_AF | DESC_UXN | DESC_SH_INNER | DESC_ATTR(MMU_ATTR_NORMAL);
    switch (kind) {
    case MMU_TEXT:
        return normal | DESC_AP_RO;
    case MMU_RODATA:
        return normal | DESC_AP_RO | DESC_PXN;
    case MMU_DATA:
        return normal | DESC_PXN;
    case MMU_DEVICE:
        return DESC_VALID | DESC_AF | DESC_UXN | DESC_PXN | DESC_ATTR(MMU_ATTR_DEVICE);
    default:
        return 0;
    }
}

static uint64_t *new_table(paddr_t address)
{
    if (n_tables == n_tables_max) {
        panic("page tables: all %zu tables of their region are used, mapping 0x%lx needs one more",
              n_tables_max, address);
    }
    return tables + ENTRIES * n_tables++;
}

// The table below *entry, made from the block that *entry was if need be.
static uint64_t *next_table(uint64_t *entry, int level, paddr_t address)
{
    if ((*entry & (DESC_VALID | DESC_TABLE)) == (DESC_VALID | DESC_TABLE)) {
        return (uint64_t *)(*entry & DESC_ADDRESS);
    }
    uint64_t *table = new_table(address);
    const uint64_t page = level == 2 ? DESC_PAGE : 0;
    const uint64_t step = 1ull << level_shift(level + 1);
    for (int i = 0; i < ENTRIES; i++) {
        table[i] = *entry & DESC_VALID ? (*entry | page) + (uint64_t)i * step : 0;
    }
    *entry = (paddr_t)table | DESC_TABLE | DESC_VALID;
    return table;
}

static void map_level(uint64_t *table, int level, paddr_t start, paddr_t end, uint64_t attributes)
{
    const uint64_t size = 1ull << level_shift(level);
    const uint64_t page = level == 3 && attributes != 0 ? DESC_PAGE : 0;
    while (start < end) {
        uint64_t *entry = table + (start >> level_shift(level)) % ENTRIES;
        const paddr_t entry_end = ALIGN_DOWN(start, size) + size;
        const paddr_t part_end = entry_end < end ? entry_end : end;
        const bool is_table = level < 3 && (*entry & DESC_VALID) && (*entry & DESC_TABLE);
        if (attributes == 0 && *entry == 0) {
            // Nothing is mapped there anyway: no table for it.
        } else if (part_end - start == size && !is_table) {
            *entry = attributes == 0 ? 0 : start | attributes | page;
        } else {
            map_level(next_table(entry, level, start), level + 1, start, part_end, attributes);
        }
        start = part_end;
    }
}

void mmu_init(void *region, size_t size_bytes)
{
    tables = region;
    n_tables = 0;
    n_tables_max = size_bytes / PAGE_SIZE;
    // As for .bss in start.S: the tables are written with the caches off.
    cache_invalidate(region, (uint8_t *)region + size_bytes);
    uint64_t *level1 = new_table(0);
    for (int i = 0; i < ENTRIES; i++) {
        level1[i] = 0;
    }
}

void mmu_map(paddr_t start, paddr_t end, enum mmu_kind kind)
{
    ASSERT(IS_ALIGNED(start | end, PAGE_SIZE) && end <= MMU_SIZE_LIMIT);
    map_level(tables, 1, start, end, leaf_attributes(kind));
}

void mmu_map_for_now(paddr_t start, paddr_t end)
{
    mmu_map(start, end, MMU_RODATA); // other than what surrounds it: the tables are split here
    mmu_map(start, end, MMU_DATA);   // what is a table stays one
}

// One bit of each entry changes, its address and size do not: the architecture wants no entry to be
// broken before it is made (D8.16.1), and other CPUs may use the memory meanwhile.
static void protect_level(uint64_t *table, int level, paddr_t start, paddr_t end)
{
    const uint64_t size = 1ull << level_shift(level);
    while (start < end) {
        uint64_t *entry = table + (start >> level_shift(level)) % ENTRIES;
        const paddr_t entry_end = ALIGN_DOWN(start, size) + size;
        const paddr_t part_end = entry_end < end ? entry_end : end;
        ASSERT(*entry & DESC_VALID);
        if (level < 3 && (*entry & DESC_TABLE)) {
            protect_level((uint64_t *)(*entry & DESC_ADDRESS), level + 1, start, part_end);
        } else {
            ASSERT(part_end - start == size); // else what lies beside it would become read-only too
            __atomic_store_n(entry, *entry | DESC_AP_RO, __ATOMIC_RELAXED); // walkers see it whole
        }
        start = part_end;
    }
}

void mmu_tables_protect(paddr_t start, paddr_t end)
{
    ASSERT(IS_ALIGNED(start | end, PAGE_SIZE) && end <= MMU_SIZE_LIMIT);
    protect_level(tables, 1, start, end);
}

// The entry that maps a page of ours, which has one of its own: mmu_map_for_now().
static uint64_t *page_entry(paddr_t page)
{
    uint64_t *table = tables;
    for (int level = 1; level < 3; level++) {
        const uint64_t entry = table[(page >> level_shift(level)) % ENTRIES];
        ASSERT((entry & (DESC_VALID | DESC_TABLE)) == (DESC_VALID | DESC_TABLE));
        table = (uint64_t *)(entry & DESC_ADDRESS);
    }
    return table + (page >> level_shift(3)) % ENTRIES;
}

static bool is_written_to_seal(paddr_t page, paddr_t first, paddr_t end)
{
    for (paddr_t other = first; other < end; other += PAGE_SIZE) {
        if (ALIGN_DOWN((paddr_t)page_entry(other), PAGE_SIZE) == page) {
            return true;
        }
    }
    return false;
}

// An entry can be written as long as the table that it is in can be. So the tables that map the
// tables come last: the only one, or of two (where a border of 2 MiB lies among the tables) the
// first. The second stays as it is where its entry is in that one.
void mmu_tables_seal(void)
{
    const paddr_t first = (paddr_t)tables, end = first + n_tables_max * PAGE_SIZE;
    for (int last = 0; last < 2; last++) {
        for (paddr_t page = first; page < end; page += PAGE_SIZE) {
            uint64_t *entry = page_entry(page);
            const paddr_t its_table = ALIGN_DOWN((paddr_t)entry, PAGE_SIZE);
            if (is_written_to_seal(page, first, end) == (last != 0) &&
                (*page_entry(its_table) & DESC_AP_RO) == 0) {
                __atomic_store_n(entry, *entry | DESC_AP_RO, __ATOMIC_RELAXED);
            }
        }
    }
}

const uint64_t *mmu_tables(void)
{
    return tables;
}

size_t mmu_tables_size(void)
{
    return n_tables * PAGE_SIZE;
}
