// The vocabulary tables of the model blob.
#include "llm/vocabulary.h"

#include "gen/model.h"

static const uint32_t *table_u32(uint64_t offset)
{
    return (const uint32_t *)(const void *)(model_blob + offset);
}

const uint8_t *token_text(uint32_t id, uint32_t *n)
{
    const uint32_t *offset = table_u32(BLOB_TOKEN_TEXT_OFFSET);
    *n = offset[id + 1] - offset[id];
    return model_blob + BLOB_TOKEN_TEXT + offset[id];
}

float token_score(uint32_t id)
{
    return ((const float *)(const void *)(model_blob + BLOB_TOKEN_SCORE))[id];
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

// Order of the view's text, spaces written out as U+2581, and a token's text: unsigned bytes.
static int compare(struct text_view view, const uint8_t *text, size_t n)
{
    static const uint8_t lower_one_eighth_block[] = {0xe2, 0x96, 0x81};
    size_t j = 0;
    for (size_t i = view.space_before ? 0 : 1; i <= view.n; i++) {
        const uint8_t c = i == 0 ? ' ' : view.text[i - 1];
        const uint8_t *bytes = c == ' ' ? lower_one_eighth_block : &c;
        for (size_t k = 0; k < (c == ' ' ? sizeof lower_one_eighth_block : 1); k++, j++) {
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

int64_t token_find(struct text_view view)
{
    const uint32_t *sorted = table_u32(BLOB_TOKEN_SORTED);
    uint32_t low = 0;
    uint32_t high = N_VOCAB;
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
    if (low < N_VOCAB) {
        uint32_t n;
        const uint8_t *text = token_text(sorted[low], &n);
        if (compare(view, text, n) == 0) {
            return sorted[low];
        }
    }
    return -1;
}
