// Cuts text into the pieces that byte-level BPE merges, by automata of the model's regexes.
//
// Each regex cuts the pieces of the one before; what lies between its matches stays as a piece. The
// tables are those of harness/vocabulary/automaton.py: an entry tells whether the text before a
// character was a match, and the state after it.
#include "llm/pre_tokenizer.h"

#include "gen/model.h"
#include "lib/panic.h"
#include "llm/utf8.h"
#include "llm/vocabulary.h"

#define CLASS_END     0 // no character: the text ends
#define STATE_DEAD    0 // nothing can match any more
#define ENTRY_MATCHED 0x80u

static_assert(N_PRE_REGEXES <= MAX_PRE_REGEXES, "as many ends are kept");

static uint32_t class_of(uint32_t code_point)
{
    const uint32_t *classes = table_u32(BLOB_PRE_CLASS);
    uint32_t low = 0;
    uint32_t high = N_PRE_RUNS;
    while (high - low > 1) { // the last run that does not begin behind the character
        const uint32_t mid = low + (high - low) / 2;
        if (classes[mid] >> 8 <= code_point) {
            low = mid;
        } else {
            high = mid;
        }
    }
    return classes[low] & 0xff;
}

// Where the match at `from` ends; `from`: there is none.
static size_t match(size_t regex, const uint8_t *text, size_t from, size_t to)
{
    const uint8_t *table = model_blob + BLOB_PRE_TABLE;
    uint32_t state = model_blob[BLOB_PRE_START + regex];
    size_t end = from;
    size_t at = from;
    while (state != STATE_DEAD) {
        const uint32_t n = at < to ? utf8_size(text + at, to - at) : 0;
        const uint32_t class = n > 0 ? class_of(utf8_code_point(text + at, n)) : CLASS_END;
        const uint32_t entry = table[state * N_PRE_CLASSES + class];
        if (entry & ENTRY_MATCHED) {
            end = at;
        }
        state = entry & ~ENTRY_MATCHED;
        at += n;
    }
    return end;
}

static size_t piece_end(size_t regex, const uint8_t *text, size_t from, size_t to)
{
    size_t end = match(regex, text, from, to);
    if (end > from) {
        return end;
    }
    do {
        const size_t n = utf8_size(text + end, to - end);
        ASSERT(n > 0); // the text is UTF-8, and so are the tokens that were cut out of it
        end += n;
    } while (end < to && match(regex, text, end, to) == end);
    return end;
}

void pre_tokenizer_begin(struct pre_tokenizer *p, const uint8_t *text, size_t from, size_t to)
{
    p->text = text;
    p->end[0] = to;
    for (size_t i = 1; i <= N_PRE_REGEXES; i++) {
        p->end[i] = from;
    }
}

size_t pre_tokenizer_next(struct pre_tokenizer *p)
{
    const size_t from = p->end[N_PRE_REGEXES];
    for (size_t i = 1; i <= N_PRE_REGEXES; i++) {
        if (p->end[i] == from) {
            p->end[i] = piece_end(i - 1, p->text, from, p->end[i - 1]);
        }
    }
    return p->end[N_PRE_REGEXES];
}
