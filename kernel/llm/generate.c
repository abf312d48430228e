// The token loop: prefill, then choose, report and feed back until something ends it.
#include "llm/generate.h"

#include "gen/layout.h"
#include "gen/model.h"
#include "lib/phase.h"
#include "llm/session.h"
#include "llm/vocabulary.h"
#include "nn/ops.h"
#include "nn/transformer.h"

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

// Feeds the newest token. False: the context has no room for it.
static bool decode(uint32_t id, float *logits)
{
    if (!session_append(id)) {
        return false;
    }
    const uint32_t *ids;
    uint32_t pos;
    session_pending(1, &ids, &pos);
    PHASE_MARK(PHASE_DECODE_BEGIN);
    transformer_forward(ids, 1, (int)pos, logits, 1);
    PHASE_MARK(PHASE_DECODE_END);
    session_computed(1);
    return true;
}

static enum stop_reason token_loop(const struct generate_params *params,
                                   const struct generate_events *events, float *logits,
                                   uint64_t start, struct generate_result *result)
{
    struct pcg32 rng;
    pcg32_seed(&rng, params->sampling.seed);
    uint32_t id = 0;
    for (uint32_t index = 0; index < params->n_predict; index++) {
        if (index > 0 && !decode(id, logits)) {
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
        softmax(logits, N_VOCAB);
        const bool go_on = events->token(index, id, logits[id]);
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
    float *logits = (float *)(void *)(__activations_start + ACT_LOGITS);
    *result = (struct generate_result){.stop = STOPPED_ABORT};
    if (!session_begin(params->append, &result->n_reused)) {
        return false;
    }
    result->n_prompt = session_size();
    if (prefill(events, params->n_predict > 0 ? logits : NULL)) {
        result->stop = token_loop(params, events, logits, start, result);
    }
    const uint64_t spent = events->ticks() - start;
    if (result->n_generated == 0) {
        result->ticks_prefill = spent;
    }
    result->ticks_decode = spent - result->ticks_prefill;
    return true;
}
