// One conversation: the prompt being collected, and the tokens whose keys and values are cached.
#include "llm/session.h"

#include "gen/layout.h"
#include "gen/model.h"
#include "lib/string.h"
#include "llm/draft.h"
#include "llm/tokenizer.h"

static_assert(TOK_SCRATCH_BYTES((uint64_t)SESSION_TEXT_SIZE) <= ACT_SCRATCH_SIZE,
              "any valid text that fits its buffer can be tokenised");

static struct {
    size_t n_text;
    uint32_t n_ids; // wanted; at most N_CTX are kept
    enum prompt_status status;
} prompt;

static struct {
    uint32_t n_cached; // tokens in the KV cache
    uint32_t n;        // tokens of the context
} session;

static uint8_t *text_buffer(void)
{
    return __session_start + SESSION_TEXT;
}

static uint32_t *prompt_buffer(void)
{
    return (uint32_t *)(void *)(__session_start + SESSION_PROMPT_IDS);
}

static uint32_t *history(void)
{
    return (uint32_t *)(void *)(__session_start + SESSION_HISTORY_IDS);
}

static void prompt_problem(enum prompt_status status)
{
    if (prompt.status == PROMPT_OK) {
        prompt.status = status;
    }
}

void prompt_clear(void)
{
    prompt.n_text = 0;
    prompt.n_ids = 0;
    prompt.status = PROMPT_OK;
}

void prompt_add_text(const uint8_t *text, size_t n)
{
    if (n > SESSION_TEXT_SIZE - prompt.n_text) {
        prompt_problem(PROMPT_TEXT_FULL);
        return;
    }
    memcpy(text_buffer() + prompt.n_text, text, n);
    prompt.n_text += n;
}

const uint8_t *prompt_text(void)
{
    return text_buffer();
}

size_t prompt_text_size(void)
{
    return prompt.n_text;
}

void prompt_cut_text(size_t at, size_t n)
{
    memmove(text_buffer() + at, text_buffer() + at + n, prompt.n_text - at - n);
    prompt.n_text -= n;
}

void prompt_refuse_mark(void)
{
    prompt_problem(PROMPT_TURN_MARK);
}

void prompt_end_text(unsigned tok_flags)
{
    if (prompt.n_text == 0 && !(tok_flags & TOK_ADD_SPECIAL)) {
        return;
    }
    const uint32_t kept = prompt.n_ids < N_CTX ? prompt.n_ids : N_CTX;
    int n = tokenize(prompt_buffer() + kept, (int)(N_CTX - kept), text_buffer(), prompt.n_text,
                     tok_flags);
    prompt.n_text = 0;
    if (n == TOK_TEXT_TOO_LONG) {
        prompt_problem(PROMPT_TEXT_FULL);
        return;
    }
    n = n < 0 ? -n : n;
    prompt.n_ids += (uint32_t)n;
    if (prompt.n_ids > N_CTX) {
        prompt_problem(PROMPT_TOO_LONG);
    }
}

void prompt_add_id(uint32_t id)
{
    if (id >= N_VOCAB_ROWS) {
        prompt_problem(PROMPT_TOKEN_RANGE);
    } else if (prompt.n_ids >= N_CTX) {
        prompt_problem(PROMPT_TOO_LONG);
    } else {
        prompt_buffer()[prompt.n_ids] = id;
    }
    prompt.n_ids++;
}

enum prompt_status prompt_check(void)
{
    return prompt.status == PROMPT_OK && prompt.n_ids == 0 ? PROMPT_EMPTY : prompt.status;
}

uint32_t prompt_size(void)
{
    return prompt.n_ids;
}

const uint32_t *prompt_ids(void)
{
    return prompt_buffer();
}

void session_reset(void)
{
    session.n_cached = 0;
    session.n = 0;
}

uint32_t session_size(void)
{
    return session.n;
}

const uint32_t *session_ids(void)
{
    return history();
}

bool session_begin(bool append, uint32_t *n_reused)
{
    uint32_t *ids = history();
    uint32_t from = session.n;
    if (!append) {
        from = 0;
        while (from < session.n_cached && from + 1 < prompt.n_ids &&
               ids[from] == prompt_buffer()[from]) {
            from++;
        }
        session.n_cached = from;
        session.n = 0;
    }
    if (prompt.n_ids > N_CTX - session.n) {
        return false;
    }
    memcpy(ids + session.n, prompt_buffer(), prompt.n_ids * sizeof *ids);
    session.n += prompt.n_ids;
    *n_reused = session.n_cached;
    return true;
}

uint32_t session_pending(uint32_t max, const uint32_t **ids, uint32_t *pos)
{
    const uint32_t n = session.n - session.n_cached;
    *ids = history() + session.n_cached;
    *pos = session.n_cached;
    return n < max ? n : max;
}

void session_computed(uint32_t n)
{
    session.n_cached += n;
}

bool session_append(uint32_t id)
{
    if (session.n == N_CTX) {
        return false;
    }
    history()[session.n++] = id;
    return true;
}

uint32_t session_guess(uint32_t max)
{
    const uint32_t room = N_CTX - session.n;
    return draft_tokens(history(), session.n, max < room ? max : room);
}
