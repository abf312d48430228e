// A host program on the line: each request gets its answers, one DONE or one ERROR last.
#include "app/reply.h"
#include "app/server.h"
#include "app/vectors.h"
#include "gen/layout.h"
#include "gen/model.h"
#include "lib/string.h"
#include "link/message.h"
#include "llm/session.h"
#include "llm/tokenizer.h"
#include "llm/turns.h"
#include "nn/tier.h"

static_assert(STOP_LENGTH == STOPPED_LENGTH && STOP_EOG == STOPPED_EOG &&
                  STOP_ABORT == STOPPED_ABORT && STOP_CONTEXT == STOPPED_CONTEXT,
              "DONE carries enum stop_reason");

#define IDS_PER_MESSAGE    200
#define LOGITS_PER_MESSAGE 240

static uint64_t ticks_receive; // spent on the prompt's messages
static bool from_text;         // the host does not know the prompt's ids yet
static bool in_turn;           // the next PROMPT_TEXT goes on with the same turn

static void send_welcome(struct reader *in)
{
    const uint32_t nonce = get_u32(in);
    get_u16(in); // the host's protocol: it compares, and says what to do
    if (!in->ok) {
        return;
    }
    channel_open(&server.channel);
    put_u32(&reply, nonce);
    put_u16(&reply, LINK_PROTOCOL);
    put_u16(&reply, LINK_WINDOW);
    put_u64(&reply, BUILD_ID);
    put_u32(&reply, N_VOCAB_ROWS);
    put_u32(&reply, N_CTX);
    put_u32(&reply, session_size());
    put_u64(&reply, server.io->ticks_per_s);
    put_u64(&reply, server.info->boot_ticks);
    put_bytes(&reply, server.info->description, strlen(server.info->description));
    if (*server.info->system) {
        put_bytes(&reply, "\n", 1);
        put_bytes(&reply, server.info->system, strlen(server.info->system));
    }
    reply_send(MSG_WELCOME);
}

static void begin_prompt(uint8_t flags)
{
    if (flags & PROMPT_FIRST) {
        turns_end(); // of a prompt that was given up
        prompt_clear();
        in_turn = false;
        from_text = false;
        ticks_receive = 0;
    }
}

static void take_turn(uint8_t flags, struct reader *in)
{
    const enum turn_role role = flags & PROMPT_SYSTEM ? TURN_SYSTEM
                                : flags & PROMPT_USER ? TURN_USER
                                                      : TURN_ASSISTANT;
    if (flags & PROMPT_FIRST) {
        turns_begin(flags & PROMPT_ADD_SPECIAL);
    }
    if (!in_turn && !turn_begin(role)) {
        static const char names[][10] = {"system", "user", "assistant"};
        reply_error(ERROR_NO_TURN, "the model's chat template has no %s turn here", names[role]);
        return;
    }
    prompt_add_text(in->bytes, in->n);
    in_turn = !(flags & PROMPT_LAST);
    if (!in_turn) {
        from_text = true;
        turn_end();
    }
}

static void take_prompt_text(struct reader *in)
{
    const uint8_t flags = get_u8(in);
    if (!in->ok) {
        reply_error(ERROR_BAD_MESSAGE, "PROMPT_TEXT without flags");
        return;
    }
    begin_prompt(flags);
    if (flags & (PROMPT_SYSTEM | PROMPT_USER | PROMPT_ASSISTANT)) {
        take_turn(flags, in);
        return;
    }
    prompt_add_text(in->bytes, in->n);
    if (flags & PROMPT_LAST) {
        from_text = true;
        prompt_end_text((flags & PROMPT_ADD_SPECIAL ? TOK_ADD_SPECIAL : 0) |
                        (flags & PROMPT_PARSE_SPECIAL ? TOK_PARSE_SPECIAL : 0));
    }
}

static void take_prompt_ids(struct reader *in)
{
    const uint8_t flags = get_u8(in);
    if (!in->ok || in->n % 4 != 0) {
        reply_error(ERROR_BAD_MESSAGE, "PROMPT_IDS of %zu bytes", in->n);
        return;
    }
    begin_prompt(flags);
    while (in->n > 0) {
        prompt_add_id(get_u32(in));
    }
}

