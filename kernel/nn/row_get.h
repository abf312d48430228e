// One row of a tiled matrix as floats: the embedding of a token.
#pragma once

#include "nn/model.h"

// out: (tensor->n_cols,), of which columns [begin, end) are written. Dequantised as GGML writes it:
// no fused operations.
void row_get(float *out, const struct tensor *tensor, int row, int begin, int end);
void row_get_neon(float *out, const struct tensor *tensor, int row, int begin, int end);
