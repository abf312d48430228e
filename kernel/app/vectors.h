// A host program that wants vectors of texts.
#pragma once

#include "link/message.h"

// EMBED: takes the collected prompt as the next text; the last one's answer ends the request.
// ticks_receive: spent on the messages of the prompt.
void answer_embed(struct reader *in, uint64_t ticks_receive);
