// A person at the console: a typed line is a prompt, and a few commands.
#include "app/server.h"
#include "gen/layout.h"
#include "gen/model.h"
#include "lib/format.h"
#include "lib/string.h"
#include "llm/session.h"
#include "llm/tokenizer.h"
#include "llm/turns.h"

static struct {
    struct sampler_params sampling;
    bool seed_fixed;
    uint32_t n_predict;
    struct generate_result last;
} chat;

void chat_init(void)
{
    memset(&chat, 0, sizeof chat);
    sampler_defaults(&chat.sampling);
    chat.n_predict = N_CTX;
}

void chat_prompt(void)
{
    console_clear(&server.console);
    console_print(&server.console, "> ");
}

static bool on_prefill(uint32_t done, uint32_t total)
{
    (void)done;
    (void)total;
    return !serve_interrupted(true);
}

static bool on_token(uint32_t index, uint32_t id, float prob)
{
    (void)index;
    (void)prob;
    uint8_t piece[MAX_TOKEN_BYTES];
    console_text(&server.console, piece, token_piece(piece, id));
    return !serve_interrupted(true);
}

static void print_rate(uint32_t n_tokens, uint64_t ticks)
{
    if (n_tokens > 0 && server.io->ticks_per_s > 0 && ticks > 0) {
        const uint64_t tenths = n_tokens * 10 * server.io->ticks_per_s / ticks;
        console_print(&server.console, ", %u.%u tokens/s", (unsigned)(tenths / 10),
                      (unsigned)(tenths % 10));
    }
}

static void print_stats(void)
{
    const struct generate_result *last = &chat.last;
    const uint32_t n_computed = last->n_prompt - last->n_reused;
    console_print(&server.console, "[%u prompt tokens", n_computed);
    print_rate(n_computed, last->ticks_prefill);
    console_print(&server.console, "; %u generated", last->n_generated);
    // The first one came out of the prompt.
    print_rate(last->n_generated > 0 ? last->n_generated - 1 : 0, last->ticks_decode);
    console_print(&server.console, "; context %u of %u; seed %llu%s]\n", session_size(), N_CTX,
                  (unsigned long long)chat.sampling.seed,
                  last->stop == STOPPED_CONTEXT ? "; context full" : "");
}

static void say(enum turn_role role, const char *text, size_t n)
{
    if (turn_begin(role)) {
        prompt_add_text((const uint8_t *)text, n);
        turn_end();
    }
}

// What a person types is never a control token.
static bool line_to_prompt(const char *line, size_t n)
{
    const bool first = session_size() == 0;
    prompt_clear();
    if (CHAT_TEMPLATE) {
        turns_begin(first);
        if (first && *server.info->system) {
            say(TURN_SYSTEM, server.info->system, strlen(server.info->system));
        }
        say(TURN_USER, line, n);
        turns_end();
    } else {
        prompt_add_text((const uint8_t *)line, n);
        prompt_end_text(first ? TOK_ADD_SPECIAL : 0);
    }
    return prompt_check() == PROMPT_OK && session_size() + prompt_size() <= N_CTX;
}

static void reply(const char *line, size_t n)
{
    if (MAKES_VECTORS) {
        console_print(&server.console, "This model makes vectors of texts, for host programs.\n");
        return;
    }
    bool fits = line_to_prompt(line, n);
    if (prompt_check() == PROMPT_TURN_MARK) {
        console_print(&server.console, "%s is a mark of the model's chat template: not sent.\n",
                      turns_mark());
        return;
    }
    if (!fits && session_size() > 0) {
        session_reset();
        console_print(&server.console, "[context full: a new conversation]\n");
        fits = line_to_prompt(line, n);
    }
    if (prompt_check() == PROMPT_TEXT_FULL) {
        console_print(&server.console, "The line is too long.\n");
        return;
    }
    if (!fits) {
        console_print(&server.console, "The line is %u tokens, the context holds %u.\n",
                      prompt_size(), N_CTX);
        return;
    }
    if (!chat.seed_fixed) {
        chat.sampling.seed = server.io->ticks();
    }
    struct generate_params params = {
        .n_predict = chat.n_predict, .append = session_size() > 0, .sampling = chat.sampling};
    struct generate_events events = {0};
    events.ticks = server.io->ticks;
    events.prefill = on_prefill;
    events.token = on_token;
    generate(&params, &events, &chat.last);
    console_text_end(&server.console);
    console_print(&server.console, chat.last.stop == STOPPED_ABORT ? "^C\n" : "\n");
    print_stats();
}

// A decimal number at *text, moved behind it. False: there is none, or it is too large.
static bool parse_u64(const char **text, uint64_t *value)
{
    const char *p = *text;
    uint64_t n = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n)) {
            return false;
        }
    }
    const bool found = p != *text;
    *text = p;
    *value = n;
    return found;
}

// The argument of "/name argument"; NULL: the line is another command.
static const char *argument(const char *line, const char *name)
{
    const size_t n = strlen(name);
    if (memcmp(line, name, n < strlen(line) ? n : strlen(line) + 1) != 0) {
        return NULL;
    }
    line += n;
    if (*line != '\0' && *line != ' ') {
        return NULL;
    }
    while (*line == ' ') {
        line++;
    }
    return line;
}

static bool set_temp(const char *text)
{
    uint64_t whole;
    uint64_t fraction = 0;
    float unit = 1.0f;
    if (!parse_u64(&text, &whole) || whole > 1000) {
        return false;
    }
    if (*text == '.') {
        const char *digits = ++text;
        if (!parse_u64(&text, &fraction) || text - digits > 6) {
            return false;
        }
        for (; digits < text; digits++) {
            unit *= 10.0f;
        }
    }
    if (*text != '\0') {
        return false;
    }
    chat.sampling.temp = (float)whole + (float)fraction / unit;
    return true;
}

static bool command(const char *line)
{
    const char *text;
    uint64_t n;
    if ((text = argument(line, "/temp"))) {
        return set_temp(text);
    }
    if ((text = argument(line, "/seed"))) {
        if (!parse_u64(&text, &n) || *text != '\0') {
            return false;
        }
        chat.sampling.seed = n;
        chat.seed_fixed = true;
        return true;
    }
    if ((text = argument(line, "/n"))) {
        if (!parse_u64(&text, &n) || n > UINT32_MAX || *text != '\0') {
            return false;
        }
        chat.n_predict = (uint32_t)n;
        return true;
    }
    if (argument(line, "/reset")) {
        session_reset();
        return true;
    }
    if (argument(line, "/stats")) {
        print_stats();
        return true;
    }
    if (argument(line, "/help")) {
        console_print(&server.console, "A line is a prompt; Ctrl-C stops the answer.\n"
                                       "/temp T  /seed N  /n N (tokens at most)  /reset (a new "
                                       "conversation)  /stats  /poweroff\n");
        return true;
    }
    return false;
}

bool chat_line(const char *line, size_t n)
{
    if (argument(line, "/poweroff")) {
        return false;
    }
    if (line[0] == '/') {
        if (!command(line)) {
            console_print(&server.console, "Not understood; /help lists the commands.\n");
        }
    } else if (n > 0) {
        reply(line, n);
    }
    return true;
}
