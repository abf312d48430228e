// Records on stdin: 'b' u8 first: a prompt of turns begins. 't' u8 role, u32 n, text: a turn;
// prints u32, whether there is one. 'e': the prompt ends; prints u32 status, u32 n, the n bytes of
// the mark, u32 n, and the n ids. A text's ids are its bytes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gen/layout.h"
#include "gen/model.h"
#include "llm/draft.h"
#include "llm/session.h"
#include "llm/tokenizer.h"
#include "llm/turns.h"

_Alignas(64) uint8_t __session_start[REGION_SESSION_SIZE];

int tokenize(uint32_t *ids, int max_ids, const uint8_t *text, size_t n, unsigned flags)
{
    if (flags != TOK_IN_TURN || (int)n > max_ids) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        ids[i] = text[i];
    }
    return (int)n;
}

uint32_t draft_tokens(uint32_t *ids, uint32_t n, uint32_t max)
{
    (void)ids;
    (void)n;
    (void)max;
    abort();
}

static void put_u32(uint32_t value)
{
    fwrite(&value, sizeof value, 1, stdout);
}

static void take_turn(void)
{
    uint32_t n = 0;
    const enum turn_role role = (enum turn_role)getchar();
    if (fread(&n, sizeof n, 1, stdin) != 1) {
        exit(1);
    }
    uint8_t *text = malloc(n + 1);
    if (fread(text, 1, n, stdin) != n) {
        exit(1);
    }
    const bool taken = turn_begin(role);
    if (taken) {
        prompt_add_text(text, n / 2);
        prompt_add_text(text + n / 2, n - n / 2);
        turn_end();
    }
    put_u32(taken);
    free(text);
}

static void end_prompt(void)
{
    turns_end();
    const enum prompt_status status = prompt_check();
    put_u32(status);
    const char *mark = status == PROMPT_TURN_MARK ? turns_mark() : "";
    put_u32((uint32_t)strlen(mark));
    fputs(mark, stdout);
    put_u32(prompt_size());
    fwrite(prompt_ids(), sizeof(uint32_t), prompt_size(), stdout);
}

int main(void)
{
    int kind;
    while ((kind = getchar()) != EOF) {
        if (kind == 'b') {
            prompt_clear();
            turns_begin(getchar());
        } else if (kind == 't') {
            take_turn();
        } else {
            end_prompt();
        }
    }
    return 0;
}
