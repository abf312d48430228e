// SDHCI. Names, offsets and sequences: SD Host Controller Simplified Specification 3.00, chapters 2
// and 3. All accesses are 32 bits wide: the Arasan of the BCM2835 knows no others.
#include "dev/sdhci.h"

#include "arch/mmio.h"
#include "arch/timer.h"

#define SDHCI_BLOCK_SIZE_COUNT 0x04
#define SDHCI_ARGUMENT         0x08
#define SDHCI_COMMAND          0x0c // transfer mode in the lower half
#define MODE_COUNT             (1u << 1)
#define MODE_AUTO_CMD12        (1u << 2)
#define MODE_READ              (1u << 4)
#define MODE_MULTI             (1u << 5)
#define COMMAND_R136           (1u << 16)
#define COMMAND_R48            (2u << 16)
#define COMMAND_R48_BUSY       (3u << 16)
#define COMMAND_CHECK_CRC      (1u << 19)
#define COMMAND_CHECK_INDEX    (1u << 20)
#define COMMAND_DATA           (1u << 21)
#define COMMAND_ABORT          (3u << 22)
#define COMMAND_INDEX(i)       ((uint32_t)(i) << 24)
#define SDHCI_RESPONSE         0x10
#define SDHCI_DATA             0x20
#define SDHCI_PRESENT          0x24
#define PRESENT_COMMAND_BUSY   (1u << 0)
#define PRESENT_DATA_BUSY      (1u << 1)
#define PRESENT_CARD           (1u << 16)
#define SDHCI_CONTROL          0x28
#define CONTROL_FOUR_LINES     (1u << 1)
#define CONTROL_HIGH_SPEED     (1u << 2)
#define CONTROL_POWER_3V3      (0xfu << 8) // bus power on, 3.3 V
#define SDHCI_CLOCK            0x2c
#define CLOCK_INTERNAL         (1u << 0)
#define CLOCK_STABLE           (1u << 1)
#define CLOCK_TO_CARD          (1u << 2)
#define CLOCK_DIVIDER(n)       (((n) & 0xffu) << 8 | ((n) >> 8 & 3u) << 6)
#define CLOCK_DIVIDER_MAX      0x3ffu
#define CLOCK_DATA_TIMEOUT     (0xeu << 16) // the longest
#define CLOCK_RESET_ALL        (1u << 24)
#define CLOCK_RESET_COMMAND    (1u << 25)
#define CLOCK_RESET_DATA       (1u << 26)
#define SDHCI_STATUS           0x30
#define STATUS_COMMAND_DONE    (1u << 0)
#define STATUS_TRANSFER_DONE   (1u << 1)
#define STATUS_READ_READY      (1u << 5)
#define STATUS_REMOVED         (1u << 7)
#define STATUS_ERROR           (1u << 15)
#define STATUS_COMMAND_TIMEOUT (1u << 16)
#define STATUS_DATA_TIMEOUT    (1u << 20)
#define STATUS_CRC             (1u << 17 | 1u << 18 | 1u << 19 | 1u << 21 | 1u << 22)
#define SDHCI_STATUS_ENABLE    0x34
#define SDHCI_SIGNAL_ENABLE    0x38
#define SDHCI_CONTROL_2        0x3c

#define STATUS_ALL       0xfffffeffu // but for the interrupts of SDIO cards
#define PATIENCE_US      1000000     // a card may think 100 ms before data, and is busy 500 at most
#define CLOCK_SETTLES_US 2000        // and 74 clocks before the first command, at 400 kHz

// The slowest that an Arasan's own clock has been under any firmware; what base_hz says may be
// more.
#define ARASAN_HZ_MIN 50000000u

static uint32_t card_hz(uint32_t base_hz, uint32_t divider)
{
    return divider > 0 ? base_hz / (2 * divider) : base_hz;
}

// The Arasan takes two cycles of the card's clock to pass a write on, and loses one that comes
// sooner (Linux, drivers/mmc/host/sdhci-iproc.c).
static void write_reg(const struct sdhci *host, unsigned reg, uint32_t value)
{
    mmio_write32(host->where.base + reg, value);
    if (host->where.kind == SD_HOST_ARASAN) {
        const uint32_t base_hz = host->base_hz < ARASAN_HZ_MIN ? host->base_hz : ARASAN_HZ_MIN;
        timer_wait_us(2000000 / card_hz(base_hz, host->divider) + 1);
    }
}

