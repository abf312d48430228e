// Flattened device tree reader (Devicetree Specification v0.4, chapter 5). Trusts nothing: a
// damaged or hostile tree gives fewer answers, never an access outside the blob.
#pragma once

#include "lib/types.h"

#define FDT_MAX_SIZE  (2u << 20) // Linux, booting.rst: a tree is at most 2 MiB
#define FDT_MAX_DEPTH 16
#define FDT_NONE      (-1)

struct fdt {
    const uint8_t *blob;
    uint32_t size;          // of the whole blob
    const uint8_t *nodes;   // structure block
    const uint8_t *strings; // property names
    uint32_t nodes_size, strings_size;
};

// A value inside the tree; data is NULL when there is none.
struct fdt_property {
    const uint8_t *data;
    uint32_t size;
};

// Walks all nodes, parents before children. Zero-initialise, then fdt_next() until it says false.
struct fdt_node {
    int offset;              // of the node's token in the structure block
    int depth;               // root: 0
    const char *name;        // with its unit address
    int path[FDT_MAX_DEPTH]; // offsets of the node (path[depth]) and of its parents
    bool started;
    bool whole; // once fdt_next() has said false: the tree has ended where its root node does
};

// False: no tree, or none that can be read safely at all; why, for a person. Reads 40 bytes, then
// at most size_limit, whatever room the header says there is.
bool fdt_open(struct fdt *fdt, const void *blob, uint32_t size_limit, char *why, size_t why_size);

bool fdt_next(const struct fdt *fdt, struct fdt_node *node);

// The `index`th entry of the memory reservation block. False: the block ends before.
bool fdt_reservation(const struct fdt *fdt, uint32_t index, uint64_t *address, uint64_t *size);

// The property of the node at this offset (FDT_NONE: no property).
struct fdt_property fdt_get(const struct fdt *fdt, int offset, const char *name);

// The string at *cursor of a list of strings (`compatible`), which moves on. NULL: no more.
const char *fdt_next_string(struct fdt_property list, uint32_t *cursor);
bool fdt_is_enabled(const struct fdt *fdt, int offset); // `status` absent or okay

// A property as text: "" unless it is a terminated string.
const char *fdt_string(struct fdt_property property);

// n_cells (1 or 2) big-endian cells at *cursor, which moves on. False: the property ends before.
bool fdt_cells(struct fdt_property property, uint32_t *cursor, uint32_t n_cells, uint64_t *value);

// The `index`th (address, size) of `reg`, translated to a CPU address through the `ranges` of the
// parents. False: no such entry, or no CPU address.
bool fdt_reg(const struct fdt *fdt, const struct fdt_node *node, uint32_t index, uint64_t *address,
             uint64_t *size);

// What a device on this node's bus adds to the address of memory, by the first of the bus's
// `dma-ranges`; 0 without any.
uint64_t fdt_dma_offset(const struct fdt *fdt, const struct fdt_node *node);
