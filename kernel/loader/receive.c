// The conversation: requests in frames, or raspbootin's bytes, until a kernel is complete.
//
// A request is answered each time that it comes, and asking twice changes nothing: the host repeats
// what was lost. Data is not answered at all; STATUS tells what is missing of it.
#include "loader/loader.h"

#include "lib/crc32.h"
#include "lib/le.h"
#include "lib/string.h"
#include "link/frame.h"
#include "loader/blocks.h"
#include "loader/raspbootin.h"

#define DATA_HEADER_BYTES 4 // number of the first block

static struct {
    const struct loader_io *io;
    const struct loader_memory *memory;
    struct blocks blocks;
    struct raspbootin raspbootin;
    struct frame_decoder decoder;
    bool at_base_speed;
    bool host_is_there; // it speaks in frames
    bool run;
    uint64_t byte_at, frame_at, announced_at;
    _Alignas(8) uint8_t body[FRAME_MAX_BYTES]; // data in it begins 8-aligned: block by block
    uint8_t map[LOAD_SPACE_BYTES / LOAD_BLOCK_BYTES / 8];
} loader;

// What is sent: with room for the frame's own fields around it.
static struct {
    size_t n;
    uint8_t body[FRAME_MAX_BYTES];
} out;

static uint64_t ms_since(uint64_t then)
{
    return (loader.io->line.ticks() - then) * 1000 / loader.io->line.ticks_per_s;
}

static void print(const char *text)
{
    for (; *text != '\0'; text++) {
        loader.io->line.putc((uint8_t)*text);
    }
}

static void out_u32(uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        out.body[FRAME_HEADER_BYTES + out.n++] = (uint8_t)(value >> 8 * i);
    }
}

static void out_text(const char *text)
{
    for (; *text != '\0' && out.n < LINK_MAX_PAYLOAD; text++) {
        out.body[FRAME_HEADER_BYTES + out.n++] = (uint8_t)*text;
    }
}

static void send(uint8_t type, uint8_t answers)
{
    out.body[0] = type;
    out.body[1] = 0;
    out.body[2] = answers; // the number of the request
    out.body[3] = 0;
    frame_send(&loader.io->line, out.body, FRAME_HEADER_BYTES + out.n);
    out.n = 0;
}

static void refuse(uint8_t answers, const char *why)
{
    out_text(why);
    send(LOAD_REFUSED, answers);
}

static void introduce(uint32_t nonce)
{
    out_u32(nonce);
    out_u32(LOAD_PROTOCOL);
    out_u32(loader.io->baud_max);
    out_u32(loader.memory->size);
    out_u32((uint32_t)(uintptr_t)loader.memory->base);
    out_u32((uint32_t)((uint64_t)(uintptr_t)loader.memory->base >> 32));
    out_u32((uint32_t)loader.io->firmware_x0);
    out_u32((uint32_t)(loader.io->firmware_x0 >> 32));
    out_text(loader.io->banner);
}

static void change_speed(uint8_t answers, uint32_t baud)
{
    // The answer first, at the speed that both still have.
    out_u32(baud);
    send(LOAD_DONE, answers);
    if (loader.io->set_baud(baud)) {
        loader.at_base_speed = baud == 0;
    }
}

static void begin(uint8_t answers, uint32_t size, uint32_t crc)
{
    if (size == 0 || size > loader.memory->size) {
        refuse(answers, "the kernel does not fit the loader's memory");
        return;
    }
    blocks_begin(&loader.blocks, size, crc);
    out_u32(size);
    send(LOAD_DONE, answers);
}

static void tell_missing(uint8_t answers, uint32_t first, uint32_t count)
{
    out_u32(first);
    for (uint32_t i = 0; i < count && i < LOAD_STATUS_BLOCKS; i += 8) {
        uint8_t byte = 0;
        for (uint32_t bit = 0; bit < 8; bit++) {
            byte |= (uint8_t)(blocks_has(&loader.blocks, first + i + bit) << bit);
        }
        out.body[FRAME_HEADER_BYTES + out.n++] = byte;
    }
    send(LOAD_MAP, answers);
}

// The CRC of what lies in memory, which the host knows as well.
static bool verify(uint8_t answers)
{
    if (!blocks_complete(&loader.blocks)) {
        refuse(answers, "the kernel is not complete");
        return false;
    }
    const uint32_t crc = crc32(0, loader.blocks.memory, loader.blocks.size);
    if (crc != loader.blocks.crc) {
        refuse(answers, "memory does not hold what was sent");
        loader.blocks.size = 0; // all of it again
        return false;
    }
    out_u32(crc);
    send(LOAD_DONE, answers);
    return true;
}

