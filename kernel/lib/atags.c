// ATAG reader. Each tag: its length in words, a number, values.
#include "lib/atags.h"

#define ATAG_CORE    0x54410001u
#define ATAG_MEM     0x54410002u // size, start
#define ATAG_INITRD2 0x54420005u // start, size
#define MAX_WORDS    1024u
#define HEADER_WORDS 2u

bool atags_read(struct atags *atags, const void *list)
{
    const volatile uint32_t *words = list; // written by somebody the compiler does not know
    *atags = (struct atags){.n_memory = 0};
    if (list == NULL || !IS_ALIGNED((uintptr_t)list, 4) || words[1] != ATAG_CORE) {
        return false;
    }
    for (uint32_t at = 0; at + HEADER_WORDS + 2 <= MAX_WORDS;) {
        const uint32_t length = words[at], tag = words[at + 1];
        if (length < HEADER_WORDS || length > MAX_WORDS) {
            break; // ATAG_NONE has length 0
        }
        const uint32_t a = words[at + 2], b = words[at + 3];
        if (tag == ATAG_MEM && length >= HEADER_WORDS + 2 && atags->n_memory < ATAGS_MAX_MEMORY) {
            atags->memory[atags->n_memory].start = b;
            atags->memory[atags->n_memory++].size = a;
        } else if (tag == ATAG_INITRD2 && length >= HEADER_WORDS + 2) {
            atags->initrd_start = a;
            atags->initrd_size = b;
        }
        at += length;
    }
    return true;
}
