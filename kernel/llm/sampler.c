// From logits to a token: penalty, top-k, top-p, min-p, temperature, draw, in llama.cpp's order.
// float32, sums strictly in order: the same seed gives the same tokens wherever this runs.
#include "llm/sampler.h"

#include "gen/layout.h"
#include "gen/model.h"
#include "lib/math.h"
#include "lib/string.h"
#include "nn/ops.h"

#define GREEDY_BELOW_TEMP 1e-3f

#define PCG32_MULTIPLIER 6364136223846793005ull
#define PCG32_INCREMENT  (54ull << 1 | 1) // stream 54, as in the reference demo

void sampler_defaults(struct sampler_params *params)
{
    *params = (struct sampler_params){
        .temp = 0.8f,
        .top_k = 40,
        .top_p = 0.95f,
        .min_p = 0.05f,
        .repeat_penalty = 1.0f,
        .repeat_last_n = 64,
    };
}

uint32_t pcg32_next(struct pcg32 *rng)
{
    const uint64_t old = rng->state;
    rng->state = old * PCG32_MULTIPLIER + PCG32_INCREMENT;
    const uint32_t x = (uint32_t)((old >> 18 ^ old) >> 27);
    const uint32_t rotate = (uint32_t)(old >> 59);
    return x >> rotate | x << (-rotate & 31);
}

void pcg32_seed(struct pcg32 *rng, uint64_t seed)
{
    rng->state = 0;
    pcg32_next(rng);
    rng->state += seed;
    pcg32_next(rng);
}

static uint32_t *candidates(void)
{
    return (uint32_t *)(void *)(__activations_start + ACT_CANDIDATES);
}

void sampler_penalize(const struct sampler_params *params, float *logits, const uint32_t *history,
                      uint32_t n_history)
{
    const float penalty = params->repeat_penalty;
    if (penalty == 1.0f) {
        return;
    }
    uint32_t n = n_history;
    if (params->repeat_last_n >= 0 && (uint32_t)params->repeat_last_n < n) {
        n = (uint32_t)params->repeat_last_n;
    }
    uint32_t *seen = candidates(); // a bit per token
    memset(seen, 0, (N_VOCAB_ROWS + 31) / 32 * sizeof *seen);
    for (uint32_t i = n_history - n; i < n_history; i++) {
        const uint32_t id = history[i];
        if (seen[id / 32] & 1u << id % 32) {
            continue;
        }
        seen[id / 32] |= 1u << id % 32;
        logits[id] = logits[id] <= 0.0f ? logits[id] * penalty : logits[id] / penalty;
    }
}

// The first id from `from` on whose logit is above the limit; N_VOCAB: none is.
static uint32_t next_above(const float *logits, uint32_t from, float limit)
{
    return (uint32_t)vec_next_above(logits, (int)from, N_VOCAB, limit);
}

static uint32_t most_likely(const float *logits)
{
    uint32_t best = 0;
    for (uint32_t id = 0; (id = next_above(logits, id + 1, logits[best])) < N_VOCAB;) {
        best = id;
    }
    return best;
}

// The order of candidates: logit descending, then id ascending.
static bool better(const float *logits, uint32_t a, uint32_t b)
{
    return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
}

// Puts id into the heap of n ids, whose root is the worst, in place of the root.
static void sift_down(const float *logits, uint32_t *heap, uint32_t n, uint32_t id)
{
    uint32_t i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= n) {
            break;
        }
        if (child + 1 < n && better(logits, heap[child], heap[child + 1])) {
            child++;
        }
        if (!better(logits, id, heap[child])) {
            break;
        }
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = id;
}

static void push(const float *logits, uint32_t *heap, uint32_t n, uint32_t id)
{
    uint32_t i = n;
    while (i > 0 && better(logits, heap[(i - 1) / 2], id)) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = id;
}

// The k best ids, best first. After the first k, an id is better than the worst only by its logit.
static void select_best(const float *logits, uint32_t *ids, uint32_t k)
{
    for (uint32_t id = 0; id < k; id++) {
        push(logits, ids, id, id);
    }
    for (uint32_t id = k; (id = next_above(logits, id, logits[ids[0]])) < N_VOCAB; id++) {
        sift_down(logits, ids, k, id);
    }
    for (uint32_t n = k; n > 1; n--) {
        const uint32_t worst = ids[0];
        sift_down(logits, ids, n - 1, ids[n - 1]);
        ids[n - 1] = worst;
    }
}

// Sum over the first n candidates of exp(l_i - l_0), logits divided by temp.
static float sum_exp(const float *logits, const uint32_t *ids, uint32_t n, float temp)
{
    const float top = logits[ids[0]] / temp;
    float sum = 0.0f;
    for (uint32_t i = 0; i < n; i++) {
        sum += exp_f32(logits[ids[i]] / temp - top);
    }
    return sum;
}

static uint32_t keep_top_p(const float *logits, const uint32_t *ids, uint32_t n, float top_p)
{
    const float sum = sum_exp(logits, ids, n, 1.0f);
    float reached = 0.0f;
    for (uint32_t i = 0; i < n; i++) {
        reached += exp_f32(logits[ids[i]] - logits[ids[0]]) / sum;
        if (reached >= top_p) {
            return i + 1;
        }
    }
    return n;
}

static uint32_t keep_min_p(const float *logits, const uint32_t *ids, uint32_t n, float min_p)
{
    uint32_t kept = 1;
    while (kept < n && exp_f32(logits[ids[kept]] - logits[ids[0]]) >= min_p) {
        kept++;
    }
    return kept;
}

uint32_t sampler_choose(const struct sampler_params *params, struct pcg32 *rng, const float *logits)
{
    if (params->temp < GREEDY_BELOW_TEMP) {
        return most_likely(logits);
    }
    uint32_t *ids = candidates();
    uint32_t n = N_VOCAB;
    if (params->top_k > 0 && params->top_k < N_VOCAB) {
        n = (uint32_t)params->top_k;
    }
    select_best(logits, ids, n);
    if (params->top_p < 1.0f) {
        n = keep_top_p(logits, ids, n, params->top_p);
    }
    if (params->min_p > 0.0f) {
        n = keep_min_p(logits, ids, n, params->min_p);
    }
    const float temp = params->temp;
    const float uniform = (float)(pcg32_next(rng) >> 8) * 0x1p-24f;
    const float target = uniform * sum_exp(logits, ids, n, temp);
    const float top = logits[ids[0]] / temp;
    float reached = 0.0f;
    for (uint32_t i = 0; i + 1 < n; i++) {
        reached += exp_f32(logits[ids[i]] / temp - top);
        if (reached > target) {
            return ids[i];
        }
    }
    return ids[n - 1];
}
