// The model as the kernel sees it: tensors by type, shape and place in the blob.
#pragma once

#include "lib/types.h"

// GGML's numbers.
enum {
    TYPE_F32 = 0,
    TYPE_F16 = 1,
    TYPE_Q4_0 = 2,
    TYPE_Q4_1 = 3,
    TYPE_Q5_0 = 6,
    TYPE_Q5_1 = 7,
    TYPE_Q8_0 = 8,
    TYPE_Q2_K = 10,
    TYPE_Q3_K = 11,
    TYPE_Q4_K = 12,
    TYPE_Q5_K = 13,
    TYPE_Q6_K = 14,
    TYPE_IQ4_NL = 20,
    TYPE_IQ4_XS = 23,
    TYPE_BF16 = 30,
};

// A matrix (in row tiles, see nn/tiles.h) or a vector (n_rows == 1, plain float32).
struct tensor {
    uint32_t type;
    uint32_t n_rows; // as in the model; the tiles hold them padded to whole tiles
    uint32_t n_cols;
    uint64_t offset; // from the start of the blob
};

extern const uint8_t *model_blob;

// The blob has been checked by the caller; nothing is copied.
void model_init(const uint8_t *blob);

static inline const void *tensor_data(const struct tensor *tensor)
{
    return model_blob + tensor->offset;
}
