// An SD memory card behind an SDHCI controller: found, made as fast as it can at 3.3 V, read.
#pragma once

#include "dev/sdhci.h"

struct sd_card {
    struct sdhci host;
    uint16_t rca;                  // its address on the bus
    bool by_block;                 // SDHC and larger: commands count blocks, not bytes
    bool high_speed;               // 50 MHz (SDR25) instead of 25 MHz
    uint32_t n_retries;            // reads that had to be repeated
    uint32_t failed_lba, failed_n; // the blocks of the command by which sd_read() failed
};

// Resets controller and card. SD_NO_ANSWER: no card there.
enum sd_result sd_open(struct sd_card *card, const struct sd_host *host, uint32_t base_hz);

// n blocks of 512 bytes from block lba on, to `to` (4-byte aligned). What fails is read again, at
// last at half the speed; the error is the last one, and which blocks it took is noted.
enum sd_result sd_read(struct sd_card *card, uint32_t lba, uint32_t n, void *to);

// As a clause: `the card was pulled`.
const char *sd_result_text(enum sd_result result);
