// Drives dev/sd_card.c against an SDHCI controller and a card made here, which fail as argv says:
//
//     sd_driver LBA N [none|v1|small|slow] [arasan] [base=HZ] [real=HZ] [crc=LBA:TIMES]
//               [stall=LBA:TIMES] [pull=LBA]
//
// base: what the driver is told of the controller's clock; real: what that is. Prints what
// sd_open() and sd_read() say, whether the blocks are the right ones, the state of the card, the
// registers at the end, and how many writes came sooner than an Arasan takes them.
#include "arch/mmio.h"
#include "arch/timer.h"
#include "dev/sd_card.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE         0x1000u
#define CARD_PRESENT 0x10000u
#define DONE         0x1u
#define COMPLETE     0x2u
#define READY        0x20u
#define REMOVED      0x80u
#define ERROR        0x8000u

uint64_t fake_us;

struct fault {
    uint32_t lba;
    int times;
};

static struct {
    bool none, v1, small, slow, pulled, arasan;
    uint32_t base_hz, real_hz;
    struct fault crc, stall;
    uint32_t pull;
    // The controller.
    uint32_t block, argument, control, clock, status, answer;
    uint64_t written_us;
    uint32_t divider, lost;
    // The card.
    bool app, ready, selected, sending;
    bool illegal; // the last command was: the next answer says so
    int bus_width;
    uint32_t address, left, word;
    bool switching;
    uint32_t switched; // clock when high speed was chosen
} sim = {.base_hz = 200000000,
         .divider = 1023,
         .pull = UINT32_MAX,
         .crc = {UINT32_MAX, 0},
         .stall = {UINT32_MAX, 0},
         .bus_width = 1};

static uint32_t word_of(uint32_t lba, uint32_t word)
{
    return lba * 2654435761u + word * 40503u;
}

static void fail(uint32_t bit)
{
    sim.status |= ERROR | bit;
    sim.left = 0;
}

// A block is about to be readable.
static void next_block(void)
{
    const uint32_t lba = sim.address;
    if (lba == sim.pull) {
        sim.pulled = true;
        sim.status |= REMOVED;
    } else if (lba == sim.crc.lba && sim.crc.times > 0) {
        sim.crc.times--;
        fail(1u << 21);
    } else if (lba == sim.stall.lba && sim.stall.times > 0) {
        sim.stall.times--; // no interrupt at all
    } else {
        sim.status |= READY;
        sim.word = 0;
    }
}

static void start_data(uint32_t command)
{
    sim.sending = (command & 1u << 5) != 0;
    sim.left = sim.sending ? sim.block >> 16 : 1;
    next_block();
}

static void run_command(uint32_t command)
{
    const unsigned index = command >> 24 & 63;
    const bool is_app = sim.app;
    sim.app = false;
    const bool is_illegal = (index == 8 && sim.v1) || (index == 12 && !sim.sending);
    if (index != 0 && (sim.none || sim.pulled || is_illegal)) {
        sim.illegal = is_illegal;
        fail(1u << 16);
        return;
    }
    sim.answer = 0x900 | (sim.illegal ? 1u << 22 : 0); // ready for data, in the transfer state
    sim.illegal = false;
    sim.status |= DONE;
    switch (index) {
    case 0:
        sim.ready = false;
        break;
    case 8:
        sim.answer = sim.argument;
        break;
    case 55:
        sim.app = true;
        break;
    case 41: {
        static int looks;
        const bool high = (sim.argument & 1u << 30) && !sim.small;
        sim.ready = is_app && ++looks > 2;
        sim.answer = 0xff8000 | (sim.ready ? 1u << 31 : 0) | (high ? 1u << 30 : 0);
        break;
    }
    case 3:
        sim.answer = 0x12340500;
        break;
    case 7:
        sim.selected = sim.argument >> 16 == 0x1234;
        sim.status |= COMPLETE;
        break;
    case 6:
        if (is_app) {
            sim.bus_width = sim.argument == 2 ? 4 : 1;
        } else {
            sim.switching = true;
            sim.address = 0;
            start_data(command);
        }
        break;
    case 12:
        sim.left = 0;
        sim.sending = false;
        break;
    case 17:
    case 18:
        sim.switching = false;
        sim.address = sim.small ? sim.argument / 512 : sim.argument;
        start_data(command);
        break;
    }
}

