// Records on stdin: 'e' u16 n, body (header and payload): prints the frame. 'd' u16 n, segment:
// prints u8 ok, then u16 n and the body without its CRC.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link/frame.h"

static void putc_stdout(uint8_t c)
{
    putchar(c);
}

int main(void)
{
    struct link_io io = {.putc = putc_stdout};
    int kind;
    while ((kind = getchar()) != EOF) {
        size_t n = (size_t)getchar();
        n |= (size_t)getchar() << 8;
        // Exactly as large as promised: the sanitizer sees any access beyond.
        uint8_t *bytes = malloc(n + (kind == 'e' ? FRAME_CRC_BYTES : 0));
        if (fread(bytes, 1, n, stdin) != n) {
            return 1;
        }
        struct frame frame;
        if (kind == 'e') {
            frame_send(&io, bytes, n);
        } else if (frame_decode(&frame, bytes, n)) {
            const size_t size = FRAME_HEADER_BYTES + frame.n_payload;
            printf("%c%c%c%c%c%c%c", 1, (int)(size & 255), (int)(size >> 8), frame.type, frame.seq,
                   frame.ack, 0);
            fwrite(frame.payload, 1, frame.n_payload, stdout);
        } else {
            putchar(0);
        }
        free(bytes);
    }
    return 0;
}