// Whether the collected prompt can be run; if not, the host has been told.
static bool prompt_is_fine(void)
{
    turns_end();
    switch (prompt_check()) {
    case PROMPT_OK:
        return true;
    case PROMPT_TEXT_FULL:
        reply_error(ERROR_TEXT_FULL, "the prompt's text exceeds %u bytes, the most for %u tokens",
                    SESSION_TEXT_SIZE, N_CTX);
        return false;
    case PROMPT_TOO_LONG:
        reply_error(ERROR_PROMPT_TOO_LONG, "the prompt has %u tokens, the context holds %u",
                    prompt_size(), N_CTX);
        return false;
    case PROMPT_TOKEN_RANGE:
        reply_error(ERROR_TOKEN_RANGE, "token ids end at %u", N_VOCAB_ROWS - 1);
        return false;
    case PROMPT_EMPTY:
        reply_error(ERROR_EMPTY_PROMPT, "the prompt is empty");
        return false;
    case PROMPT_TURN_MARK:
        reply_error(ERROR_TURN_MARK, "%s in a turn's words is a mark of the model's chat template",
                    turns_mark());
        return false;
    }
    return false;
}

static void send_done(const struct generate_result *result)
{
    put_u32(&reply, result->stop); // a byte and three of padding
    put_u32(&reply, result->n_prompt);
    put_u32(&reply, result->n_reused);
    put_u32(&reply, result->n_generated);
    put_u32(&reply, session_size());
    put_u64(&reply, ticks_receive);
    put_u64(&reply, result->ticks_prefill);
    put_u64(&reply, result->ticks_decode);
    put_u32(&reply, result->n_drafted);
    put_u32(&reply, result->n_accepted);
    reply_send(MSG_DONE);
}

static void send_prompt_tokens(void)
{
    const uint32_t total = prompt_size();
    uint32_t first = 0;
    do {
        put_u32(&reply, total);
        put_u32(&reply, first);
        for (uint32_t i = 0; i < IDS_PER_MESSAGE && first < total; i++) {
            put_u32(&reply, prompt_ids()[first++]);
        }
    } while (reply_send(MSG_PROMPT_TOKENS) && first < total);
}

static void answer_tokenize(void)
{
    turns_end();
    if (prompt_check() != PROMPT_EMPTY && !prompt_is_fine()) {
        return;
    }
    send_prompt_tokens();
    send_done(&(struct generate_result){.n_prompt = prompt_size()});
}

static bool on_prefill(uint32_t done, uint32_t total)
{
    put_u32(&reply, done);
    put_u32(&reply, total);
    return reply_send(MSG_PREFILL) && !serve_interrupted(false);
}

static bool on_logits(uint32_t index, const float *logits)
{
    for (uint32_t first = 0; first < N_VOCAB_ROWS; first += LOGITS_PER_MESSAGE) {
        put_u32(&reply, index);
        put_u32(&reply, first);
        for (uint32_t i = first; i < first + LOGITS_PER_MESSAGE && i < N_VOCAB_ROWS; i++) {
            put_f32(&reply, logits[i]);
        }
        if (!reply_send(MSG_LOGITS)) {
            return false;
        }
    }
    return true;
}

static bool on_token(uint32_t index, uint32_t id, float prob)
{
    uint8_t piece[MAX_TOKEN_BYTES];
    put_u32(&reply, index);
    put_u32(&reply, id);
    put_f32(&reply, prob);
    put_bytes(&reply, piece, token_piece(piece, id));
    return reply_send(MSG_TOKEN) && !serve_interrupted(false);
}

