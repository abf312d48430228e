// Text to ids and back, by the model's kind of vocabulary.
#pragma once

#include "lib/types.h"

#define TOK_ADD_SPECIAL   1u // BOS and EOS as the model wants them
#define TOK_PARSE_SPECIAL 2u // text of control tokens counts as the token, not as text
#define TOK_IN_TURN       4u // no marker of the chat template comes out, whatever the text spells

// Tokenises text[0..n), any bytes. Writes at most max_ids ids and returns their number; when the
// text needs more, returns minus the number it needs. A text whose work does not fit
// ACT_SCRATCH returns TOK_TEXT_TOO_LONG; for byte-level BPE every byte that is no UTF-8 counts as
// three, and the whole text once more if there is any.
//
// Works in ACT_SCRATCH (28 bytes per text byte and 12 more). Time: O(n log n), and for each special
// token that may be meant a look at all of the text.
#define TOK_SCRATCH_BYTES(n) (28 * (n) + 12)
#define TOK_TEXT_TOO_LONG    ((int)0x80000000)
int tokenize(uint32_t *ids, int max_ids, const uint8_t *text, size_t n, unsigned flags);

// The bytes that a generated token adds to the text; none for control tokens. `piece` has room for
// MAX_TOKEN_BYTES.
size_t token_piece(uint8_t *piece, uint32_t id);
