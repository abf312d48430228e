// SPM ("llama") tokenisation of one fragment of text, without special tokens.
#include "llm/spm.h"

#include "gen/model.h"
#include "llm/vocabulary.h"

#define NO_SLOT 0xffffffffu
#define NO_PAIR __builtin_nanf("")

void token_emit(struct token_output *out, uint32_t id)
{
    if (out->n < out->max) {
        out->ids[out->n] = id;
    }
    out->n++;
}

static struct text_view view(const struct spm_fragment *f, uint32_t slot, uint32_t n)
{
    if (f->space_before && slot == f->first) {
        return (struct text_view){f->text + slot, n - 1, true};
    }
    return (struct text_view){f->text + slot - 1, n, false};
}

// The token that this text may become, or -1.
static int64_t find(const struct spm_fragment *f, struct text_view text)
{
    const int64_t id = token_find(text);
    return id >= 0 && f->in_turn && token_is_marker((uint32_t)id) ? -1 : id;
}

// Highest score first, then leftmost.
static bool before(struct spm_candidate a, struct spm_candidate b)
{
    return a.score > b.score || (a.score == b.score && a.left < b.left);
}

static void heap_push(struct spm_fragment *f, struct spm_candidate c)
{
    size_t i = f->n_heap++;
    while (i > 0 && before(c, f->heap[(i - 1) / 2])) {
        f->heap[i] = f->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    f->heap[i] = c;
}

static struct spm_candidate heap_pop(struct spm_fragment *f)
{
    const struct spm_candidate top = f->heap[0];
    const struct spm_candidate last = f->heap[--f->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= f->n_heap) {
            break;
        }
        if (child + 1 < f->n_heap && before(f->heap[child + 1], f->heap[child])) {
            child++;
        }
        if (!before(f->heap[child], last)) {
            break;
        }
        f->heap[i] = f->heap[child];
        i = child;
    }
    f->heap[i] = last;
    return top;
}

static void consider_pair(struct spm_fragment *f, uint32_t left)
{
    struct spm_symbol *symbol = &f->symbols[left];
    const uint32_t right = left + symbol->n;
    symbol->score = NO_PAIR;
    if (right >= f->end) {
        return;
    }
    const int64_t id = find(f, view(f, left, symbol->n + f->symbols[right].n));
    if (id >= 0) {
        symbol->score = token_score((uint32_t)id);
        heap_push(f, (struct spm_candidate){symbol->score, left});
    }
}

static uint32_t utf8_size(uint8_t lead)
{
    return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static void split_characters(struct spm_fragment *f)
{
    uint32_t prev = NO_SLOT;
    for (uint32_t slot = f->first; slot < f->end; slot += f->symbols[slot].n) {
        uint32_t n = 1;
        if (!f->space_before || slot != f->first) {
            const uint32_t size = utf8_size(f->text[slot - 1]);
            // A space is written as U+2581, so that a character it cuts short swallows some of its
            // bytes: one symbol, which no token equals.
            while (n < size && slot + n < f->end && f->text[slot + n - 2] != ' ') {
                n++;
            }
        }
        f->symbols[slot] = (struct spm_symbol){n, prev, NO_PAIR};
        prev = slot;
    }
}

static void merge_symbols(struct spm_fragment *f)
{
    f->n_heap = 0;
    for (uint32_t slot = f->first; slot < f->end; slot += f->symbols[slot].n) {
        consider_pair(f, slot);
    }
    while (f->n_heap > 0) {
        const struct spm_candidate best = heap_pop(f);
        struct spm_symbol *left = &f->symbols[best.left];
        if (left->n == 0 || !(left->score == best.score)) {
            continue; // one of the pair has been merged since
        }
        struct spm_symbol *right = &f->symbols[best.left + left->n];
        left->n += right->n;
        right->n = 0;
        if (best.left + left->n < f->end) {
            f->symbols[best.left + left->n].prev = best.left;
        }
        consider_pair(f, best.left);
        if (left->prev != NO_SLOT) {
            consider_pair(f, left->prev);
        }
    }
}

static void emit_byte(struct token_output *out, uint8_t byte)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t name[] = "<0x00>";
    name[3] = (uint8_t)digits[byte >> 4];
    name[4] = (uint8_t)digits[byte & 15];
    int64_t id = token_find((struct text_view){name, sizeof name - 1, false});
    if (id < 0) {
        id = token_find((struct text_view){&byte, 1, false});
    }
    if (id < 0) {
        id = TOKEN_UNK;
    }
    if (id >= 0) {
        token_emit(out, (uint32_t)id);
    }
}

static void emit_symbol(struct token_output *out, const struct spm_fragment *f, uint32_t slot)
{
    const struct text_view symbol = view(f, slot, f->symbols[slot].n);
    const int64_t id = find(f, symbol);
    if (id >= 0) {
        token_emit(out, (uint32_t)id);
        return;
    }
    for (size_t i = symbol.space_before ? 0 : 1; i <= symbol.n; i++) {
        if (i == 0 || symbol.text[i - 1] == ' ') {
            emit_byte(out, 0xe2);
            emit_byte(out, 0x96);
            emit_byte(out, 0x81);
        } else {
            emit_byte(out, symbol.text[i - 1]);
        }
    }
}

void spm_tokenize(struct token_output *out, struct spm_fragment *f)
{
    split_characters(f);
    merge_symbols(f);
    for (uint32_t slot = f->first; slot < f->end; slot += f->symbols[slot].n) {
        emit_symbol(out, f, slot);
    }
}
