// The plan made on the host against the machine that it runs on.
#include "platform/layout.h"

#include "arch/image.h"
#include "arch/mmu.h"
#include "dev/gic_v3.h"
#include "gen/layout.h"
#include "lib/panic.h"
#include "platform/free_ram.h"

static_assert(REGION_CORE_STACKS_SIZE == (CPU_MAX - 1) * CORE_SLOT_SIZE, "the plan has all slots");

// The RAM range that holds `address`, or an empty one.
static struct range ram_around(const struct platform *p, paddr_t address)
{
    for (int i = 0; i < p->n_ram; i++) {
        if (address >= p->ram[i].start && address < p->ram[i].end) {
            return p->ram[i];
        }
    }
    return (struct range){0, 0};
}

static void check_in_ram(const struct platform *p, const char *what, struct range r)
{
    const struct range ram = ram_around(p, r.start);
    if (ram.end == 0) {
        panic("layout: %s starts at 0x%lx, where this machine has no RAM", what, r.start);
    }
    if (r.end > ram.end) {
        panic("layout: %s ends at 0x%lx, RAM ends at 0x%lx: %lu KiB too little", what, r.end,
              ram.end, (r.end - ram.end + 1023) / 1024);
    }
}

static void check_disjoint(struct range plan, const char *what, struct range r)
{
    if (r.start < plan.end && plan.start < r.end) {
        panic("layout: %s at 0x%lx..0x%lx lies in the plan's memory, 0x%lx..0x%lx", what, r.start,
              r.end, plan.start, plan.end);
    }
}

void layout_check(struct platform *p)
{
    const paddr_t start = image_address(_start);
    const struct range plan = {start, start + LAYOUT_IMAGE_SIZE};
    p->image = plan;
    if (!IS_ALIGNED(plan.start, PAGE_SIZE)) {
        panic("layout: the image was loaded at 0x%lx, not at a multiple of 4 KiB", plan.start);
    }
    check_in_ram(p, "the plan", plan);
    check_disjoint(plan, "the device tree", p->fdt);
    for (int i = 0; i < p->n_no_map; i++) {
        check_disjoint(plan, "memory that the firmware keeps", p->no_map[i]);
    }
    // Loaders reserve the tree and the initrd too: neither lies in the plan, so nor does their
    // range.
    for (int i = 0; i < p->n_reserved; i++) {
        check_disjoint(plan, "memory that the device tree reserves", p->reserved[i]);
    }
    if (p->initrd.end != 0) {
        check_in_ram(p, "the initrd", p->initrd);
        check_disjoint(plan, "the initrd", p->initrd);
    }
}

// The pages that a range touches.
static struct range pages_of(struct range r)
{
    return (struct range){ALIGN_DOWN(r.start, PAGE_SIZE), ALIGN_UP(r.end, PAGE_SIZE)};
}

static void map_around(paddr_t start, paddr_t end, enum mmu_kind kind)
{
    const struct range pages = pages_of((struct range){start, end});
    mmu_map(pages.start, pages.end, kind);
}

// Each has its registers within a page, but for a GICv3.
static void map_device(paddr_t base)
{
    if (base != 0) {
        map_around(base, base + 1, MMU_DEVICE);
    }
}

static void map_devices(const struct devices *d)
{
    map_device(d->uart.base);
    if (d->intc.kind == INTC_GIC_V3) {
        const paddr_t first = d->intc.first, second = d->intc.second;
        map_around(first, first + GIC_V3_DISTRIBUTOR_SIZE, MMU_DEVICE);
        map_around(second, second + CPU_MAX * GIC_V3_REDISTRIBUTOR_SIZE, MMU_DEVICE);
    } else {
        map_device(d->intc.first);
        map_device(d->intc.second);
    }
    map_device(d->mailbox);
    map_device(d->pm);
    map_device(d->gpio.base);
    for (int i = 0; i < MAX_SD_HOSTS; i++) {
        map_device(d->sd[i].base);
    }
}

void layout_map(const struct platform *p)
{
    mmu_init(__page_tables_start, REGION_PAGE_TABLES_SIZE);
    for (int i = 0; i < p->n_ram; i++) {
        mmu_map(p->ram[i].start, p->ram[i].end, MMU_DATA);
    }
    mmu_map(0, PAGE_SIZE, MMU_NONE); // a null pointer faults
    for (int i = 0; i < p->n_no_map; i++) {
        const paddr_t end = p->no_map[i].end;
        if (p->no_map[i].start < MMU_SIZE_LIMIT) {
            map_around(p->no_map[i].start, end < MMU_SIZE_LIMIT ? end : MMU_SIZE_LIMIT, MMU_NONE);
        }
    }
    map_around(p->fdt.start, p->fdt.end, MMU_RODATA);
    if (p->initrd_from_card) { // it has yet to be written: layout_protect()
        const struct range pages = pages_of(p->initrd);
        mmu_map_for_now(pages.start, pages.end);
    } else {
        map_around(p->initrd.start, p->initrd.end, MMU_RODATA);
    }

    mmu_map((paddr_t)_start, (paddr_t)__text_end, MMU_TEXT);
    mmu_map((paddr_t)__rodata_start, (paddr_t)__rodata_end, MMU_RODATA);
#if BLOB_APPENDED
    mmu_map((paddr_t)__blob_start, (paddr_t)__blob_start + REGION_BLOB_SIZE, MMU_RODATA);
#endif
    mmu_map((paddr_t)__stack_guard_start, (paddr_t)__stack_guard_end, MMU_NONE);
    for (int i = 0; i < CPU_MAX - 1; i++) {
        const paddr_t slot = (paddr_t)__core_stacks_start + (paddr_t)i * CORE_SLOT_SIZE;
        mmu_map(slot, slot + CORE_GUARD_SIZE, MMU_NONE);
    }
    if (p->initrd_from_card) {
        mmu_map_for_now((paddr_t)__page_tables_start, (paddr_t)__page_tables_end);
    } else {
        mmu_map((paddr_t)__page_tables_start, (paddr_t)__page_tables_end, MMU_RODATA); // final
    }

    map_devices(&p->devices);
    mmu_enable();
}

void layout_protect(const struct platform *p)
{
    if (p->initrd_from_card) {
        const struct range model = pages_of(p->initrd);
        mmu_protect(model.start, model.end);
        mmu_seal();
    }
}

uint8_t *layout_kv_cache(struct platform *p)
{
#if REGION_KV_CACHE_SIZE == 0
    (void)p;
    return (uint8_t *)image_address(__activations_start); // keys of one pass are among them
#elif KV_CACHE_IN_IMAGE
    (void)p;
    return (uint8_t *)image_address(__kv_cache_start);
#else
    const uint64_t block = 2ull << 20; // what the MMU maps at once, and the TLB holds
    return (uint8_t *)free_ram_take(p, "the KV cache", REGION_KV_CACHE_SIZE, block);
#endif
}
