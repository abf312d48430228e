// One conversation: the prompt being collected, and the tokens whose keys and values are cached.
#pragma once

#include "lib/types.h"

enum prompt_status {
    PROMPT_OK,
    PROMPT_TEXT_FULL,   // one segment of text exceeds SESSION_TEXT_SIZE
    PROMPT_TOO_LONG,    // more ids than N_CTX
    PROMPT_TOKEN_RANGE, // an id without an embedding
    PROMPT_EMPTY,
    PROMPT_TURN_MARK, // a turn's words hold a mark of the chat template
};

// The prompt is built from segments: text (collected, then tokenised) and ids. The first problem
// stays until prompt_clear().
void prompt_clear(void);
void prompt_add_text(const uint8_t *text, size_t n);
void prompt_end_text(unsigned tok_flags);
// The segment of text that is being collected.
const uint8_t *prompt_text(void);
size_t prompt_text_size(void);
void prompt_cut_text(size_t at, size_t n); // n bytes of it go
void prompt_refuse_mark(void);             // it must not be used: PROMPT_TURN_MARK
void prompt_add_id(uint32_t id);
enum prompt_status prompt_check(void);
uint32_t prompt_size(void); // ids that it needs, also when they do not fit
const uint32_t *prompt_ids(void);

// The context: tokens [0, session_size()) in order. The newest may not be in the KV cache yet.
void session_reset(void);
uint32_t session_size(void);
const uint32_t *session_ids(void);

// Takes over the prompt: after the context (append), or as the whole context, of which the longest
// common beginning is kept. At least one token is left to compute. False: it does not fit N_CTX.
bool session_begin(bool append, uint32_t *n_reused);
// Tokens of the context that are not in the KV cache: at most max of them, oldest first.
uint32_t session_pending(uint32_t max, const uint32_t **ids, uint32_t *pos);
void session_computed(uint32_t n); // the oldest n pending tokens are now in the KV cache
bool session_append(uint32_t id);  // false: the context is full
// Guesses at most max tokens that follow the context. They are not part of it: they lie behind it,
// at session_ids()[session_size()] on, until it grows over them. How many.
uint32_t session_guess(uint32_t max);
