// Turns of a conversation to prompt ids: the model's chat template around what was said.
#include "llm/turns.h"

#include "gen/model.h"
#include "llm/session.h"
#include "llm/tokenizer.h"

static enum { NO_TURNS, AT_START, AFTER_SYSTEM, AFTER_USER, AFTER_REPLY } place;
static enum turn_role speaking;

// Text waits in the prompt until a special token follows it, so that what the template writes and
// what was said are tokenised as the one text that they are.
static void put(const uint32_t *piece)
{
    for (; *piece != CHAT_END; piece++) {
        if (*piece < CHAT_TOKEN) {
            const uint8_t byte = (uint8_t)*piece;
            prompt_add_text(&byte, 1);
        } else {
            prompt_end_text(TOK_IN_TURN);
            prompt_add_id(*piece - CHAT_TOKEN);
        }
    }
}

void turns_begin(bool first)
{
    place = first ? AT_START : AFTER_REPLY;
}

bool turn_begin(enum turn_role role)
{
    static const uint32_t open[] = CHAT_OPEN;
    static const uint32_t open_system[] = CHAT_OPEN_SYSTEM;
    static const uint32_t system_user[] = CHAT_SYSTEM_USER;
    static const uint32_t reply[] = CHAT_REPLY;
    static const uint32_t again[] = CHAT_AGAIN;
    if (!CHAT_TEMPLATE) {
        return false;
    }
    speaking = role;
    switch (role) {
    case TURN_SYSTEM:
        if (place != AT_START || !CHAT_HAS_SYSTEM) {
            return false;
        }
        put(open_system);
        return true;
    case TURN_USER:
        if (place == AFTER_USER || place == NO_TURNS) {
            return false;
        }
        put(place == AT_START ? open : place == AFTER_SYSTEM ? system_user : again);
        return true;
    case TURN_ASSISTANT:
        if (place != AFTER_USER) {
            return false;
        }
        put(reply);
        return true;
    }
    return false;
}

void turn_end(void)
{
    static const uint32_t ask[] = CHAT_ASK;
    if (speaking == TURN_USER) {
        put(ask);
        place = AFTER_USER;
    } else {
        place = speaking == TURN_SYSTEM ? AFTER_SYSTEM : AFTER_REPLY;
    }
}

void turns_end(void)
{
    if (place != NO_TURNS) {
        prompt_end_text(TOK_IN_TURN);
        place = NO_TURNS;
    }
}
