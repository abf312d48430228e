// A batch of texts: their ids one after the other, where other models keep a conversation.
#include "llm/embed.h"

#include "gen/layout.h"
#include "gen/model.h"
#include "lib/string.h"
#include "llm/session.h"

#if MAKES_VECTORS
static struct {
    uint32_t n_texts, n_ids;
    uint32_t sizes[N_TEXTS];
} batch;

static uint32_t *batch_ids(void)
{
    return (uint32_t *)(void *)(__session_start + SESSION_HISTORY_IDS);
}

void embed_clear(void)
{
    batch.n_texts = 0;
    batch.n_ids = 0;
}

bool embed_add(void)
{
    const uint32_t n = prompt_size();
    if (batch.n_texts == N_TEXTS || n > N_CTX - batch.n_ids) {
        return false;
    }
    memcpy(batch_ids() + batch.n_ids, prompt_ids(), n * sizeof(uint32_t));
    batch.sizes[batch.n_texts++] = n;
    batch.n_ids += n;
    return true;
}

uint32_t embed_n_texts(void)
{
    return batch.n_texts;
}

uint32_t embed_size(uint32_t text)
{
    return batch.sizes[text];
}

bool embed_run(enum pooling pooling, bool (*progress)(uint32_t done, uint32_t total))
{
    encoder_begin(batch_ids(), batch.sizes, (int)batch.n_texts);
    for (int layer = 0; layer < N_LAYER; layer++) {
        encoder_layer(layer);
        if (!progress((uint32_t)layer + 1, N_LAYER)) {
            return false;
        }
    }
    encoder_end(pooling);
    return true;
}
#else
typedef int this_model_embeds_nothing; // a file of C holds something
#endif