static void handle(const struct frame *frame)
{
    if (frame->n_payload < sizeof(uint32_t)) {
        return; // none of ours
    }
    const uint32_t a = load_le32(frame->payload);
    if (frame->type == LOAD_DATA) {
        blocks_take(&loader.blocks, a, frame->payload + DATA_HEADER_BYTES,
                    frame->n_payload - DATA_HEADER_BYTES);
        return;
    }
    const uint32_t b = frame->n_payload < 2 * sizeof a ? 0 : load_le32(frame->payload + sizeof a);
    switch (frame->type) {
    case MSG_HELLO:
        introduce(a);
        send(LOAD_WELCOME, frame->seq);
        break;
    case LOAD_BAUD:
        change_speed(frame->seq, a);
        break;
    case LOAD_BEGIN:
        begin(frame->seq, a, b);
        break;
    case LOAD_STATUS:
        tell_missing(frame->seq, a, b);
        break;
    case LOAD_VERIFY:
        verify(frame->seq);
        break;
    case LOAD_RUN:
        loader.run = verify(frame->seq);
        break;
    default: // a kernel's: the host will say HELLO
        break;
    }
}

static void take(uint8_t byte)
{
    raspbootin_take(&loader.raspbootin, byte);
    if (byte != 0) {
        frame_take(&loader.decoder, byte);
        return;
    }
    struct frame frame;
    if (frame_end(&loader.decoder, &frame)) {
        loader.host_is_there = true;
        raspbootin_reset(&loader.raspbootin);
        handle(&frame);
        // The CRC of a large kernel takes longer than the host may be silent: its time begins now.
        loader.frame_at = loader.io->line.ticks();
        loader.byte_at = loader.frame_at;
    }
    frame_begin(&loader.decoder, loader.body); // this zero may also begin the next one
}

// Nothing came just now: what depends on how long that has been so.
static void be_patient(void)
{
    if (!loader.at_base_speed && ms_since(loader.frame_at) >= LOAD_FALL_BACK_MS) {
        loader.at_base_speed = true;
        loader.io->set_baud(0);
    }
    if (loader.host_is_there) {
        loader.host_is_there = ms_since(loader.frame_at) < LINK_GIVE_UP_MS;
        return;
    }
    if (ms_since(loader.byte_at) >= LOAD_SIZE_SILENCE_MS) {
        switch (raspbootin_pause(&loader.raspbootin)) {
        case RASPBOOTIN_SIZE:
            loader.blocks.size = 0; // what is written over them now
            print("OK");
            loader.byte_at = loader.io->line.ticks();
            break;
        case RASPBOOTIN_WRONG_SIZE:
            print("SE");
            break;
        case RASPBOOTIN_NOTHING:
            break;
        }
    }
    if (loader.raspbootin.receiving) {
        if (ms_since(loader.byte_at) >= LOAD_RAW_SILENCE_MS) {
            print("\r\nthe kernel ended early\r\n");
            raspbootin_reset(&loader.raspbootin);
        }
    } else if (ms_since(loader.announced_at) >= LOAD_ANNOUNCE_MS) {
        loader.announced_at = loader.io->line.ticks();
        print("\x03\x03\x03"); // for a host of raspbootin's kind
    }
}

uint32_t loader_receive(const struct loader_io *io, const struct loader_memory *memory)
{
    loader.io = io;
    loader.memory = memory;
    loader.blocks.memory = memory->base;
    loader.blocks.map = loader.map;
    loader.raspbootin.memory = memory->base;
    loader.raspbootin.room = memory->size;
    loader.at_base_speed = true;
    frame_begin(&loader.decoder, loader.body);
    print("\r\n");
    print(io->banner);
    print("\r\n\x03\x03\x03");
    loader.announced_at = io->line.ticks();

    for (;;) {
        const int byte = io->line.getc();
        if (byte == LINK_CLOSED) {
            return 0;
        }
        if (byte >= 0) {
            loader.byte_at = io->line.ticks();
            take((uint8_t)byte);
        } else {
            be_patient();
            io->line.pause();
        }
        if (loader.run) {
            return loader.blocks.size;
        }
        if (raspbootin_complete(&loader.raspbootin)) {
            return loader.raspbootin.size;
        }
    }
}
