// Special tokens are cut out, the text between them goes to the tokenizer of the vocabulary's kind.
#include "llm/tokenizer.h"

#include "gen/layout.h"
#include "gen/model.h"
#include "lib/string.h"
#include "llm/bpe.h"
#include "llm/spm.h"
#include "llm/utf8.h"
#include "llm/vocabulary.h"
#include "llm/wordpiece.h"

// Before a fragment is tokenised, its symbols' n says what their bytes are part of.
enum { RAW = 0, SPECIAL_FIRST = 1, SPECIAL_REST = 2 }; // SPECIAL_FIRST: id is its id

static_assert(TOK_SCRATCH_BYTES(0) == MERGE_SYMBOLS(0) * sizeof(struct symbol) &&
                  TOK_SCRATCH_BYTES(1) == MERGE_SYMBOLS(1) * sizeof(struct symbol) +
                                              MERGE_CANDIDATES(1) * sizeof(struct merge_candidate),
              "as the plan sizes it");

static bool is_special(uint32_t id, unsigned flags)
{
    const int type = token_type(id);
    if ((flags & TOK_IN_TURN) && token_is_marker(id)) {
        return false;
    }
    return type == TOKEN_TYPE_USER_DEFINED ||
           ((flags & TOK_PARSE_SPECIAL) &&
            (type == TOKEN_TYPE_CONTROL || type == TOKEN_TYPE_UNKNOWN));
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// special: an entry of BLOB_TOKEN_SPECIAL.
static void mark_special(struct symbol *symbols, const uint8_t *text, size_t n, uint32_t special)
{
    const uint32_t id = special & ~SPECIAL_SWALLOWS_SPACE;
    uint32_t n_part;
    const uint8_t *part = token_text(id, &n_part);
    for (size_t i = 0; i + n_part <= n;) {
        size_t k = 0;
        while (k < n_part && text[i + k] == part[k] && symbols[i + 1 + k].n == RAW) {
            k++;
        }
        if (k < n_part) {
            i++;
            continue;
        }
        for (k = 0; k < n_part; k++) {
            symbols[i + 1 + k].n = SPECIAL_REST;
        }
        symbols[i + 1] = (struct symbol){.n = SPECIAL_FIRST, .id = id};
        i += n_part;
        while ((special & SPECIAL_SWALLOWS_SPACE) && i < n && symbols[i + 1].n == RAW &&
               is_space(text[i])) {
            symbols[++i].n = SPECIAL_REST;
        }
    }
}

// The longest first, each in all of the text that no longer one has taken.
static void mark_specials(struct symbol *symbols, const uint8_t *text, size_t n, unsigned flags)
{
    bool occurs[256] = {false}; // most texts hold no byte that a special token begins with
    for (size_t i = 0; i < n; i++) {
        symbols[i + 1].n = RAW;
        occurs[text[i]] = true;
    }
    const uint32_t *specials = table_u32(BLOB_TOKEN_SPECIAL);
    for (const uint32_t *special = specials; special != specials + N_SPECIAL; special++) {
        const uint32_t id = *special & ~SPECIAL_SWALLOWS_SPACE;
        uint32_t n_part;
        const uint8_t *part = token_text(id, &n_part);
        if (n_part <= n && occurs[part[0]] && is_special(id, flags)) {
            mark_special(symbols, text, n, *special);
        }
    }
}

static void tokenize_fragment(struct token_output *out, struct fragment *f)
{
    switch (TOKENIZER) {
    case TOKENIZER_LLAMA:
        spm_tokenize(out, f);
        break;
    case TOKENIZER_GPT2:
        bpe_tokenize(out, f);
        break;
    case TOKENIZER_BERT:
        wordpiece_tokenize(out, f);
        break;
    }
}

// Byte-level BPE merges bytes, but its models have learnt from text: a byte that is part of no
// character becomes U+FFFD, as in llama.cpp. If there is one, *text becomes a copy at the end of
// ACT_SCRATCH. False: the copy and the work on it do not fit.
static bool make_valid(const uint8_t **text, size_t *n)
{
    static const uint8_t replacement[] = {0xef, 0xbf, 0xbd};
    size_t size = 0;
    uint32_t n_char;
    for (size_t i = 0; i < *n; i += n_char) {
        n_char = utf8_size(*text + i, *n - i);
        size += n_char > 0 ? n_char : sizeof replacement;
        n_char += n_char == 0;
    }
    if (size == *n) {
        return true;
    }
    if (TOK_SCRATCH_BYTES(size) + size > ACT_SCRATCH_SIZE) {
        return false;
    }
    uint8_t *const copy = __activations_start + ACT_SCRATCH + ACT_SCRATCH_SIZE - size;
    uint8_t *end = copy;
    for (size_t i = 0; i < *n; i += n_char) {
        n_char = utf8_size(*text + i, *n - i);
        const bool bad = n_char == 0;
        memcpy(end, bad ? replacement : *text + i, bad ? sizeof replacement : n_char);
        end += bad ? sizeof replacement : n_char;
        n_char += bad;
    }
    *text = copy;
    *n = size;
    return true;
}

int tokenize(uint32_t *ids, int max_ids, const uint8_t *text, size_t n, unsigned flags)
{
    if (n >= ACT_SCRATCH_SIZE || TOK_SCRATCH_BYTES(n) > ACT_SCRATCH_SIZE ||
        (TOKENIZER == TOKENIZER_GPT2 && !make_valid(&text, &n))) {
        return TOK_TEXT_TOO_LONG;
    }
    struct token_output out = {ids, max_ids, 0};
    struct symbol *symbols = (struct symbol *)(void *)(__activations_start + ACT_SCRATCH);
    struct merge_candidate *heap = (struct merge_candidate *)(void *)(symbols + MERGE_SYMBOLS(n));

    if ((flags & TOK_ADD_SPECIAL) && ADD_BOS && TOKEN_BOS >= 0) {
        token_emit(&out, (uint32_t)TOKEN_BOS);
    }
    mark_specials(symbols, text, n, flags);
    bool after_special = true; // the text's beginning counts as one
    for (uint32_t i = 0; i < n;) {
        if (symbols[i + 1].n == SPECIAL_FIRST) {
            token_emit(&out, symbols[i + 1].id);
            after_special = true;
            do {
                i++;
            } while (i < n && symbols[i + 1].n == SPECIAL_REST);
            continue;
        }
        uint32_t end = i;
        while (end < n && symbols[end + 1].n == RAW) {
            end++;
        }
        const bool space = ADD_SPACE_PREFIX && after_special;
        struct fragment f = {
            text, symbols, heap, space ? i : i + 1, end + 1, space, flags & TOK_IN_TURN,
        };
        tokenize_fragment(&out, &f);
        after_special = false;
        i = end;
    }
    if ((flags & TOK_ADD_SPECIAL) && ADD_EOS && TOKEN_EOS >= 0) {
        token_emit(&out, (uint32_t)TOKEN_EOS);
    }
    return out.n <= max_ids ? out.n : -out.n;
}

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

size_t token_piece(uint8_t *piece, uint32_t id)
{
    if (id >= N_VOCAB) {
        return 0;
    }
    uint32_t n;
    const uint8_t *text = token_text(id, &n);
    switch (token_type(id)) {
    case TOKEN_TYPE_BYTE: // <0xXX>
        if (n != 6 || hex_digit(text[3]) < 0 || hex_digit(text[4]) < 0) {
            return 0;
        }
        piece[0] = (uint8_t)(hex_digit(text[3]) << 4 | hex_digit(text[4]));
        return 1;
    case TOKEN_TYPE_NORMAL:
    case TOKEN_TYPE_USER_DEFINED:
        break;
    default:
        return 0;
    }
    size_t size = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (TOKENIZER != TOKENIZER_GPT2 && n - i >= 3 && text[i] == 0xe2 && text[i + 1] == 0x96 &&
            text[i + 2] == 0x81) {
            piece[size++] = ' ';
            i += 2;
        } else {
            piece[size++] = text[i];
        }
    }
    return size;
}