static void answer_generate(struct reader *in)
{
    struct generate_params params;
    params.n_predict = get_u32(in);
    params.sampling.temp = get_f32(in);
    params.sampling.top_k = (int32_t)get_u32(in);
    params.sampling.top_p = get_f32(in);
    params.sampling.min_p = get_f32(in);
    params.sampling.repeat_penalty = get_f32(in);
    params.sampling.repeat_last_n = (int32_t)get_u32(in);
    params.sampling.seed = get_u64(in);
    const uint32_t flags = get_u32(in);
    params.n_draft = get_u32(in);
    params.append = flags & GENERATE_APPEND;
    params.ignore_eog = flags & GENERATE_IGNORE_EOG;
    if (!in->ok || in->n != 0) {
        reply_error(ERROR_BAD_MESSAGE, "GENERATE of another size");
        return;
    }
    if (MAKES_VECTORS) {
        reply_error(ERROR_NO_TEXT,
                    "this model makes vectors of texts and does not go on with them");
        return;
    }
    if (!prompt_is_fine()) {
        return;
    }
    if (from_text) {
        send_prompt_tokens();
    }
    nn_tier_limit(flags & GENERATE_TIER_NEON      ? TIER_NEON
                  : flags & GENERATE_TIER_DOTPROD ? TIER_DOTPROD
                                                  : TIER_I8MM);
    struct generate_events events = {0};
    events.ticks = server.io->ticks;
    events.prefill = on_prefill;
    events.token = on_token;
    if (flags & GENERATE_LOGITS) {
        events.logits = on_logits;
    }
    struct generate_result result;
    if (!generate(&params, &events, &result)) {
        reply_error(ERROR_PROMPT_TOO_LONG,
                    "%u tokens in the context and %u of the prompt, the context holds %u",
                    session_size(), prompt_size(), N_CTX);
    } else {
        send_done(&result);
    }
}

static void answer_mem_read(struct reader *in)
{
    const uint64_t addr = get_u64(in);
    const uint32_t n = get_u32(in);
    if (!in->ok || n > LINK_MAX_PAYLOAD - sizeof addr) {
        reply_error(ERROR_BAD_MESSAGE, "MEM_READ of %u bytes, at most %zu", n,
                    LINK_MAX_PAYLOAD - sizeof addr);
        return;
    }
    const void *memory = server.info->readable ? server.info->readable(addr, n) : NULL;
    if (!memory) {
        reply_error(ERROR_ADDRESS, "0x%llx is not readable", (unsigned long long)addr);
        return;
    }
    put_u64(&reply, addr);
    put_bytes(&reply, memory, n);
    reply_send(MSG_MEM_DATA);
}

static void answer_sensors(void)
{
    struct serve_sensors sensors = {0, 0, SERVE_NOT_KNOWN};
    if (server.info->sense) {
        server.info->sense(&sensors);
    }
    put_u32(&reply, sensors.arm_hz);
    put_u32(&reply, sensors.temperature);
    put_u32(&reply, sensors.throttled);
    reply_send(MSG_READINGS);
}

bool request_handle(enum serve_end *end)
{
    struct reader in = {server.channel.payload, server.channel.n_payload, true};
    const uint8_t type = server.channel.type;
    const uint64_t start = server.io->ticks();
    reply.n = 0;
    // Before the answer, so that an ABORT or a HELLO can come in meanwhile. The payload stays until
    // the line is polled again, in the first reply_send(): by then it has been read.
    channel_release(&server.channel);
    switch (type) {
    case MSG_HELLO:
        send_welcome(&in);
        break;
    case MSG_PROMPT_TEXT:
        take_prompt_text(&in);
        ticks_receive += server.io->ticks() - start;
        break;
    case MSG_PROMPT_IDS:
        take_prompt_ids(&in);
        ticks_receive += server.io->ticks() - start;
        break;
    case MSG_GENERATE:
        answer_generate(&in);
        break;
    case MSG_TOKENIZE:
        answer_tokenize();
        break;
    case MSG_EMBED:
        answer_embed(&in, ticks_receive);
        break;
    case MSG_MEM_READ:
        answer_mem_read(&in);
        break;
    case MSG_SENSORS:
        answer_sensors();
        break;
    case MSG_ABORT: // of a generation that has ended by itself
        break;
    case MSG_POWEROFF:
        *end = SERVE_POWEROFF;
        return false;
    case MSG_REBOOT:
        *end = SERVE_REBOOT;
        return false;
    default:
        reply_error(ERROR_BAD_MESSAGE, "message type 0x%02x is unknown", type);
        break;
    }
    return true;
}
