// The vocabulary tables of the model blob.
#include "llm/vocabulary.h"

#include "gen/model.h"

void token_emit(struct token_output *out, uint32_t id)
{
    if (out->n < out->max) {
        out->ids[out->n] = id;
    }
    out->n++;
}

const uint32_t *table_u32(uint64_t offset)
{
    return (const uint32_t *)(const void *)(model_blob + offset);
}

const uint8_t *token_text(uint32_t id, uint32_t *n)
{
    const uint32_t *offset = table_u32(BLOB_TOKEN_TEXT_OFFSET);
    *n = offset[id + 1] - offset[id];
    return model_blob + BLOB_TOKEN_TEXT + offset[id];
}

int token_type(uint32_t id)
{
    return model_blob[BLOB_TOKEN_TYPE + id];
}

bool token_is_eog(uint32_t id)
{
    static const uint32_t eog_ids[] = EOG_IDS;
    for (size_t i = 0; i < N_EOG; i++) {
        if (id == eog_ids[i]) {
            return true;
        }
    }
    return false;
}

bool token_is_marker(uint32_t id)
{
    static const uint32_t marks[] = CHAT_MARKS;
    const int type = token_type(id);
    if (type == TOKEN_TYPE_CONTROL || type == TOKEN_TYPE_UNKNOWN) {
        return true;
    }
    for (const uint32_t *mark = marks; *mark != CHAT_END; mark++) {
        if (id == *mark - CHAT_TOKEN) {
            return true;
        }
    }
    return false;
}

// Order of the view's text, spaces written out as the vocabulary has them, and a token's text:
// unsigned bytes.
static int compare(struct text_view view, const uint8_t *text, size_t n)
{
    static const uint8_t lower_one_eighth_block[] = {0xe2, 0x96, 0x81};
    size_t j = 0;
    for (size_t i = view.space_before ? 0 : 1; i <= view.n; i++) {
        const uint8_t c = i == 0 ? ' ' : view.text[i - 1];
        const bool block = TOKENIZER == TOKENIZER_LLAMA && c == ' ';
        const uint8_t *bytes = block ? lower_one_eighth_block : &c;
        for (size_t k = 0; k < (block ? sizeof lower_one_eighth_block : 1); k++, j++) {
            if (j == n) {
                return 1;
            }
            if (bytes[k] != text[j]) {
                return bytes[k] < text[j] ? -1 : 1;
            }
        }
    }
    return j < n ? -1 : 0;
}

uint32_t token_find(struct text_view view)
{
    const uint32_t *sorted = table_u32(BLOB_TOKEN_SORTED);
    uint32_t low = 0;
    uint32_t high = N_SORTED;
    while (low < high) { // ends at the first token that is not before the view
        const uint32_t mid = low + (high - low) / 2;
        uint32_t n;
        const uint8_t *text = token_text(sorted[mid], &n);
        if (compare(view, text, n) > 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == N_SORTED) {
        return NO_TOKEN;
    }
    uint32_t n;
    const uint8_t *text = token_text(sorted[low], &n);
    return compare(view, text, n) == 0 ? sorted[low] : NO_TOKEN;
}

uint32_t token_rank(uint32_t id)
{
    return table_u32(BLOB_TOKEN_RANK)[id];
}

uint32_t byte_token(uint8_t byte)
{
    return table_u32(BLOB_BYTE_TOKEN)[byte];
}

struct merged_pair merge_find(uint32_t left, uint32_t right)
{
    if (left == NO_TOKEN || right == NO_TOKEN) {
        return (struct merged_pair){0, NO_TOKEN};
    }
    const uint32_t(*merges)[3] = (const uint32_t(*)[3])(const void *)(model_blob + BLOB_MERGE);
    const uint32_t *first = table_u32(BLOB_MERGE_FIRST);
    uint32_t low = first[left];
    uint32_t high = first[left + 1];
    while (low < high) {
        const uint32_t mid = low + (high - low) / 2;
        if (merges[mid][0] < right) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low < first[left + 1] && merges[low][0] == right) {
        return (struct merged_pair){merges[low][1], merges[low][2]};
    }
    return (struct merged_pair){0, NO_TOKEN};
}
