// Property channel of the VideoCore mailbox. Registers and tags:
// github.com/raspberrypi/firmware/wiki/Mailboxes, "Mailbox property interface".
#include "dev/mailbox.h"

#include "arch/cache.h"
#include "arch/mmio.h"
#include "arch/timer.h"

#define MAILBOX_READ         0x00
#define MAILBOX_STATUS       0x18
#define MAILBOX_STATUS_FULL  (1u << 31)
#define MAILBOX_STATUS_EMPTY (1u << 30)
#define MAILBOX_WRITE        0x20
#define CHANNEL_PROPERTY     8u // in the lowest four bits of a message
#define RESPONSE_OK          0x80000000u
#define LENGTH_IS_RESPONSE   (1u << 31)
#define PATIENCE_US          500000 // a clock takes milliseconds; a VideoCore that is busy, longer

enum { SIZE, CODE, TAG, VALUE_SIZE, VALUE_LENGTH, VALUES, WORDS = 16 };
#define MAX_VALUES (WORDS - VALUES - 1) // the last word ends the list of tags

static paddr_t base;
static uint64_t bus_offset;

// A cache line for itself: it is cleaned and dropped as a whole. The VideoCore reads and writes it.
static _Alignas(64) uint32_t buffer[WORDS];
static_assert(sizeof(buffer) == 64, "one line");

void mailbox_init(paddr_t mailbox, uint64_t offset)
{
    base = mailbox;
    bus_offset = offset;
}

// Until the status has none of these bits.
static bool wait_for(uint32_t bits, uint64_t deadline)
{
    while (mmio_read32(base + MAILBOX_STATUS) & bits) {
        if (timer_ticks() >= deadline) {
            return false;
        }
    }
    return true;
}

static bool exchange(void)
{
    const uint32_t message = (uint32_t)((paddr_t)buffer + bus_offset) | CHANNEL_PROPERTY;
    const uint64_t deadline = timer_deadline_us(PATIENCE_US);
    cache_clean(buffer, buffer + WORDS); // complete before the VideoCore is told
    if (!wait_for(MAILBOX_STATUS_FULL, deadline)) {
        return false;
    }
    mmio_write32(base + MAILBOX_WRITE, message);
    do {
        if (!wait_for(MAILBOX_STATUS_EMPTY, deadline)) {
            return false;
        }
    } while (mmio_read32(base + MAILBOX_READ) != message); // another channel's, or a late answer
    cache_invalidate(buffer, buffer + WORDS);
    return true;
}

bool mailbox_call(uint32_t tag, uint32_t *values, unsigned n_in, unsigned n_out)
{
    const unsigned n = n_in > n_out ? n_in : n_out;
    if (base == 0 || n > MAX_VALUES) {
        return false;
    }
    volatile uint32_t *words = buffer; // the compiler does not see who else writes them
    for (int i = 0; i < WORDS; i++) {
        words[i] = 0;
    }
    words[SIZE] = sizeof(buffer);
    words[TAG] = tag;
    words[VALUE_SIZE] = 4 * n;
    for (unsigned i = 0; i < n_in; i++) {
        words[VALUES + i] = values[i];
    }
    if (!exchange()) {
        base = 0; // nobody is there, and nobody is waited for again
        return false;
    }
    if (words[CODE] != RESPONSE_OK) {
        return false;
    }
    const uint32_t length = words[VALUE_LENGTH];
    if ((length & LENGTH_IS_RESPONSE) == 0 || (length & ~LENGTH_IS_RESPONSE) < 4 * n_out) {
        return false;
    }
    for (unsigned i = 0; i < n_out; i++) {
        values[i] = words[VALUES + i];
    }
    return true;
}

uint32_t mailbox_get(uint32_t tag, uint32_t id)
{
    uint32_t values[2] = {id, 0};
    return mailbox_call(tag, values, 1, 2) && values[0] == id ? values[1] : 0;
}