static uint32_t read_reg(const struct sdhci *host, unsigned reg)
{
    return mmio_read32(host->where.base + reg);
}

static bool wait_clear(const struct sdhci *host, unsigned reg, uint32_t bits)
{
    const uint64_t deadline = timer_deadline_us(PATIENCE_US);
    while (read_reg(host, reg) & bits) {
        if (timer_ticks() >= deadline) {
            return false;
        }
    }
    return true;
}

static bool was_removed(const struct sdhci *host, uint32_t status)
{
    return host->card_was_there &&
           ((status & STATUS_REMOVED) || (read_reg(host, SDHCI_PRESENT) & PRESENT_CARD) == 0);
}

// Until one of these bits is set, which is then cleared.
static enum sd_result wait_status(const struct sdhci *host, uint32_t bits)
{
    const uint64_t deadline = timer_deadline_us(PATIENCE_US);
    for (;;) {
        const uint32_t status = read_reg(host, SDHCI_STATUS);
        if (status & STATUS_ERROR || was_removed(host, status)) {
            return was_removed(host, status)         ? SD_REMOVED
                   : status & STATUS_CRC             ? SD_CRC
                   : status & STATUS_COMMAND_TIMEOUT ? SD_NO_ANSWER
                   : status & STATUS_DATA_TIMEOUT    ? SD_TIMEOUT
                                                     : SD_STUCK;
        }
        if (status & bits) {
            write_reg(host, SDHCI_STATUS, status & bits); // writing ones clears
            return SD_OK;
        }
        if (timer_ticks() >= deadline) {
            return bits & STATUS_READ_READY ? SD_TIMEOUT : SD_STUCK;
        }
    }
}

enum sd_result sdhci_reset(struct sdhci *host, const struct sd_host *where, uint32_t base_hz)
{
    // Whatever the clock was before: as with the slowest.
    *host = (struct sdhci){.where = *where, .base_hz = base_hz, .divider = CLOCK_DIVIDER_MAX};
    write_reg(host, SDHCI_CLOCK, CLOCK_RESET_ALL);
    if (!wait_clear(host, SDHCI_CLOCK, CLOCK_RESET_ALL)) {
        return SD_STUCK;
    }
    host->card_was_there = (read_reg(host, SDHCI_PRESENT) & PRESENT_CARD) != 0;
    write_reg(host, SDHCI_CONTROL, CONTROL_POWER_3V3);
    write_reg(host, SDHCI_CONTROL_2, 0); // 3.3 V signals
    write_reg(host, SDHCI_SIGNAL_ENABLE, 0);
    write_reg(host, SDHCI_STATUS_ENABLE, STATUS_ALL);
    write_reg(host, SDHCI_STATUS, STATUS_ALL);
    return SD_OK;
}

enum sd_result sdhci_set_clock(struct sdhci *host, uint32_t hz, bool high_speed)
{
    // Of twice itself; 0 divides by one.
    uint32_t divider = hz < host->base_hz ? (host->base_hz + 2 * hz - 1) / (2 * hz) : 0;
    divider = divider < CLOCK_DIVIDER_MAX ? divider : CLOCK_DIVIDER_MAX;
    host->divider = divider > host->divider ? divider : host->divider;
    uint32_t control = read_reg(host, SDHCI_CONTROL) & ~CONTROL_HIGH_SPEED;
    const uint32_t clock = CLOCK_DATA_TIMEOUT | CLOCK_DIVIDER(divider) | CLOCK_INTERNAL;
    write_reg(host, SDHCI_CLOCK, 0); // no clock to the card while it changes
    if (high_speed && host->where.kind != SD_HOST_ARASAN) {
        control |= CONTROL_HIGH_SPEED;
    }
    write_reg(host, SDHCI_CONTROL, control);
    write_reg(host, SDHCI_CLOCK, clock);
    const uint64_t deadline = timer_deadline_us(PATIENCE_US);
    while ((read_reg(host, SDHCI_CLOCK) & CLOCK_STABLE) == 0) {
        if (timer_ticks() >= deadline) {
            return SD_STUCK;
        }
    }
    write_reg(host, SDHCI_CLOCK, clock | CLOCK_TO_CARD);
    host->divider = divider;
    host->clock_hz = card_hz(host->base_hz, divider);
    timer_wait_us(CLOCK_SETTLES_US);
    return SD_OK;
}

