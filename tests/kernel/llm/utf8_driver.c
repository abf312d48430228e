// Each byte of stdin through the stream; then the end.
#include <stdio.h>

#include "llm/utf8.h"

int main(void)
{
    struct utf8_stream stream = {0};
    uint8_t shown[UTF8_PUSH_MAX];
    int c;
    while ((c = getchar()) != EOF) {
        fwrite(shown, 1, utf8_push(&stream, (uint8_t)c, shown), stdout);
    }
    fwrite(shown, 1, utf8_end(&stream, shown), stdout);
    return 0;
}
