// Turns of a conversation to prompt ids: the model's chat template around what was said.
#pragma once

#include "lib/types.h"

enum turn_role { TURN_SYSTEM, TURN_USER, TURN_ASSISTANT };

// The turns of one prompt, after prompt_clear(). `first`: they begin a conversation; otherwise they
// follow the reply that the context ends with.
void turns_begin(bool first);
// A turn: turn_begin(), prompt_add_text() as often as needed, turn_end(). Its text holds no special
// tokens, whatever it spells; one that spells a mark of the template that is plain text spoils the
// prompt (PROMPT_TURN_MARK). False: the template has no such turn here.
bool turn_begin(enum turn_role role);
void turn_end(void);
// The prompt is complete: a reply is asked for after a user's turn, and nothing is left to be
// tokenised. Does nothing when there were no turns.
void turns_end(void);
// The mark of PROMPT_TURN_MARK.
const char *turns_mark(void);
