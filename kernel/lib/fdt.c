// Flattened device tree reader. Every offset of the blob is checked before it is followed.
#include "lib/fdt.h"

#include "lib/format.h"
#include "lib/string.h"

#define FDT_MAGIC       0xd00dfeedu
#define FDT_HEADER_SIZE 40
#define FDT_VERSION     17 // since 2007; later ones promise to be readable as 17

enum token { TOKEN_BEGIN_NODE = 1, TOKEN_END_NODE, TOKEN_PROP, TOKEN_NOP, TOKEN_END = 9 };

static uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// Is [offset, offset + size) inside `limit` bytes?
static bool fits(uint32_t offset, uint32_t size, uint32_t limit)
{
    return offset <= limit && size <= limit - offset;
}

bool fdt_open(struct fdt *fdt, const void *blob, uint32_t size_limit, char *why, size_t why_size)
{
    const uint8_t *p = blob;
    if (p == NULL || !IS_ALIGNED((uintptr_t)p, 8) || load_be32(p) != FDT_MAGIC) {
        format(why, why_size, "none, x0 is 0x%lx", (uintptr_t)p);
        return false;
    }
    // A loader may leave room behind the tree for more, as much as the tree again: not looked at.
    const uint32_t limit = size_limit < FDT_MAX_SIZE ? size_limit : FDT_MAX_SIZE;
    const uint32_t total = load_be32(p + 4), size = total < limit ? total : limit;
    const uint32_t nodes = load_be32(p + 8), strings = load_be32(p + 12);
    const uint32_t version = load_be32(p + 20), last_compatible = load_be32(p + 24);
    const uint32_t strings_size = load_be32(p + 32), nodes_size = load_be32(p + 36);
    if (size < FDT_HEADER_SIZE) {
        format(why, why_size, "that at 0x%lx has a size of %u", (uintptr_t)p, total);
        return false;
    }
    if (version < FDT_VERSION || last_compatible > FDT_VERSION) {
        format(why, why_size, "that at 0x%lx has version %u, to be read as %u, not %u",
               (uintptr_t)p, version, last_compatible, FDT_VERSION);
        return false;
    }
    if (!IS_ALIGNED(nodes, 4u) || !fits(nodes, nodes_size, size) ||
        !fits(strings, strings_size, size)) {
        format(why, why_size, "that at 0x%lx has nodes or names outside its first %u bytes",
               (uintptr_t)p, size);
        return false;
    }
    *fdt = (struct fdt){p, size, p + nodes, p + strings, nodes_size, strings_size};
    struct fdt_node root = {0};
    if (!fdt_next(fdt, &root)) {
        format(why, why_size, "that at 0x%lx has no root node", (uintptr_t)p);
        return false;
    }
    return true;
}

// One token of the structure block, decoded.
struct item {
    enum token token;
    const char *name; // of the node or property, terminated inside its block
    struct fdt_property value;
};

// The length of the string at `offset` of a block, or -1 if it has no end there.
static int string_length(const uint8_t *block, uint32_t block_size, uint32_t offset)
{
    for (uint32_t i = offset; i < block_size; i++) {
        if (block[i] == 0) {
            return (int)(i - offset);
        }
    }
    return -1;
}

// Reads the token at *offset and moves on. Damage reads as the end of the tree.
static struct item read_item(const struct fdt *fdt, uint32_t *offset)
{
    const struct item end = {.token = TOKEN_END};
    const uint8_t *nodes = fdt->nodes;
    const uint32_t size = fdt->nodes_size;
    if (!IS_ALIGNED(*offset, 4u) || !fits(*offset, 4, size)) {
        return end;
    }
    struct item item = {.token = load_be32(nodes + *offset)};
    uint32_t next = *offset + 4;
    if (item.token == TOKEN_BEGIN_NODE) {
        const int length = string_length(nodes, size, next);
        if (length < 0) {
            return end;
        }
        item.name = (const char *)nodes + next;
        next += ALIGN_UP((uint32_t)length + 1, 4u);
    } else if (item.token == TOKEN_PROP) {
        if (!fits(next, 8, size)) {
            return end;
        }
        const uint32_t value_size = load_be32(nodes + next), name = load_be32(nodes + next + 4);
        next += 8;
        if (!fits(next, value_size, size) || name >= fdt->strings_size) {
            return end;
        }
        item.name = (const char *)fdt->strings + name; // fdt_get() checks that it ends
        item.value = (struct fdt_property){nodes + next, value_size};
        next += ALIGN_UP(value_size, 4u);
    } else if (item.token != TOKEN_END_NODE && item.token != TOKEN_NOP) {
        return end;
    }
    *offset = next;
    return item;
}

bool fdt_next(const struct fdt *fdt, struct fdt_node *node)
{
    uint32_t offset = 0;
    int depth = -1;
    if (node->started) {
        offset = (uint32_t)node->offset;
        depth = node->depth;
        read_item(fdt, &offset); // its own begin token
    }
    for (;;) {
        const uint32_t at = offset;
        const struct item item = read_item(fdt, &offset);
        if (item.token == TOKEN_END) {
            return false;
        }
        if (item.token == TOKEN_END_NODE && --depth < 0) {
            node->whole = node->started;
            return false; // the root's: nothing may follow
        }
        if (item.token == TOKEN_BEGIN_NODE) {
            if (++depth >= FDT_MAX_DEPTH) {
                return false;
            }
            node->offset = (int)at;
            node->depth = depth;
            node->name = item.name;
            node->path[depth] = (int)at;
            node->started = true;
            return true;
        }
    }
}

