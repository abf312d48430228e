// SD card. Commands and states: SD Physical Layer Simplified Specification 6.00, chapter 4.
#include "dev/sd_card.h"

#include "arch/timer.h"

#define GO_IDLE_STATE        0
#define ALL_SEND_CID         2
#define SEND_RELATIVE_ADDR   3
#define SWITCH_FUNC          6
#define SELECT_CARD          7
#define SEND_IF_COND         8
#define SET_BLOCKLEN         16
#define READ_SINGLE_BLOCK    17
#define READ_MULTIPLE_BLOCK  18
#define APP_CMD              55
#define ACMD_SET_BUS_WIDTH   6
#define ACMD_SD_SEND_OP_COND 41

#define IF_COND_3V3       0x1aau // 2.7 to 3.6 V, and a pattern that comes back
#define OCR_3V3           0x00ff8000u
#define OCR_HIGH_CAPACITY (1u << 30)
#define OCR_READY         (1u << 31)
#define BUS_WIDTH_4       2u
// The error bits of a card status but COM_CRC_ERROR and ILLEGAL_COMMAND, which speak of the command
// before: that one was not answered, and its sender knows.
#define R1_ERRORS           0xfd390008u
#define SWITCH_HIGH_SPEED   0x80fffff1u // set; function 1 of group 1, the other groups as they are
#define SWITCH_STATUS_BYTES 64
#define SWITCH_GROUP_1      16 // byte whose lower half says what group 1 became

#define IDENTIFY_HZ         400000
#define DEFAULT_HZ          25000000
#define HIGH_SPEED_HZ       50000000
#define READY_US            1500000 // a card has a second
#define READY_POLL_US       5000
#define CHUNK_BLOCKS        256u // of one command: what has to be read again after an error
#define N_TRIES             4
#define TRIES_AT_FULL_SPEED 2

static enum sd_result command(struct sd_card *card, unsigned index, uint32_t argument,
                              enum sd_response response)
{
    const enum sd_result result = sdhci_command(&card->host, index, argument, response);
    const bool has_status = response == SD_R1 || response == SD_R1B;
    const bool is_status = has_status && index != SEND_IF_COND && index != SEND_RELATIVE_ADDR;
    if (result == SD_OK && is_status && (card->host.answer & R1_ERRORS)) {
        return SD_REFUSED;
    }
    return result;
}

static enum sd_result app_command(struct sd_card *card, unsigned index, uint32_t argument,
                                  enum sd_response response)
{
    const enum sd_result result = command(card, APP_CMD, (uint32_t)card->rca << 16, SD_R1);
    return result == SD_OK ? command(card, index, argument, response) : result;
}

// From power-up to the ready state: which voltage, which kind of addresses.
static enum sd_result negotiate(struct sd_card *card)
{
    command(card, GO_IDLE_STATE, 0, SD_RESPONSE_NONE);
    // Cards before version 2 do not know the question.
    const enum sd_result version_2 = command(card, SEND_IF_COND, IF_COND_3V3, SD_R1);
    if (version_2 == SD_REMOVED || version_2 == SD_STUCK) {
        return version_2;
    }
    if (version_2 != SD_OK) {
        sdhci_recover(&card->host);
        command(card, GO_IDLE_STATE, 0, SD_RESPONSE_NONE);
    }
    const uint32_t ocr = OCR_3V3 | (version_2 == SD_OK ? OCR_HIGH_CAPACITY : 0);
    const uint64_t deadline = timer_deadline_us(READY_US);
    do {
        const enum sd_result result = app_command(card, ACMD_SD_SEND_OP_COND, ocr, SD_R3);
        if (result != SD_OK) {
            return result;
        }
        if (card->host.answer & OCR_READY) {
            card->by_block = (card->host.answer & OCR_HIGH_CAPACITY) != 0;
            return SD_OK;
        }
        timer_wait_us(READY_POLL_US);
    } while (timer_ticks() < deadline);
    return SD_TIMEOUT;
}

