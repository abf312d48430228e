// Which board is it?
#include "platform/board.h"

#include "gen/board.h"
#include "lib/text.h"

static const struct board boards[] = {BOARDS};

// The compiler must not see which row: it would turn a search into a table of pointers to the rows,
// which would need relocations.
static const struct board *row(size_t i)
{
    __asm__("" : "+r"(i));
    return &boards[i];
}

#define REVISION_IS_NEW         (1u << 23) // the code has fields
#define REVISION_TYPE(revision) ((revision) >> 4 & 0xff)

static bool is_compatible(const struct board *board, const char *name)
{
    for (int i = 0; i < BOARD_MAX_COMPATIBLES && board->compatible[i][0] != '\0'; i++) {
        if (text_is_equal(board->compatible[i], name)) {
            return true;
        }
    }
    return false;
}

const struct board *board_of_tree(struct fdt_property compatible, unsigned el)
{
    uint32_t cursor = 0;
    const char *name;
    const struct board *found = NULL;
    while (found == NULL && (name = fdt_next_string(compatible, &cursor)) != NULL) {
        for (size_t i = 0; i < ARRAY_SIZE(boards); i++) {
            const bool fits = is_compatible(row(i), name);
            if (fits && row(i)->entry_el == el) {
                return row(i);
            }
            found = fits && found == NULL ? row(i) : found;
        }
    }
    return found;
}

static bool has_ram_at(const struct board *board, paddr_t address)
{
    for (int i = 0; i < BOARD_MAX_RANGES; i++) {
        if (address >= board->ram[i].start && address < board->ram[i].end) {
            return true;
        }
    }
    return false;
}

const struct board *board_of_place(paddr_t image, unsigned cpu_part, unsigned el)
{
    for (size_t i = 0; i < ARRAY_SIZE(boards); i++) {
        const struct board *board = row(i);
        if (has_ram_at(board, image) && board->entry_el == el &&
            (board->cpu_part == 0 || board->cpu_part == cpu_part)) {
            return board;
        }
    }
    return NULL;
}

const struct board *board_of_revision(uint32_t revision, const struct board *otherwise)
{
    const uint32_t type = REVISION_TYPE(revision);
    for (size_t i = 0; (revision & REVISION_IS_NEW) && i < ARRAY_SIZE(boards); i++) {
        const struct board *board = row(i);
        for (int j = 0; j < BOARD_MAX_PI_MODELS && board->pi_models[j] != 0; j++) {
            if (board->pi_models[j] == type) {
                return board;
            }
        }
    }
    return otherwise;
}
