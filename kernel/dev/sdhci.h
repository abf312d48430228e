// SD host controller (SDHCI), polled, without DMA: commands, and blocks of data to the host.
#pragma once

#include "lib/types.h"

#define SDHCI_BLOCK 512

enum sd_result {
    SD_OK,
    SD_NO_ANSWER, // to a command: no card, or none that understands
    SD_REMOVED,   // the controller saw the card go
    SD_CRC,       // a command, its answer or a block arrived damaged
    SD_TIMEOUT,   // the card stopped in the middle of its data
    SD_STUCK,     // the controller does not do what its specification says
    SD_REFUSED,   // the card's answer is an error
    SD_N_RESULTS,
};

// What a command is answered with.
enum sd_response { SD_RESPONSE_NONE, SD_R1, SD_R1B, SD_R2, SD_R3 }; // R6 and R7 are R1 here

enum sd_host_kind {
    SD_HOST_NONE,
    SD_HOST_SDHCI,
    SD_HOST_ARASAN, // of the BCM2835: loses writes that follow too soon, has no high speed bit
};

struct sd_host {
    enum sd_host_kind kind;
    paddr_t base;
};

struct sdhci {
    struct sd_host where;
    uint32_t base_hz;    // of its clock, or more: what is divided from it is then slower
    uint32_t clock_hz;   // of the card, as set last: what base_hz is divided to
    uint32_t divider;    // of the card's clock; while it changes, the larger one
    bool card_was_there; // by its card detect, which some boards have not wired
    uint32_t answer;     // of the last command
};

// Everything reset, 3.3 V, one data line, no clock.
enum sd_result sdhci_reset(struct sdhci *host, const struct sd_host *where, uint32_t base_hz);

// At most hz. high_speed: the card's timing from 25 MHz on.
enum sd_result sdhci_set_clock(struct sdhci *host, uint32_t hz, bool high_speed);
void sdhci_set_four_lines(struct sdhci *host);

enum sd_result sdhci_command(struct sdhci *host, unsigned index, uint32_t argument,
                             enum sd_response response);

// A command that brings n blocks of block_size bytes (a multiple of 4, at most SDHCI_BLOCK) to
// `to`, 4-byte aligned. With more than one the controller stops the card itself (CMD12).
enum sd_result sdhci_read(struct sdhci *host, unsigned index, uint32_t argument, void *to,
                          uint32_t block_size, uint32_t n);

// After an error: the state machines of commands and data are reset, the card is told to stop.
void sdhci_recover(struct sdhci *host);
