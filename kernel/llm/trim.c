// White space around what is said, which some chat templates take away.
#include "llm/trim.h"

#include "lib/string.h"

// Where UTF-8 has white space. A first byte is never a later one: what ends a text as a whole
// character does is one.
struct spaces {
    size_t n; // bytes of each; those before the last are the same
    uint8_t first[3];
    uint8_t last; // from first[n - 1] on
};

static const struct spaces spaces[] = {
    {1, {0x09}, 0x0d},             // tab to carriage return
    {1, {0x1c}, 0x20},             // separators of files to units, space
    {2, {0xc2, 0x85}, 0x85},       // next line
    {2, {0xc2, 0xa0}, 0xa0},       // no-break space
    {3, {0xe1, 0x9a, 0x80}, 0x80}, // U+1680
    {3, {0xe2, 0x80, 0x80}, 0x8a}, // U+2000 to U+200a
    {3, {0xe2, 0x80, 0xa8}, 0xa9}, // U+2028, U+2029
    {3, {0xe2, 0x80, 0xaf}, 0xaf}, // U+202f
    {3, {0xe2, 0x81, 0x9f}, 0x9f}, // U+205f
    {3, {0xe3, 0x80, 0x80}, 0x80}, // U+3000
};

static bool is_space(const struct spaces *space, const uint8_t *text)
{
    const size_t last = space->n - 1;
    return memcmp(text, space->first, last) == 0 && text[last] >= space->first[last] &&
           text[last] <= space->last;
}

// Bytes of the one space that text begins (or ends) with, 0: none.
static size_t space_at(const uint8_t *text, size_t n, bool at_end)
{
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
        const struct spaces *space = &spaces[i];
        if (space->n <= n && is_space(space, at_end ? text + n - space->n : text)) {
            return space->n;
        }
    }
    return 0;
}

size_t trim_left(const uint8_t *text, size_t n)
{
    size_t taken = 0;
    size_t one;
    while ((one = space_at(text + taken, n - taken, false)) > 0) {
        taken += one;
    }
    return taken;
}

size_t trim_right(const uint8_t *text, size_t n)
{
    size_t taken = 0;
    size_t one;
    while ((one = space_at(text, n - taken, true)) > 0) {
        taken += one;
    }
    return taken;
}
