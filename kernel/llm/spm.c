// SPM ("llama") tokenisation of one fragment of text, without special tokens.
#include "llm/spm.h"

#include "gen/model.h"

static struct text_view view(const struct fragment *f, uint32_t slot, uint32_t n)
{
    if (f->space_before && slot == f->first) {
        return (struct text_view){f->text + slot, n - 1, true};
    }
    return (struct text_view){f->text + slot - 1, n, false};
}

// The token that this text may become.
static uint32_t find(const struct fragment *f, struct text_view text)
{
    const uint32_t id = token_find(text);
    return id != NO_TOKEN && f->in_turn && token_is_marker(id) ? NO_TOKEN : id;
}

static struct merged_pair rule(const struct fragment *f, uint32_t left, uint32_t right)
{
    const uint32_t id = find(f, view(f, left, right - left + f->symbols[right].n));
    return (struct merged_pair){id == NO_TOKEN ? 0 : token_rank(id), id};
}

static uint32_t character_size(uint8_t lead)
{
    return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static void split_characters(struct fragment *f)
{
    uint32_t prev = NO_SLOT;
    for (uint32_t slot = f->first; slot < f->end; slot += f->symbols[slot].n) {
        uint32_t n = 1;
        if (!f->space_before || slot != f->first) {
            const uint32_t size = character_size(f->text[slot - 1]);
            // A space is written as U+2581, so that a character it cuts short swallows some of its
            // bytes: one symbol, which no token equals.
            while (n < size && slot + n < f->end && f->text[slot + n - 2] != ' ') {
                n++;
            }
        }
        f->symbols[slot] = (struct symbol){n, prev, NO_TOKEN};
        prev = slot;
    }
}

static void emit_byte(struct token_output *out, uint8_t byte)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t name[] = "<0x00>";
    name[3] = (uint8_t)digits[byte >> 4];
    name[4] = (uint8_t)digits[byte & 15];
    uint32_t id = token_find((struct text_view){name, sizeof name - 1, false});
    if (id == NO_TOKEN) {
        id = token_find((struct text_view){&byte, 1, false});
    }
    if (id == NO_TOKEN && TOKEN_UNK >= 0) {
        id = (uint32_t)TOKEN_UNK;
    }
    if (id != NO_TOKEN) {
        token_emit(out, id);
    }
}

static void emit_symbol(struct token_output *out, const struct fragment *f, uint32_t slot)
{
    const struct text_view symbol = view(f, slot, f->symbols[slot].n);
    const uint32_t id = find(f, symbol);
    if (id != NO_TOKEN) {
        token_emit(out, id);
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

void spm_tokenize(struct token_output *out, struct fragment *f)
{
    split_characters(f);
    merge_symbols(f, rule);
    for (uint32_t slot = f->first; slot < f->end; slot += f->symbols[slot].n) {
        emit_symbol(out, f, slot);
    }
}
