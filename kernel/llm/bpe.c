// Byte-level BPE ("gpt2") tokenisation of one fragment of text, without special tokens.
#include "llm/bpe.h"

#include "gen/model.h"
#include "llm/pre_tokenizer.h"

static struct merged_pair rule(const struct fragment *f, uint32_t left, uint32_t right)
{
    const struct merged_pair pair = merge_find(f->symbols[left].id, f->symbols[right].id);
    if (pair.id != NO_TOKEN && f->in_turn && token_is_marker(pair.id)) {
        return (struct merged_pair){0, NO_TOKEN};
    }
    return pair;
}

static void split_bytes(struct fragment *piece)
{
    uint32_t prev = NO_SLOT;
    for (uint32_t slot = piece->first; slot < piece->end; slot++) {
        piece->symbols[slot] = (struct symbol){1, prev, byte_token(piece->text[slot - 1])};
        prev = slot;
    }
}

static void tokenize_piece(struct token_output *out, struct fragment *piece)
{
    if (IGNORE_MERGES) {
        const uint8_t *text = piece->text + piece->first - 1;
        const uint32_t id = token_find((struct text_view){text, piece->end - piece->first, false});
        if (id != NO_TOKEN) {
            token_emit(out, id);
            return;
        }
    }
    split_bytes(piece);
    merge_symbols(piece, rule);
    for (uint32_t slot = piece->first; slot < piece->end; slot += piece->symbols[slot].n) {
        if (piece->symbols[slot].id != NO_TOKEN) {
            token_emit(out, piece->symbols[slot].id);
        }
    }
}

void bpe_tokenize(struct token_output *out, struct fragment *f)
{
    struct fragment piece = *f;
    struct pre_tokenizer pieces;
    pre_tokenizer_begin(&pieces, f->text, f->first - 1, f->end - 1);
    while (piece.first < f->end) {
        piece.end = pre_tokenizer_next(&pieces) + 1;
        tokenize_piece(out, &piece);
        piece.first = piece.end;
    }
}
