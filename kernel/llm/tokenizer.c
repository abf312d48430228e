// SPM tokenizer: special tokens are cut out, the text between them is merged from characters.
#include "llm/tokenizer.h"

#include "gen/layout.h"
#include "gen/model.h"
#include "lib/string.h"
#include "llm/spm.h"
#include "llm/vocabulary.h"

// Before a fragment is tokenised, its symbols' n says what their bytes are part of.
enum { RAW = 0, SPECIAL_FIRST = 1, SPECIAL_REST = 2 }; // SPECIAL_FIRST: prev holds the id

static_assert(TOK_SCRATCH_BYTES(0) == SPM_SYMBOLS(0) * sizeof(struct spm_symbol) &&
                  TOK_SCRATCH_BYTES(1) == SPM_SYMBOLS(1) * sizeof(struct spm_symbol) +
                                              SPM_CANDIDATES(1) * sizeof(struct spm_candidate),
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

static bool contains(const uint8_t *text, size_t n, const uint8_t *part, size_t n_part)
{
    for (size_t i = 0; i + n_part <= n; i++) {
        if (text[i] == part[0] && memcmp(text + i, part, n_part) == 0) {
            return true;
        }
    }
    return false;
}

// The special tokens in the text, longest first, then by id.
static size_t find_specials(uint32_t *ids, const uint8_t *text, size_t n, unsigned flags)
{
    size_t n_ids = 0;
    for (uint32_t id = 0; id < N_VOCAB; id++) {
        if (!is_special(id, flags)) {
            continue;
        }
        uint32_t n_part;
        const uint8_t *part = token_text(id, &n_part);
        if (n_part == 0 || !contains(text, n, part, n_part)) {
            continue;
        }
        size_t i = n_ids++;
        for (; i > 0; i--) {
            uint32_t n_other;
            token_text(ids[i - 1], &n_other);
            if (n_other >= n_part) {
                break;
            }
            ids[i] = ids[i - 1];
        }
        ids[i] = id;
    }
    return n_ids;
}

static void mark_special(struct spm_symbol *symbols, const uint8_t *text, size_t n, uint32_t id)
{
    uint32_t n_part;
    const uint8_t *part = token_text(id, &n_part);
    for (size_t i = 0; i + n_part <= n;) {
        size_t k = 0;
        while (k < n_part && symbols[i + 1 + k].n == RAW && text[i + k] == part[k]) {
            k++;
        }
        if (k < n_part) {
            i++;
            continue;
        }
        for (k = 0; k < n_part; k++) {
            symbols[i + 1 + k].n = SPECIAL_REST;
        }
        symbols[i + 1] = (struct spm_symbol){.n = SPECIAL_FIRST, .prev = id};
        i += n_part;
    }
}

int tokenize(uint32_t *ids, int max_ids, const uint8_t *text, size_t n, unsigned flags)
{
    if (n >= ACT_SCRATCH_SIZE || TOK_SCRATCH_BYTES(n) > ACT_SCRATCH_SIZE) {
        return TOK_TEXT_TOO_LONG;
    }
    struct token_output out = {ids, max_ids, 0};
    struct spm_symbol *symbols = (struct spm_symbol *)(void *)(__activations_start + ACT_SCRATCH);
    struct spm_candidate *heap = (struct spm_candidate *)(void *)(symbols + SPM_SYMBOLS(n));
    uint32_t *specials = (uint32_t *)(void *)(__session_start + SESSION_CANDIDATES);

    if ((flags & TOK_ADD_SPECIAL) && ADD_BOS && TOKEN_BOS >= 0) {
        token_emit(&out, (uint32_t)TOKEN_BOS);
    }
    for (size_t i = 0; i < n; i++) {
        symbols[i + 1].n = RAW;
    }
    const size_t n_specials = find_specials(specials, text, n, flags);
    for (size_t i = 0; i < n_specials; i++) {
        mark_special(symbols, text, n, specials[i]);
    }
    bool after_special = true; // the text's beginning counts as one
    for (uint32_t i = 0; i < n;) {
        if (symbols[i + 1].n == SPECIAL_FIRST) {
            token_emit(&out, symbols[i + 1].prev);
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
        struct spm_fragment f = {
            text, symbols, heap, 0, space ? i : i + 1, end + 1, space, flags & TOK_IN_TURN,
        };
        spm_tokenize(&out, &f);
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
        if (n - i >= 3 && text[i] == 0xe2 && text[i + 1] == 0x96 && text[i + 2] == 0x81) {
            piece[size++] = ' ';
            i += 2;
        } else {
            piece[size++] = text[i];
        }
    }
    return size;
}