bool fdt_reservation(const struct fdt *fdt, uint32_t index, uint64_t *address, uint64_t *size)
{
    const uint32_t map = load_be32(fdt->blob + 16);
    const uint32_t entry_size = 16;
    if (!IS_ALIGNED(map, 8u) || !fits(map, 0, fdt->size) ||
        index >= (fdt->size - map) / entry_size) {
        return false;
    }
    const struct fdt_property entry = {fdt->blob + map + index * entry_size, entry_size};
    uint32_t cursor = 0;
    return fdt_cells(entry, &cursor, 2, address) && fdt_cells(entry, &cursor, 2, size) &&
           (*address != 0 || *size != 0);
}

struct fdt_property fdt_get(const struct fdt *fdt, int node_offset, const char *name)
{
    const struct fdt_property none = {NULL, 0};
    if (node_offset < 0) {
        return none;
    }
    const size_t n = strlen(name) + 1;
    uint32_t offset = (uint32_t)node_offset;
    read_item(fdt, &offset);
    for (;;) {
        const struct item item = read_item(fdt, &offset);
        if (item.token == TOKEN_PROP) {
            const size_t left =
                fdt->strings_size - (size_t)((const uint8_t *)item.name - fdt->strings);
            if (n <= left && memcmp(item.name, name, n) == 0) {
                return item.value;
            }
        } else if (item.token != TOKEN_NOP) {
            return none; // properties come before children
        }
    }
}

const char *fdt_next_string(struct fdt_property list, uint32_t *cursor)
{
    const int length = string_length(list.data, list.size, *cursor);
    if (length < 0) {
        return NULL;
    }
    const char *text = (const char *)list.data + *cursor;
    *cursor += (uint32_t)length + 1;
    return text;
}

bool fdt_is_enabled(const struct fdt *fdt, int offset)
{
    const struct fdt_property status = fdt_get(fdt, offset, "status");
    const char *text = fdt_string(status);
    return status.data == NULL || memcmp(text, "ok", strlen(text) < 2 ? 1 : 2) == 0;
}

const char *fdt_string(struct fdt_property property)
{
    return string_length(property.data, property.size, 0) < 0 ? "" : (const char *)property.data;
}

bool fdt_cells(struct fdt_property property, uint32_t *cursor, uint32_t n_cells, uint64_t *value)
{
    if (n_cells > 2 || !fits(*cursor, 4 * n_cells, property.size)) {
        return false;
    }
    *value = 0;
    for (uint32_t i = 0; i < n_cells; i++, *cursor += 4) {
        *value = *value << 32 | load_be32(property.data + *cursor);
    }
    return true;
}

// #address-cells or #size-cells of a bus.
static uint32_t cell_count(const struct fdt *fdt, int bus, const char *name, uint32_t otherwise)
{
    uint32_t cursor = 0;
    uint64_t n = 0;
    return fdt_cells(fdt_get(fdt, bus, name), &cursor, 1, &n) ? (uint32_t)n : otherwise;
}

// From an address on `bus` to one on `parent`. An empty `ranges` means the same address.
static bool translate(const struct fdt *fdt, int bus, int parent, uint64_t *address)
{
    const struct fdt_property ranges = fdt_get(fdt, bus, "ranges");
    const uint32_t bus_cells = cell_count(fdt, bus, "#address-cells", 2);
    const uint32_t size_cells = cell_count(fdt, bus, "#size-cells", 1);
    const uint32_t parent_cells = cell_count(fdt, parent, "#address-cells", 2);
    uint64_t from, to, size;
    for (uint32_t at = 0; at < ranges.size;) {
        if (!fdt_cells(ranges, &at, bus_cells, &from) ||
            !fdt_cells(ranges, &at, parent_cells, &to) ||
            !fdt_cells(ranges, &at, size_cells, &size)) {
            return false;
        }
        if (bus_cells + parent_cells + size_cells == 0) {
            return false; // no progress
        }
        if (*address >= from && *address - from < size) {
            *address = *address - from + to;
            return true;
        }
    }
    return ranges.data != NULL && ranges.size == 0;
}

bool fdt_reg(const struct fdt *fdt, const struct fdt_node *node, uint32_t index, uint64_t *address,
             uint64_t *size)
{
    if (node->depth < 1) {
        return false;
    }
    const struct fdt_property reg = fdt_get(fdt, node->offset, "reg");
    const int bus = node->path[node->depth - 1];
    const uint32_t address_cells = cell_count(fdt, bus, "#address-cells", 2);
    const uint32_t size_cells = cell_count(fdt, bus, "#size-cells", 1);
    if (address_cells > 2 || size_cells > 2 || index > reg.size) {
        return false;
    }
    uint32_t cursor = index * 4 * (address_cells + size_cells);
    if (!fdt_cells(reg, &cursor, address_cells, address) ||
        !fdt_cells(reg, &cursor, size_cells, size) || address_cells == 0) {
        return false;
    }
    for (int depth = node->depth - 1; depth > 0; depth--) {
        if (!translate(fdt, node->path[depth], node->path[depth - 1], address)) {
            return false;
        }
    }
    return true;
}

uint64_t fdt_dma_offset(const struct fdt *fdt, const struct fdt_node *node)
{
    if (node->depth < 2) {
        return 0;
    }
    const int bus = node->path[node->depth - 1], parent = node->path[node->depth - 2];
    const struct fdt_property ranges = fdt_get(fdt, bus, "dma-ranges");
    uint64_t from, to;
    uint32_t at = 0;
    if (!fdt_cells(ranges, &at, cell_count(fdt, bus, "#address-cells", 2), &from) ||
        !fdt_cells(ranges, &at, cell_count(fdt, parent, "#address-cells", 2), &to)) {
        return 0;
    }
    return from - to;
}
