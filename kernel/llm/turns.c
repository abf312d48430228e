// Turns of a conversation to prompt ids: the model's chat template around what was said.
#include "llm/turns.h"

#include "gen/model.h"
#include "lib/string.h"
#include "llm/session.h"
#include "llm/tokenizer.h"
#include "llm/trim.h"

#define TRIM_LEFT  1u
#define TRIM_RIGHT 2u

static enum { NO_TURNS, AT_START, AFTER_SYSTEM, AFTER_USER, AFTER_REPLY } place;
static enum turn_role speaking;
static unsigned trim;        // what the turn's words lose
static size_t said_at;       // where they begin in the prompt's text
static const uint8_t *spelt; // the mark that a turn held

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

static void open_turn(const uint32_t *piece, unsigned sides)
{
    put(piece);
    said_at = prompt_text_size();
    trim = sides;
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
    static const uint32_t told[] = CHAT_TOLD;
    static const uint32_t again[] = CHAT_AGAIN;
    if (!CHAT_TEMPLATE || place == NO_TURNS) {
        return false;
    }
    switch (role) {
    case TURN_SYSTEM:
        if (place != AT_START || !CHAT_HAS_SYSTEM) {
            return false;
        }
        open_turn(open_system, CHAT_TRIM_OPEN_SYSTEM);
        break;
    case TURN_USER:
        if (place == AFTER_USER) {
            return false;
        }
        if (place == AT_START) {
            open_turn(open, CHAT_TRIM_OPEN);
        } else if (place == AFTER_SYSTEM) {
            open_turn(system_user, CHAT_TRIM_SYSTEM_USER);
        } else {
            open_turn(again, CHAT_TRIM_AGAIN);
        }
        break;
    case TURN_ASSISTANT:
        if (place != AFTER_USER) {
            return false;
        }
        open_turn(told, CHAT_TRIM_TOLD);
        break;
    }
    speaking = role;
    return true;
}

static bool holds(const uint8_t *text, size_t n, const uint8_t *word, size_t n_word)
{
    for (; n >= n_word; text++, n--) {
        if (memcmp(text, word, n_word) == 0) {
            return true;
        }
    }
    return false;
}

// A mark that the template writes as plain text: no tokenizer can tell who wrote it.
static void refuse_marks(void)
{
    static const uint8_t words[] = CHAT_WORDS;
    const uint8_t *word = words;
    while (*word) {
        const size_t n = strlen((const char *)word);
        if (holds(prompt_text() + said_at, prompt_text_size() - said_at, word, n)) {
            spelt = word;
            prompt_refuse_mark();
            return;
        }
        word += n + 1;
    }
}

void turn_end(void)
{
    if (trim & TRIM_LEFT) {
        prompt_cut_text(said_at, trim_left(prompt_text() + said_at, prompt_text_size() - said_at));
    }
    if (trim & TRIM_RIGHT) {
        const size_t n = prompt_text_size() - said_at;
        const size_t spaces = trim_right(prompt_text() + said_at, n);
        prompt_cut_text(said_at + n - spaces, spaces);
    }
    refuse_marks();
    place = speaking == TURN_SYSTEM ? AFTER_SYSTEM
            : speaking == TURN_USER ? AFTER_USER
                                    : AFTER_REPLY;
}

void turns_end(void)
{
    static const uint32_t ask[] = CHAT_ASK;
    if (place == AFTER_USER) {
        put(ask);
    }
    if (place != NO_TURNS) {
        prompt_end_text(TOK_IN_TURN);
        place = NO_TURNS;
    }
}

const char *turns_mark(void)
{
    return (const char *)spelt;
}
