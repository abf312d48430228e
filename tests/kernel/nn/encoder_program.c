// Texts to vectors as a host program: `encoder BLOB CORES POOLING {SIZE ID...}...` writes the
// vectors of all texts, their lengths, and how many matrix products that took (a 32-bit integer).
#include <stdio.h>
#include <stdlib.h>

#include "gen/layout.h"
#include "gen/model.h"
#include "lib/panic.h"
#include "nn/encoder.h"
#include "nn/kv_cache.h"
#include "nn/matmul.h"

extern int parallel_threads;

_Alignas(64) uint8_t __activations_start[REGION_ACTIVATIONS_SIZE];

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
    uint8_t *blob = aligned_alloc(64, size);
    rewind(file);
    if (blob == NULL || fread(blob, 1, size, file) != size) {
        exit(2);
    }
    fclose(file);
    return blob;
}

// Counted on the way to matmul(), which the linker gives the other name; once for all cores.
static uint32_t n_products;
void __real_matmul(float *out, size_t stride, const struct tensor *w, const struct activation *x,
                   int n_tokens, struct share rows);
void __wrap_matmul(float *out, size_t stride, const struct tensor *w, const struct activation *x,
                   int n_tokens, struct share rows);
void __wrap_matmul(float *out, size_t stride, const struct tensor *w, const struct activation *x,
                   int n_tokens, struct share rows)
{
    n_products += rows.end == (int)w->n_rows; // the last core's
    __real_matmul(out, stride, w, x, n_tokens, rows);
}

int main(int argc, char **argv)
{
    static uint32_t ids[N_CTX], sizes[N_TEXTS];
    int n_texts = 0, n_ids = 0;
    uint8_t *blob = read_blob(argv[1]);
    parallel_threads = atoi(argv[2]);
    for (size_t i = 0; i < sizeof __activations_start; i++) { // as memory may be: floats NaN
        __activations_start[i] = 0xff;
    }
    for (int i = 4; i < argc; n_texts++) {
        sizes[n_texts] = (uint32_t)atoi(argv[i++]);
        for (uint32_t t = 0; t < sizes[n_texts]; t++) {
            ids[n_ids++] = (uint32_t)atoi(argv[i++]);
        }
    }
    model_init(blob);
    kv_cache_init(__activations_start); // it has a place there
    encoder_begin(ids, sizes, n_texts);
    for (int layer = 0; layer < N_LAYER; layer++) {
        encoder_layer(layer);
    }
    encoder_end((enum pooling)atoi(argv[3]));
    for (int i = 0; i < n_texts; i++) {
        fwrite(encoder_vector(i), sizeof(float), N_EMBD, stdout);
    }
    for (int i = 0; i < n_texts; i++) {
        const float length = encoder_length(i);
        fwrite(&length, sizeof length, 1, stdout);
    }
    fwrite(&n_products, sizeof n_products, 1, stdout);
    free(blob);
    return 0;
}
