// The token loop: prefill, then choose, report and feed back until something ends it.
#pragma once

#include "llm/sampler.h"

enum stop_reason { STOPPED_LENGTH, STOPPED_EOG, STOPPED_ABORT, STOPPED_CONTEXT };

struct generate_params {
    uint32_t n_predict;
    bool append;     // the prompt continues the context; otherwise it is the context
    bool ignore_eog; // go on after a token that ends the reply
    // Guess up to so many tokens (at most N_LOGIT_ROWS - 1 are) and compute them together with the
    // newest one. 0: none. Changes nothing that is reported but times and the two counts below.
    uint32_t n_draft;
    struct sampler_params sampling;
};

// Called between steps; returning false stops the generation. Set at run time.
struct generate_events {
    uint64_t (*ticks)(void);
    bool (*prefill)(uint32_t done, uint32_t total);
    bool (*logits)(uint32_t index, const float *logits); // N_VOCAB_ROWS, before penalties; or NULL
    bool (*token)(uint32_t index, uint32_t id, float prob);
};

struct generate_result {
    enum stop_reason stop;
    // Tokens in the context before the first generated one; of a prompt that was stopped, computed.
    uint32_t n_prompt;
    uint32_t n_reused;
    uint32_t n_generated;
    uint32_t n_drafted;     // guesses computed
    uint32_t n_accepted;    // tokens chosen without a pass of their own
    uint64_t ticks_prefill; // from the call to the choice of the first token
    uint64_t ticks_decode;  // the rest
};

// Runs the collected prompt, which prompt_check() accepts. False: context and prompt together
// exceed N_CTX; nothing was changed.
bool generate(const struct generate_params *params, const struct generate_events *events,
              struct generate_result *result);
