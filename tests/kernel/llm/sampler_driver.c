// Records on stdin: parameters, u32 n_draws, u32 n_history, history; then n_draws rows of
// N_VOCAB_ROWS logits. Each chosen id is printed and joins the history.
#include <stdio.h>
#include <stdlib.h>

#include "gen/layout.h"
#include "gen/model.h"
#include "llm/sampler.h"

_Alignas(64) uint8_t __activations_start[REGION_ACTIVATIONS_SIZE];

static void read_bytes(void *data, size_t n)
{
    if (fread(data, 1, n, stdin) != n) {
        exit(1);
    }
}

int main(void)
{
    struct {
        float temp;
        int32_t top_k;
        float top_p, min_p, repeat_penalty;
        int32_t repeat_last_n;
        uint64_t seed;
        uint32_t n_draws, n_history;
    } record;
    while (fread(&record, sizeof record, 1, stdin) == 1) {
        const struct sampler_params params = {
            .temp = record.temp,
            .top_k = record.top_k,
            .top_p = record.top_p,
            .min_p = record.min_p,
            .repeat_penalty = record.repeat_penalty,
            .repeat_last_n = record.repeat_last_n,
            .seed = record.seed,
        };
        uint32_t *history = malloc((record.n_history + record.n_draws) * sizeof *history);
        read_bytes(history, record.n_history * sizeof *history);
        struct pcg32 rng;
        pcg32_seed(&rng, params.seed);
        for (uint32_t i = 0; i < record.n_draws; i++) {
            float *logits = malloc(N_VOCAB_ROWS * sizeof *logits);
            read_bytes(logits, N_VOCAB_ROWS * sizeof *logits);
            sampler_penalize(&params, logits, history, record.n_history + i);
            const uint32_t id = sampler_choose(&params, &rng, logits);
            history[record.n_history + i] = id;
            fwrite(&id, sizeof id, 1, stdout);
            free(logits);
        }
        free(history);
    }
    return 0;
}
