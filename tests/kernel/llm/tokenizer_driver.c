// argv[1]: the vocabulary's blob. Records on stdin: 't' u32 flags, u32 max_ids, u32 n, text: prints
// i32 result and the ids written. 'p' u32 id: prints u32 n and the piece.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/layout.h"
#include "gen/model.h"
#include "llm/tokenizer.h"

_Alignas(64) uint8_t __activations_start[REGION_ACTIVATIONS_SIZE];
const uint8_t *model_blob;

static uint32_t read_u32(void)
{
    uint32_t value = 0;
    if (fread(&value, sizeof value, 1, stdin) != 1) {
        exit(1);
    }
    return value;
}

static void load_blob(const char *path)
{
    FILE *file = fopen(path, "rb");
    fseek(file, 0, SEEK_END);
    const size_t n = (size_t)ftell(file);
    rewind(file);
    uint8_t *blob = aligned_alloc(64, (n + 63) / 64 * 64);
    if (fread(blob, 1, n, file) != n) {
        exit(1);
    }
    model_blob = blob;
}

static void answer_text(void)
{
    const unsigned flags = read_u32();
    const uint32_t max_ids = read_u32();
    const uint32_t n = read_u32();
    // Exactly as large as promised: the sanitizer sees any access beyond.
    uint8_t *text = malloc(n);
    uint32_t *ids = malloc(max_ids * sizeof *ids);
    if (fread(text, 1, n, stdin) != n) {
        exit(1);
    }
    const int32_t result = tokenize(ids, (int)max_ids, text, n, flags);
    fwrite(&result, sizeof result, 1, stdout);
    if (result > 0) {
        fwrite(ids, sizeof *ids, (size_t)result, stdout);
    }
    free(text);
    free(ids);
}

static void answer_piece(void)
{
    uint8_t piece[MAX_TOKEN_BYTES];
    const uint32_t n = (uint32_t)token_piece(piece, read_u32());
    fwrite(&n, sizeof n, 1, stdout);
    fwrite(piece, 1, n, stdout);
}

int main(int argc, char **argv)
{
    (void)argc;
    load_blob(argv[1]);
    int kind;
    while ((kind = getchar()) != EOF) {
        if (kind == 't') {
            answer_text();
        } else {
            answer_piece();
        }
    }
    return 0;
}
