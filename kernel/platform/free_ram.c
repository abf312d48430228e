// Which RAM is nobody's, and taking some of it.
#include "platform/free_ram.h"

#include "arch/mmu.h"
#include "lib/panic.h"

static bool overlap(struct range a, struct range b)
{
    return a.start < b.end && b.start < a.end;
}

// The end of a range in use that `wanted` would overlap; 0: none of these.
static paddr_t in_use_until(struct range wanted, const struct range *used, int n)
{
    for (int i = 0; i < n; i++) {
        if (overlap(wanted, used[i])) {
            return used[i].end;
        }
    }
    return 0;
}

// Below the image lie page 0 and what the firmware keeps for itself, and not every tree says so.
static struct range below_image(const struct platform *p, struct range ram)
{
    const bool image_inside = overlap(p->image, ram);
    return (struct range){ram.start, image_inside ? p->image.start : ram.start};
}

// The same for everything that this machine keeps.
static paddr_t busy_until(const struct platform *p, struct range wanted, struct range ram)
{
    const struct range single[] = {p->image, p->fdt, p->initrd, below_image(p, ram)};
    paddr_t end = in_use_until(wanted, single, ARRAY_SIZE(single));
    end = end != 0 ? end : in_use_until(wanted, p->no_map, p->n_no_map);
    end = end != 0 ? end : in_use_until(wanted, p->reserved, p->n_reserved);
    return end != 0 ? end : in_use_until(wanted, p->taken, p->n_taken);
}

// The first address in `ram` where so many bytes are free; 0: there is none. Each step passes a
// whole range in use.
static paddr_t first_free(const struct platform *p, struct range ram, uint64_t size_bytes,
                          uint64_t align)
{
    paddr_t start = ALIGN_UP(ram.start > PAGE_SIZE ? ram.start : PAGE_SIZE, align);
    while (start < ram.end && ram.end - start >= size_bytes) {
        const paddr_t busy = busy_until(p, (struct range){start, start + size_bytes}, ram);
        if (busy == 0) {
            return start;
        }
        start = busy < ram.end ? ALIGN_UP(busy, align) : ram.end;
    }
    return 0;
}

paddr_t free_ram_take(struct platform *p, const char *what, uint64_t size_bytes, uint64_t align)
{
    for (int i = 0; i < p->n_ram; i++) {
        const paddr_t start = first_free(p, p->ram[i], size_bytes, align);
        if (start != 0) {
            ASSERT(p->n_taken < PLATFORM_MAX_TAKEN);
            p->taken[p->n_taken++] = (struct range){start, start + size_bytes};
            return start;
        }
    }
    uint64_t total = 0;
    for (int i = 0; i < p->n_ram; i++) {
        total += p->ram[i].end - p->ram[i].start;
    }
    panic("layout: %s needs %lu KiB in one piece, and none of this machine's %lu KiB of RAM in %d "
          "ranges has so much that is free",
          what, size_bytes / 1024, total / 1024, p->n_ram);
}
