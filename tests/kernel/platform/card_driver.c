// What card_load() makes of two controllers and a card with the partition on stdin:
//
//     card_driver SIZE open=A,B [deaf] [header=READ] [payload=READ]
//
// A and B: what sd_open() says of each controller (an sd_result). deaf: the firmware does not
// answer. header, payload: in which reading of the model's first block (1: to look at the header,
// 2: all of it, 3: again) its size, or a byte behind the header, is wrong. Prints which controllers
// were tried, how long the first one was given to settle, and `ok` or the panic.
#define _POSIX_C_SOURCE 200809L // posix_memalign
#include "arch/cpu.h"
#include "arch/crc32_arm.h"
#include "arch/timer.h"
#include "dev/mailbox.h"
#include "dev/sd_card.h"
#include "lib/crc32.h"
#include "platform/card.h"
#include "platform/free_ram.h"
#include "told_panic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_LBA 1u

uint64_t fake_us;

static struct {
    int open[2];
    bool deaf;
    int header, payload, n_reads;
    uint64_t asked_us;
    uint8_t model[1 << 16];
    uint32_t n_blocks;
} sim;

bool cpu_has_crc32(void)
{
    return false;
}

uint32_t crc32_fast(uint32_t crc, const void *data, size_t n)
{
    return crc32(crc, data, n);
}

static noreturn void after_panic(void)
{
    exit(0);
}

bool mailbox_call(uint32_t tag, uint32_t *values, unsigned n_in, unsigned n_out)
{
    (void)tag, (void)values, (void)n_in, (void)n_out;
    sim.asked_us = fake_us;
    return !sim.deaf;
}

uint32_t mailbox_get(uint32_t tag, uint32_t id)
{
    (void)tag, (void)id;
    return 0;
}

void gpio_select(paddr_t base, unsigned pin, enum gpio_function function)
{
    (void)base, (void)pin, (void)function;
}

paddr_t free_ram_take(struct platform *platform, const char *what, uint64_t size, uint64_t align)
{
    (void)platform, (void)what, (void)size, (void)align;
    return 0;
}

enum sd_result sd_open(struct sd_card *card, const struct sd_host *host, uint32_t base_hz)
{
    (void)base_hz;
    *card = (struct sd_card){.rca = 1};
    const bool is_first = host->kind == SD_HOST_SDHCI;
    printf("open %d", is_first ? 0 : 1);
    if (is_first) {
        printf(" settled_us=%lu", fake_us - sim.asked_us);
    }
    putchar('\n');
    return (enum sd_result)sim.open[is_first ? 0 : 1];
}

const char *sd_result_text(enum sd_result result)
{
    static char text[16];
    snprintf(text, sizeof text, "result %d", result);
    return text;
}

static void read_table(uint8_t *to)
{
    memset(to, 0, SDHCI_BLOCK);
    to[446 + 4] = 0xda;
    to[446 + 8] = MODEL_LBA;
    memcpy(to + 446 + 12, &sim.n_blocks, sizeof sim.n_blocks);
    to[510] = 0x55;
    to[511] = 0xaa;
}

enum sd_result sd_read(struct sd_card *card, uint32_t lba, uint32_t n, void *to)
{
    (void)card;
    if (lba == 0) {
        read_table(to);
        return SD_OK;
    }
    memcpy(to, sim.model + (size_t)(lba - MODEL_LBA) * SDHCI_BLOCK, (size_t)n * SDHCI_BLOCK);
    if (lba == MODEL_LBA) {
        sim.n_reads++;
        uint8_t *block = to;
        block[26] ^= sim.n_reads == sim.header; // 64 KiB more
        block[100] ^= sim.n_reads == sim.payload;
    }
    return SD_OK;
}

static void report(const char *line)
{
    (void)line;
}

int main(int argc, char **argv)
{
    const size_t n = fread(sim.model, 1, sizeof sim.model, stdin);
    const uint64_t size = strtoull(argv[1], NULL, 10);
    for (int i = 2; i < argc; i++) {
        sscanf(argv[i], "open=%d,%d", &sim.open[0], &sim.open[1]);
        sscanf(argv[i], "header=%d", &sim.header);
        sscanf(argv[i], "payload=%d", &sim.payload);
        sim.deaf |= strcmp(argv[i], "deaf") == 0;
    }
    sim.n_blocks = (uint32_t)((n + SDHCI_BLOCK - 1) / SDHCI_BLOCK);
    const size_t room = (size_t)sim.n_blocks * SDHCI_BLOCK; // the sanitizer sees any byte beyond
    void *memory = NULL;
    if (posix_memalign(&memory, 64, room) != 0) {
        return 1;
    }
    struct platform platform = {0};
    platform.initrd = (struct range){(paddr_t)memory, (paddr_t)memory + room};
    platform.devices.sd[0] = (struct sd_host){SD_HOST_SDHCI, 0x1000};
    platform.devices.sd[1] = (struct sd_host){SD_HOST_ARASAN, 0x2000};
    card_load(&platform, 0x1122334455667788, size, report);
    puts(memcmp(memory, sim.model, size) == 0 ? "ok" : "another model");
    free(memory);
    return 0;
}
