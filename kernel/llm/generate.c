// The token loop: prefill, then choose, report and feed back until something ends it.
#include "llm/generate.h"

#include "gen/layout.h"
#include "gen/model.h"
#include "lib/phase.h"
#include "llm/draft.h"
#include "llm/session.h"
#include "llm/vocabulary.h"
#include "nn/probability.h"
#include "nn/transformer.h"

// Overwritten by the next pass.
static float *logit_rows(void)
{
    return (float *)(void *)(__activations_start + ACT_LOGITS);
}

// Computes what is not in the KV cache; logits of the last token, unless NULL. False: stopped.
static bool prefill(const struct generate_events *events, float *logits)
{
    const uint32_t *ids;
    uint32_t pos;
    const uint32_t total = session_pending(N_CTX, &ids, &pos);
    uint32_t done = 0;
    bool go_on = true;
    PHASE_MARK(PHASE_PREFILL_BEGIN);
    while (go_on && done < total) {
        const uint32_t n = session_pending(N_BATCH, &ids, &pos);
        done += n;
        transformer_forward(ids, (int)n, (int)pos, logits, logits != NULL && done == total ? 1 : 0);
        session_computed(n);
        go_on = done == total || events->prefill(done, total);
    }
    PHASE_MARK(PHASE_PREFILL_END);
    return go_on && events->prefill(done, total);
}

// Computed, but for tokens that are not chosen yet.
struct ahead {
    uint32_t n_guessed;  // behind the context, with their keys and values in the cache
    uint32_t n_rejected; // of those before
};

// How many tokens to guess behind the newest one; no row of logits beyond the last one wanted.
static uint32_t guess(const struct generate_params *params, const struct ahead *ahead,
                      const struct generate_result *result)
{
    const struct draft_budget budget = {result->n_generated, result->n_accepted, ahead->n_rejected};
    uint32_t n = draft_allowance(&budget);
    const uint32_t limits[] = {params->n_draft, N_LOGIT_ROWS - 1,
                               params->n_predict - result->n_generated - 1};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        n = limits[i] < n ? limits[i] : n;
    }
    return n > 0 ? session_guess(n) : 0;
}

// Feeds the newest token. The logits after it, NULL: the context has no room for it.
//
// A pass over it and the guesses behind it gives a row of logits each. As long as the guesses turn
// out to be the tokens chosen, their rows are what passes of their own would have given. The first
// other token ends that: the next pass begins there, and overwrites what is in the cache.
static float *decode(uint32_t id, const struct generate_params *params, float *logits,
                     struct ahead *ahead, struct generate_result *result)
{
    const bool guessed = ahead->n_guessed > 0 && session_ids()[session_size()] == id;
    if (!session_append(id)) {
        return NULL;
    }
    if (guessed) {
        ahead->n_guessed--;
        result->n_accepted++;
        session_computed(1);
        return logits + N_VOCAB_ROWS;
    }
    ahead->n_rejected += ahead->n_guessed;
    ahead->n_guessed = guess(params, ahead, result);
    result->n_drafted += ahead->n_guessed;
    const uint32_t *ids;
    uint32_t pos;
    session_pending(1, &ids, &pos);
    const int n = 1 + (int)ahead->n_guessed;
    logits = logit_rows();
    PHASE_MARK(PHASE_DECODE_BEGIN);
    transformer_forward(ids, n, (int)pos, logits, n);
    PHASE_MARK(PHASE_DECODE_END);
    session_computed(1);
    return logits;
}

static enum stop_reason token_loop(const struct generate_params *params,
                                   const struct generate_events *events, uint64_t start,
                                   struct generate_result *result)
{
    struct pcg32 rng;
    pcg32_seed(&rng, params->sampling.seed);
    struct ahead ahead = {0};
    float *logits = logit_rows();
    uint32_t id = 0;
    for (uint32_t index = 0; index < params->n_predict; index++) {
        if (index > 0 && !(logits = decode(id, params, logits, &ahead, result))) {
            return STOPPED_CONTEXT;
        }
        if (events->logits && !events->logits(index, logits)) {
            return STOPPED_ABORT;
        }
        sampler_penalize(&params->sampling, logits, session_ids(), session_size());
        id = sampler_choose(&params->sampling, &rng, logits);
        if (index == 0) {
            result->ticks_prefill = events->ticks() - start;
        }
        result->n_generated++;
        const float prob = probability(logits, N_VOCAB, (int)id);
        const bool go_on = events->token(index, id, prob);
        if (token_is_eog(id) && !params->ignore_eog) {
            return STOPPED_EOG; // not part of the context: the next turn's template writes it
        }
        if (!go_on || index + 1 == params->n_predict) {
            session_append(id); // computed when the conversation goes on; lost if there is no room
            return go_on ? STOPPED_LENGTH : STOPPED_ABORT;
        }
    }
    return STOPPED_LENGTH;
}

bool generate(const struct generate_params *params, const struct generate_events *events,
              struct generate_result *result)
{
    const uint64_t start = events->ticks();
    *result = (struct generate_result){.stop = STOPPED_ABORT};
    if (!session_begin(params->append, &result->n_reused)) {
        return false;
    }
    result->n_prompt = session_size();
    if (prefill(events, params->n_predict > 0 ? logit_rows() : NULL)) {
        result->stop = token_loop(params, events, start, result);
    } else { // those that were reached
        const uint32_t *ids;
        session_pending(0, &ids, &result->n_prompt);
    }
    const uint64_t spent = events->ticks() - start;
    if (result->n_generated == 0) {
        result->ticks_prefill = spent;
    }
    result->ticks_decode = spent - result->ticks_prefill;
    return true;
}