void sdhci_set_four_lines(struct sdhci *host)
{
    write_reg(host, SDHCI_CONTROL, read_reg(host, SDHCI_CONTROL) | CONTROL_FOUR_LINES);
}

static uint32_t response_flags(enum sd_response response)
{
    switch (response) {
    case SD_R1:
        return COMMAND_R48 | COMMAND_CHECK_CRC | COMMAND_CHECK_INDEX;
    case SD_R1B:
        return COMMAND_R48_BUSY | COMMAND_CHECK_CRC | COMMAND_CHECK_INDEX;
    case SD_R2:
        return COMMAND_R136 | COMMAND_CHECK_CRC;
    case SD_R3:
        return COMMAND_R48;
    default:
        return 0;
    }
}

// busy: which lines must be free before.
static enum sd_result send(struct sdhci *host, uint32_t command, uint32_t argument, uint32_t busy)
{
    if (!wait_clear(host, SDHCI_PRESENT, busy)) {
        return was_removed(host, 0) ? SD_REMOVED : SD_STUCK;
    }
    // All but the removal, which would be forgotten.
    write_reg(host, SDHCI_STATUS, STATUS_ALL & ~STATUS_REMOVED);
    write_reg(host, SDHCI_ARGUMENT, argument);
    write_reg(host, SDHCI_COMMAND, command);
    const enum sd_result result = wait_status(host, STATUS_COMMAND_DONE);
    host->answer = read_reg(host, SDHCI_RESPONSE);
    return result;
}

enum sd_result sdhci_command(struct sdhci *host, unsigned index, uint32_t argument,
                             enum sd_response response)
{
    const bool is_busy = response == SD_R1B;
    const uint32_t lines = PRESENT_COMMAND_BUSY | (is_busy ? PRESENT_DATA_BUSY : 0);
    enum sd_result result =
        send(host, COMMAND_INDEX(index) | response_flags(response), argument, lines);
    if (result == SD_OK && is_busy) {
        result = wait_status(host, STATUS_TRANSFER_DONE);
    }
    return result;
}

enum sd_result sdhci_read(struct sdhci *host, unsigned index, uint32_t argument, void *to,
                          uint32_t block_size, uint32_t n)
{
    const uint32_t mode =
        COMMAND_DATA | MODE_READ | (n > 1 ? MODE_MULTI | MODE_COUNT | MODE_AUTO_CMD12 : 0);
    write_reg(host, SDHCI_BLOCK_SIZE_COUNT, n << 16 | block_size);
    enum sd_result result = send(host, COMMAND_INDEX(index) | response_flags(SD_R1) | mode,
                                 argument, PRESENT_COMMAND_BUSY | PRESENT_DATA_BUSY);
    uint32_t *words = to;
    for (uint32_t block = 0; result == SD_OK && block < n; block++) {
        result = wait_status(host, STATUS_READ_READY);
        for (uint32_t i = 0; result == SD_OK && i < block_size / 4; i++) {
            *words++ = mmio_read32(host->where.base + SDHCI_DATA);
        }
    }
    return result == SD_OK ? wait_status(host, STATUS_TRANSFER_DONE) : result;
}

void sdhci_recover(struct sdhci *host)
{
    const uint32_t reset = CLOCK_RESET_COMMAND | CLOCK_RESET_DATA;
    write_reg(host, SDHCI_CLOCK, read_reg(host, SDHCI_CLOCK) | reset);
    wait_clear(host, SDHCI_CLOCK, reset);
    // The card may still be sending. One that is not answers nothing, which is just as well.
    send(host, COMMAND_INDEX(12) | response_flags(SD_R1) | COMMAND_ABORT, 0, PRESENT_COMMAND_BUSY);
    write_reg(host, SDHCI_CLOCK, read_reg(host, SDHCI_CLOCK) | reset);
    wait_clear(host, SDHCI_CLOCK, reset);
}
