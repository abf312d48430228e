// EMBED: texts are collected until no more fit one pass, which then makes their vectors.
#include "app/vectors.h"

#include "app/reply.h"
#include "app/server.h"
#include "gen/layout.h"
#include "gen/model.h"
#include "lib/string.h"
#include "llm/embed.h"
#include "llm/session.h"
#include "nn/tier.h"

#if MAKES_VECTORS
#define POOLING_SHIFT 2
static_assert(EMBED_MEAN == POOLING_MEAN << POOLING_SHIFT &&
                  EMBED_CLS == POOLING_CLS << POOLING_SHIFT &&
                  EMBED_LAST_TOKEN == POOLING_LAST << POOLING_SHIFT,
              "EMBED carries enum pooling");

#define VALUES_PER_MESSAGE 240

static struct {
    uint32_t n_texts, n_tokens, n_passes; // done
    uint64_t ticks_receive, ticks_compute;
} totals;

// Whether the collected prompt can become a vector; if not, the host has been told. text: its
// number.
static bool text_is_fine(uint32_t text)
{
    switch (prompt_check()) {
    case PROMPT_OK:
        return true;
    case PROMPT_TEXT_FULL:
        reply_error(ERROR_TEXT_FULL, "text %u exceeds %u bytes, the most for %u tokens", text,
                    SESSION_TEXT_SIZE, N_CTX);
        return false;
    case PROMPT_TOO_LONG:
        reply_error(ERROR_PROMPT_TOO_LONG, "text %u has %u tokens, the context holds %u", text,
                    prompt_size(), N_CTX);
        return false;
    case PROMPT_TOKEN_RANGE:
        reply_error(ERROR_TOKEN_RANGE, "text %u: token ids end at %u", text, N_VOCAB_ROWS - 1);
        return false;
    default:
        reply_error(ERROR_EMPTY_PROMPT, "text %u is empty", text);
        return false;
    }
}

static bool on_layer(uint32_t done, uint32_t total)
{
    put_u32(&reply, done);
    put_u32(&reply, total);
    return reply_send(MSG_PREFILL) && !serve_interrupted(false);
}

static bool send_vector(uint32_t number, uint32_t text)
{
    const float *vector = encoder_vector((int)text);
    bool sent = true;
    for (uint32_t first = 0; sent && first < N_EMBD; first += VALUES_PER_MESSAGE) {
        put_u32(&reply, number);
        put_u32(&reply, embed_size(text));
        put_f32(&reply, encoder_length((int)text));
        put_u32(&reply, N_EMBD);
        put_u32(&reply, first);
        for (uint32_t i = first; i < first + VALUES_PER_MESSAGE && i < N_EMBD; i++) {
            put_f32(&reply, vector[i]);
        }
        sent = reply_send(MSG_VECTOR);
    }
    return sent;
}

// A pass over the batch, which is empty afterwards. False: the host has gone or wants no more.
static bool run_batch(enum pooling pooling)
{
    const uint64_t start = server.io->ticks();
    if (!embed_run(pooling, on_layer)) {
        return false;
    }
    totals.ticks_compute += server.io->ticks() - start;
    totals.n_passes++;
    for (uint32_t i = 0; i < embed_n_texts(); i++) {
        totals.n_tokens += embed_size(i);
        if (!send_vector(totals.n_texts++, i)) {
            return false;
        }
    }
    embed_clear();
    return true;
}

static void send_embedded(uint8_t stop)
{
    put_u32(&reply, stop); // a byte and three of padding
    put_u32(&reply, totals.n_texts);
    put_u32(&reply, totals.n_tokens);
    put_u32(&reply, totals.n_passes);
    put_u64(&reply, totals.ticks_receive);
    put_u64(&reply, totals.ticks_compute);
    reply_send(MSG_EMBEDDED);
}

void answer_embed(struct reader *in, uint64_t ticks_receive)
{
    const uint32_t flags = get_u32(in);
    const unsigned asked = flags >> POOLING_SHIFT & 3u;
    const enum pooling pooling = asked ? (enum pooling)asked : POOLING;
    if (!in->ok || in->n != 0) {
        reply_error(ERROR_BAD_MESSAGE, "EMBED of another size");
        return;
    }
    if (pooling == POOLING_NONE) {
        reply_error(ERROR_NO_POOLING, "the model names no pooling, and so does the request");
        return;
    }
    if (flags & EMBED_FIRST) {
        embed_clear();
        memset(&totals, 0, sizeof totals);
    }
    nn_tier_limit(flags & EMBED_TIER_NEON      ? TIER_NEON
                  : flags & EMBED_TIER_DOTPROD ? TIER_DOTPROD
                                               : TIER_I8MM);
    totals.ticks_receive += ticks_receive;
    bool go_on = text_is_fine(totals.n_texts + embed_n_texts() + 1);
    if (!go_on) {
        embed_clear();
        return;
    }
    while (go_on && !embed_add()) {
        go_on = run_batch(pooling);
    }
    if (go_on && flags & EMBED_LAST) {
        go_on = run_batch(pooling);
    }
    if (!go_on) {
        embed_clear();
        send_embedded(STOP_ABORT);
    } else if (flags & EMBED_LAST) {
        send_embedded(STOP_LENGTH);
    }
}
#else
void answer_embed(struct reader *in, uint64_t ticks_receive)
{
    (void)in;
    (void)ticks_receive;
    reply_error(ERROR_NO_VECTORS, "this model goes on with texts, it makes no vectors of them");
}
#endif
