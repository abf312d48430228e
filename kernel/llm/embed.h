// A batch of texts on their way to become vectors.
#pragma once

#include "nn/encoder.h"

void embed_clear(void);

// Takes the collected prompt, which prompt_check() accepts, as the next text. False: it does not
// fit beside those that are there.
bool embed_add(void);

uint32_t embed_n_texts(void);
uint32_t embed_size(uint32_t text); // its tokens

// Computes the vectors of all texts of the batch. `progress` is called after each layer; returning
// false stops it, and so does this.
bool embed_run(enum pooling pooling, bool (*progress)(uint32_t done, uint32_t total));
