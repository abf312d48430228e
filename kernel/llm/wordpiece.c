// WordPiece ("bert") tokenisation of one fragment of text, without special tokens.
#include "llm/wordpiece.h"

#include "gen/model.h"
#include "lib/string.h"
#include "llm/utf8.h"

// A run of characters that fold alike: harness/vocabulary/folding.py.
struct fold_run {
    uint32_t first; // code point | kind << FOLD_KIND
    uint32_t to;    // what `first` becomes | FOLD_EACH: the others of the run become the following
};
#define FOLD_KIND 24
#define FOLD_EACH 0x80000000u

enum fold_kind { LETTER = 0, SPACE = 1, ALONE = 2, NOTHING = 3 };

// A word takes more bytes than its text: the mark in front of it, and some characters fold to one
// of a byte more (U+023A), which is less than twice as many.
#define WORD_MARK     "\xe2\x96\x81" // U+2581 begins a word's first token
#define WORD_BYTES(n) (sizeof WORD_MARK - 1 + 2 * (n))
static_assert(WORD_BYTES(1) <= MERGE_CANDIDATES(1) * sizeof(struct merge_candidate),
              "a word fits the heap of its text, whatever its length");

struct word {
    uint8_t *bytes;
    size_t n;
};

static enum fold_kind fold(uint32_t *code_point)
{
    const struct fold_run *runs = (const void *)(model_blob + BLOB_FOLD);
    uint32_t low = 0;
    uint32_t high = N_FOLD_RUNS;
    while (high - low > 1) { // the last run that does not begin behind the character
        const uint32_t mid = low + (high - low) / 2;
        if ((runs[mid].first & ((1u << FOLD_KIND) - 1)) <= *code_point) {
            low = mid;
        } else {
            high = mid;
        }
    }
    const uint32_t first = runs[low].first & ((1u << FOLD_KIND) - 1);
    const bool each = runs[low].to & FOLD_EACH;
    *code_point = (runs[low].to & ~FOLD_EACH) + (each ? *code_point - first : 0);
    return (enum fold_kind)(runs[low].first >> FOLD_KIND);
}

// Where byte `at` of the tokens sorted[low..high), which are equal before it, is no longer below
// `byte`. A token that ends there is below any byte.
static uint32_t first_not_below(uint32_t low, uint32_t high, size_t at, uint32_t byte)
{
    const uint32_t *sorted = table_u32(BLOB_TOKEN_SORTED);
    while (low < high) {
        const uint32_t mid = low + (high - low) / 2;
        uint32_t n;
        const uint8_t *text = token_text(sorted[mid], &n);
        if (n <= at || text[at] < byte) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

// The longest token that text[0..n) begins with, and its bytes; NO_TOKEN: there is none.
static uint32_t longest_token(const uint8_t *text, size_t n, bool in_turn, size_t *n_token)
{
    const uint32_t *sorted = table_u32(BLOB_TOKEN_SORTED);
    uint32_t low = 0;
    uint32_t high = N_SORTED;
    uint32_t found = NO_TOKEN;
    for (size_t at = 0; at < n; at++) {
        low = first_not_below(low, high, at, text[at]);
        high = first_not_below(low, high, at, text[at] + 1u);
        if (low == high) {
            break;
        }
        uint32_t n_first; // the shortest comes first
        token_text(sorted[low], &n_first);
        if (n_first == at + 1 && !(in_turn && token_is_marker(sorted[low]))) {
            found = sorted[low];
            *n_token = at + 1;
        }
    }
    return found;
}

static void word_begin(struct word *word)
{
    word->n = sizeof WORD_MARK - 1;
    memcpy(word->bytes, WORD_MARK, word->n);
}

static void word_end(struct token_output *out, struct word *word, bool in_turn)
{
    if (word->n == sizeof WORD_MARK - 1) {
        return;
    }
    const int n_before = out->n;
    size_t n_token;
    for (size_t at = 0; at < word->n; at += n_token) {
        const uint32_t id = longest_token(word->bytes + at, word->n - at, in_turn, &n_token);
        if (id == NO_TOKEN) {
            out->n = n_before;
            token_emit(out, (uint32_t)TOKEN_UNK);
            break;
        }
        token_emit(out, id);
    }
    word_begin(word);
}

void wordpiece_tokenize(struct token_output *out, const struct fragment *f)
{
    struct word word = {(uint8_t *)(void *)f->heap, 0};
    word_begin(&word);
    const uint8_t *text = f->text + f->first - 1;
    const uint8_t *const end = f->text + f->end - 1;
    while (text < end) {
        const uint32_t size = utf8_size(text, (size_t)(end - text));
        if (size == 0) {
            text++;
            continue;
        }
        uint32_t code_point = utf8_code_point(text, size);
        text += size;
        const enum fold_kind kind = fold(&code_point);
        if (kind == SPACE || kind == ALONE) {
            word_end(out, &word, f->in_turn);
        }
        if (kind == LETTER || kind == ALONE) {
            word.n += utf8_encode(word.bytes + word.n, code_point);
        }
        if (kind == ALONE) {
            word_end(out, &word, f->in_turn);
        }
    }
    word_end(out, &word, f->in_turn);
}
