// A forward pass as a host program: `forward BLOB BATCH CORES LOGITS ID...` writes the logits after
// the last LOGITS tokens of each batch.
#include <stdio.h>
#include <stdlib.h>

#include "gen/layout.h"
#include "gen/model.h"
#include "lib/panic.h"
#include "nn/kv_cache.h"
#include "nn/transformer.h"

extern int parallel_threads;

_Alignas(64) uint8_t __activations_start[REGION_ACTIVATIONS_SIZE];
static _Alignas(64) uint8_t kv_cache[REGION_KV_CACHE_SIZE];

noreturn void panic_at(const char *file, int line, const char *fmt, ...)
{
    fprintf(stderr, "PANIC %s:%d: %s\n", file, line, fmt);
    exit(3);
}

static uint8_t *read_blob(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        exit(2);
    }
    const size_t size = (size_t)ftell(file);
    uint8_t *blob = aligned_alloc(64, size); // exactly the blob, so that a sanitizer sees its end
    rewind(file);
    if (blob == NULL || fread(blob, 1, size, file) != size) {
        exit(2);
    }
    fclose(file);
    return blob;
}

int main(int argc, char **argv)
{
    static float logits[N_BATCH * N_VOCAB_ROWS];
    static uint32_t ids[N_CTX];
    uint8_t *blob = read_blob(argv[1]);
    const int n_batch = atoi(argv[2]), wanted = atoi(argv[4]), n = argc - 5;
    parallel_threads = atoi(argv[3]);

    for (size_t i = 0; i < sizeof kv_cache; i++) { // as memory may be: halves and floats NaN
        kv_cache[i] = 0xff;
    }
    kv_cache_init(kv_cache);
    for (int i = 0; i < n; i++) {
        ids[i] = (uint32_t)atoi(argv[5 + i]);
    }
    model_init(blob);
    for (int pos = 0; pos < n; pos += n_batch) {
        const int n_tokens = n - pos < n_batch ? n - pos : n_batch;
        const int n_logits = wanted < n_tokens ? wanted : n_tokens;
        transformer_forward(ids + pos, n_tokens, pos, logits, n_logits);
        fwrite(logits, sizeof *logits, (size_t)n_logits * N_VOCAB_ROWS, stdout);
    }
    free(blob);
    return 0;
}
