// kernel/arch/mmu_map.c: after every random sequence of mappings, each page reads from the tables
// as the last mapping that covered it said. With an argument: with that many tables only.
#define _GNU_SOURCE // MAP_FIXED_NOREPLACE
#include "arch/cache.h"
#include "arch/mmu.h"
#include "lib/panic.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

// A window around 1 GiB, with borders of 2 MiB and 1 GiB in it.
#define FIRST_PAGE (0x3f000000ull / PAGE_SIZE)
#define N_PAGES    (0x102000000ull / PAGE_SIZE)
#define N_TABLES   64
#define LOW_MEMORY 0x40000000ull // below what AddressSanitizer takes

static uint8_t kinds[N_PAGES];

void cache_invalidate(const void *start, const void *end)
{
    (void)start, (void)end;
}

static void put(uint8_t byte)
{
    putchar(byte);
}

static void finish(void)
{
    exit(0);
}

// A table walk as the Arm ARM describes it, for one page. 0: translation fault.
static uint64_t walk(paddr_t page)
{
    const uint64_t *table = mmu_tables();
    for (int shift = 30;; shift -= 9) {
        const uint64_t entry = table[page >> shift & 511];
        if ((entry & 1) == 0) {
            return 0;
        }
        const bool next = (entry & 3) == 3 && shift > 12;
        if (!next) {
            const bool is_page = (entry & 3) == 3;
            const uint64_t size = 1ull << shift;
            const uint64_t base = entry & 0x0000fffffffff000ull;
            if (is_page != (shift == 12) || base % size != 0 || base + page % size != page) {
                fprintf(stderr, "page 0x%lx: bad leaf 0x%lx at shift %d\n", page, entry, shift);
                exit(1);
            }
            return entry;
        }
        table = (const uint64_t *)(entry & 0x0000fffffffff000ull);
    }
}

static enum mmu_kind kind_of(uint64_t leaf)
{
    const bool read_only = leaf >> 7 & 1, pxn = leaf >> 53 & 1, uxn = leaf >> 54 & 1;
    const bool accessed = leaf >> 10 & 1, user = leaf >> 6 & 1;
    const unsigned attribute = (unsigned)leaf >> 2 & 7;
    if (leaf == 0) {
        return MMU_NONE;
    }
    if (!accessed || user || !uxn || (!pxn && !read_only)) {
        fprintf(stderr, "leaf 0x%lx: no access flag, user access, or writable code\n", leaf);
        exit(1);
    }
    if (attribute == MMU_ATTR_DEVICE) {
        return MMU_DEVICE;
    }
    return !pxn ? MMU_TEXT : read_only ? MMU_RODATA : MMU_DATA;
}

static uint64_t random_page(void)
{
    const uint64_t page = (uint64_t)rand() * 7919 % (N_PAGES + 1);
    switch (rand() % 4) {
    case 0:
        return page;
    case 1:
        return page / 512 * 512; // a 2 MiB border
    case 2:
        return page / 512 * 512 + (uint64_t)rand() % 3;
    default:
        return (FIRST_PAGE + page) / 262144 * 262144 >= FIRST_PAGE
                   ? (FIRST_PAGE + page) / 262144 * 262144 - FIRST_PAGE // a 1 GiB border
                   : 0;
    }
}

// What is to become read-only, and does so when nothing may be mapped any more.
static void map_for_now_and_protect(void)
{
    uint64_t from = random_page(), to = random_page();
    if (from > to) {
        const uint64_t swap = from;
        from = to;
        to = swap;
    }
    mmu_map_for_now((FIRST_PAGE + from) * PAGE_SIZE, (FIRST_PAGE + to) * PAGE_SIZE);
    for (uint64_t page = from; page < to; page++) {
        if (kind_of(walk((FIRST_PAGE + page) * PAGE_SIZE)) != MMU_DATA) {
            fprintf(stderr, "page %lu of %lu to %lu is no data\n", page, from, to);
            exit(1);
        }
        kinds[page] = MMU_RODATA; // and what lies beside it stays as it is
    }
    const size_t size = mmu_tables_size();
    mmu_tables_protect((FIRST_PAGE + from) * PAGE_SIZE, (FIRST_PAGE + to) * PAGE_SIZE);
    if (mmu_tables_size() != size) {
        exit(1);
    }
}

static void map_at_random(void)
{
    uint64_t from = random_page(), to = random_page();
    if (from > to) {
        const uint64_t swap = from;
        from = to;
        to = swap;
    }
    const enum mmu_kind kind = (enum mmu_kind)(rand() % 5);
    mmu_map((FIRST_PAGE + from) * PAGE_SIZE, (FIRST_PAGE + to) * PAGE_SIZE, kind);
    for (uint64_t page = from; page < to; page++) {
        kinds[page] = (uint8_t)kind;
    }
}

// The tables map themselves, on both sides of a border of 2 MiB or not, and end read-only.
static void seal(uint8_t *memory)
{
    for (int before = 0; before <= 16; before += 8) { // pages before the border
        uint8_t *border = (uint8_t *)ALIGN_UP((paddr_t)memory, 2ull << 20) + (2ull << 20);
        uint8_t *region = border - before * PAGE_SIZE;
        const paddr_t first = (paddr_t)region, end = first + 16 * PAGE_SIZE;
        mmu_init(region, 16 * PAGE_SIZE);
        mmu_map((paddr_t)border - (2ull << 20), (paddr_t)border + (2ull << 20), MMU_DATA);
        mmu_map_for_now(first, end);
        mmu_tables_seal();
        unsigned n_writable = 0;
        for (paddr_t page = first - PAGE_SIZE; page <= end; page += PAGE_SIZE) {
            const bool is_ours = page >= first && page < end;
            const enum mmu_kind kind = kind_of(walk(page));
            if (kind != MMU_DATA && (kind != MMU_RODATA || !is_ours)) {
                exit(1);
            }
            n_writable += is_ours && kind == MMU_DATA;
        }
        printf("%d pages before the border: %u writable\n", before, n_writable);
    }
}

int main(int argc, char **argv)
{
    panic_hooks.putc = put;
    panic_hooks.finish = finish;
    const size_t n_tables = argc > 1 ? (size_t)atoi(argv[1]) : N_TABLES;
    void *tables = aligned_alloc(PAGE_SIZE, n_tables * PAGE_SIZE);
    srand(1);
    for (int round = 0; round < 12; round++) {
        for (uint64_t page = 0; page < N_PAGES; page++) {
            kinds[page] = MMU_NONE;
        }
        mmu_init(tables, n_tables * PAGE_SIZE);
        for (int i = 0; i < 8; i++) {
            map_at_random();
        }
        map_for_now_and_protect();
        for (uint64_t page = 0; page < N_PAGES; page++) {
            const enum mmu_kind kind = kind_of(walk((FIRST_PAGE + page) * PAGE_SIZE));
            if (kind != kinds[page]) {
                fprintf(stderr, "page %lu of round %d: kind %d, want %d\n", page, round, kind,
                        kinds[page]);
                return 1;
            }
        }
        if (mmu_tables_size() > n_tables * PAGE_SIZE) {
            return 1;
        }
    }
    free(tables);
    // The tables map themselves: they must lie where 39 bits of address reach.
    uint8_t *memory = mmap((void *)LOW_MEMORY, 8 << 20, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory != (void *)LOW_MEMORY) {
        perror("mmap");
        return 1;
    }
    seal(memory);
    printf("ok\n");
    return 0;
}