// From the ready state to the transfer state.
static enum sd_result select(struct sd_card *card)
{
    enum sd_result result = command(card, ALL_SEND_CID, 0, SD_R2);
    if (result == SD_OK) {
        result = command(card, SEND_RELATIVE_ADDR, 0, SD_R1);
        card->rca = (uint16_t)(card->host.answer >> 16);
    }
    if (result == SD_OK) {
        result = command(card, SELECT_CARD, (uint32_t)card->rca << 16, SD_R1B);
    }
    if (result == SD_OK) {
        result = sdhci_set_clock(&card->host, DEFAULT_HZ, false);
    }
    if (result == SD_OK) {
        result = command(card, SET_BLOCKLEN, SDHCI_BLOCK, SD_R1);
    }
    if (result == SD_OK) {
        result = app_command(card, ACMD_SET_BUS_WIDTH, BUS_WIDTH_4, SD_R1);
    }
    if (result == SD_OK) {
        sdhci_set_four_lines(&card->host);
    }
    return result;
}

// A card that does not know the command, or has no such mode, stays as it is.
static enum sd_result make_fast(struct sd_card *card)
{
    uint32_t status[SWITCH_STATUS_BYTES / 4];
    const enum sd_result result =
        sdhci_read(&card->host, SWITCH_FUNC, SWITCH_HIGH_SPEED, status, SWITCH_STATUS_BYTES, 1);
    if (result == SD_REMOVED) {
        return result;
    }
    if (result != SD_OK) {
        sdhci_recover(&card->host);
        return SD_OK;
    }
    if ((((const uint8_t *)status)[SWITCH_GROUP_1] & 0xf) == 1) {
        card->high_speed = true;
        return sdhci_set_clock(&card->host, HIGH_SPEED_HZ, true);
    }
    return SD_OK;
}

enum sd_result sd_open(struct sd_card *card, const struct sd_host *host, uint32_t base_hz)
{
    *card = (struct sd_card){.rca = 0};
    enum sd_result result = sdhci_reset(&card->host, host, base_hz);
    if (result == SD_OK) {
        result = sdhci_set_clock(&card->host, IDENTIFY_HZ, false);
    }
    if (result == SD_OK) {
        result = negotiate(card);
    }
    if (result == SD_OK) {
        result = select(card);
    }
    return result == SD_OK ? make_fast(card) : result;
}

static enum sd_result read_chunk(struct sd_card *card, uint32_t lba, uint32_t n, void *to)
{
    const uint32_t address = card->by_block ? lba : lba * SDHCI_BLOCK;
    const enum sd_result result = sdhci_read(
        &card->host, n > 1 ? READ_MULTIPLE_BLOCK : READ_SINGLE_BLOCK, address, to, SDHCI_BLOCK, n);
    return result == SD_OK && (card->host.answer & R1_ERRORS) ? SD_REFUSED : result;
}

enum sd_result sd_read(struct sd_card *card, uint32_t lba, uint32_t n, void *to)
{
    uint8_t *at = to;
    while (n > 0) {
        const uint32_t chunk = n < CHUNK_BLOCKS ? n : CHUNK_BLOCKS;
        enum sd_result result = read_chunk(card, lba, chunk, at);
        for (int tries = 1; result != SD_OK && result != SD_REMOVED && tries < N_TRIES; tries++) {
            card->n_retries++;
            sdhci_recover(&card->host);
            if (tries == TRIES_AT_FULL_SPEED) { // a bad contact or a long wire: slower may do
                sdhci_set_clock(&card->host, card->host.clock_hz / 2, card->high_speed);
            }
            result = read_chunk(card, lba, chunk, at);
        }
        if (result != SD_OK) {
            card->failed_lba = lba;
            card->failed_n = chunk;
            return result;
        }
        lba += chunk;
        n -= chunk;
        at += (size_t)chunk * SDHCI_BLOCK;
    }
    return SD_OK;
}

// Text inside the table: a table of pointers would need relocations.
static const char texts[SD_N_RESULTS][56] = {
    [SD_OK] = "no error",
    [SD_NO_ANSWER] = "the card does not answer",
    [SD_REMOVED] = "the card was pulled",
    [SD_CRC] = "what the card sent was damaged on the way (CRC)",
    [SD_TIMEOUT] = "the card stopped in the middle of its data",
    [SD_STUCK] = "the controller does not respond",
    [SD_REFUSED] = "the card refuses",
};

const char *sd_result_text(enum sd_result result)
{
    return texts[result];
}