static uint32_t read_data(void)
{
    const uint32_t n = (sim.block & 0xfff) / 4;
    uint32_t value = sim.switching ? 0 : word_of(sim.address, sim.word);
    if (sim.switching && sim.word == 4 && !sim.slow) {
        value = 1; // byte 16: group 1 is function 1
    }
    if (++sim.word == n) {
        sim.address++;
        if (--sim.left == 0) {
            sim.sending = false; // the controller has sent CMD12
            sim.status |= COMPLETE;
        } else {
            next_block();
        }
    }
    return value;
}

uint32_t mmio_read32(paddr_t address)
{
    switch (address - BASE) {
    case 0x10:
        return sim.answer;
    case 0x20:
        return read_data();
    case 0x24:
        return sim.none || sim.pulled ? 0 : CARD_PRESENT;
    case 0x28:
        return sim.control;
    case 0x2c:
        return sim.clock | (sim.clock & 1 ? 2 : 0);
    case 0x30:
        return sim.status;
    default:
        return 0;
    }
}

// Two cycles of the card's clock since the last one.
static void count_if_lost(void)
{
    const uint64_t us = fake_us - sim.written_us;
    const uint32_t hz = sim.divider ? sim.real_hz / (2 * sim.divider) : sim.real_hz;
    if (sim.arasan && us * hz < 2000000) {
        sim.lost++;
    }
    sim.written_us = fake_us;
}

void mmio_write32(paddr_t address, uint32_t value)
{
    count_if_lost();
    switch (address - BASE) {
    case 0x04:
        sim.block = value;
        break;
    case 0x08:
        sim.argument = value;
        break;
    case 0x0c:
        run_command(value);
        break;
    case 0x28:
        sim.control = value;
        break;
    case 0x2c:
        sim.clock = value & ~(7u << 24); // resets are over at once
        if (value & 1) {
            sim.divider = (value >> 8 & 0xff) | (value >> 6 & 3) << 8;
        }
        break;
    case 0x30:
        sim.status &= ~value;
        if (!(sim.status >> 16)) {
            sim.status &= ~ERROR;
        }
        break;
    }
}

uint8_t mmio_read8(paddr_t address)
{
    return (uint8_t)mmio_read32(address);
}

void mmio_write8(paddr_t address, uint8_t value)
{
    mmio_write32(address, value);
}

static void take_argument(const char *word)
{
    sim.none |= strcmp(word, "none") == 0;
    sim.v1 |= strcmp(word, "v1") == 0;
    sim.small |= strcmp(word, "small") == 0 || strcmp(word, "v1") == 0;
    sim.slow |= strcmp(word, "slow") == 0;
    sim.arasan |= strcmp(word, "arasan") == 0;
    sscanf(word, "base=%u", &sim.base_hz);
    sscanf(word, "real=%u", &sim.real_hz);
    sscanf(word, "crc=%u:%d", &sim.crc.lba, &sim.crc.times);
    sscanf(word, "stall=%u:%d", &sim.stall.lba, &sim.stall.times);
    sscanf(word, "pull=%u", &sim.pull);
}

int main(int argc, char **argv)
{
    const uint32_t lba = (uint32_t)atoi(argv[1]), n = (uint32_t)atoi(argv[2]);
    for (int i = 3; i < argc; i++) {
        take_argument(argv[i]);
    }
    struct sd_card card;
    const struct sd_host host = {sim.arasan ? SD_HOST_ARASAN : SD_HOST_SDHCI, BASE};
    sim.real_hz = sim.real_hz ? sim.real_hz : sim.base_hz;
    fake_us = 1000;
    enum sd_result result = sd_open(&card, &host, sim.base_hz);
    printf("open=%s\n", sd_result_text(result));
    if (result != SD_OK) {
        return 0;
    }
    printf("hz=%u lines=%d by_block=%d\n", card.host.clock_hz, sim.bus_width, card.by_block);
    uint32_t *blocks = malloc((size_t)n * 512);
    result = sd_read(&card, lba, n, blocks);
    printf("read=%s", sd_result_text(result));
    if (result != SD_OK) {
        printf(": %u of block %u on", card.failed_n, card.failed_lba);
    }
    printf("\nretries=%u\n", card.n_retries);
    bool right = true;
    for (uint32_t i = 0; result == SD_OK && i < n * 128; i++) {
        right = right && blocks[i] == word_of(lba + i / 128, i % 128);
    }
    printf("right=%d hz=%u\n", result == SD_OK && right, card.host.clock_hz);
    printf("divider=%u control=0x%x lost=%u\n", sim.divider, sim.control, sim.lost);
    free(blocks);
    return 0;
}
