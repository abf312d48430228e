// The probability of one token.
#pragma once

// softmax(x)[i], for n values, by all cores; leaves anything in x. n >= 1. Not within
// parallel_run().
float probability(float *x, int n, int i);
