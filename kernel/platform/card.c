// Reads model.blob from the SD card.
#include "platform/card.h"

#include "arch/timer.h"
#include "dev/mailbox.h"
#include "dev/sd_card.h"
#include "lib/format.h"
#include "lib/le.h"
#include "lib/panic.h"
#include "platform/blob.h"
#include "platform/free_ram.h"

#define ALIGNMENT (2ull << 20) // the map holds it in whole blocks

// Master boot record.
#define MBR_ENTRIES     446
#define MBR_ENTRY_SIZE  16
#define MBR_N_ENTRIES   4
#define MBR_SIGNATURE   510  // 0x55 0xaa
#define PARTITION_MODEL 0xda // "non-FS data"

#define CHUNK_BLOCKS 2048u // 1 MiB between two looks at the clock

// A controller's clock of which the firmware says nothing, at its fastest: what is divided from
// more than there is becomes slower.
#define ARASAN_HZ   250000000u
#define EMMC2_HZ    200000000u
#define BASE_HZ_MAX 1000000000u

#define EXPANDER_SD_1V8 132u // pin 4 of the BCM2711 boards' expander: 1.8 V signals
#define SETTLES_US      5000 // its regulator (Linux, bcm2711-rpi-4-b.dts, sd_io_1v8_reg)

struct partition {
    int number;
    uint32_t lba, n_blocks;
};

void card_reserve(struct platform *p, uint64_t size_bytes)
{
    bool has_host = false;
    for (int i = 0; i < MAX_SD_HOSTS; i++) {
        has_host |= p->devices.sd[i].kind != SD_HOST_NONE;
    }
    if (p->initrd.end == 0 && has_host) {
        const uint64_t size = ALIGN_UP(size_bytes, (uint64_t)SDHCI_BLOCK);
        p->initrd.start =
            free_ram_take(p, "the model, which is to come from the SD card,", size, ALIGNMENT);
        p->initrd.end = p->initrd.start + size;
        p->initrd_from_card = true;
    }
}

// What the firmware may have left otherwise.
static void connect_card(const struct devices *d, const struct sd_host *host)
{
    if (host->kind == SD_HOST_ARASAN && d->gpio.kind == GPIO_BCM2835) {
        // The chip has another controller for the card, and the Arasan's pins go to the Wi-Fi chip.
        for (unsigned pin = 34; pin <= 39; pin++) {
            gpio_select(d->gpio.base, pin, GPIO_INPUT);
        }
        for (unsigned pin = 48; pin <= 53; pin++) {
            gpio_select(d->gpio.base, pin, GPIO_ALT3);
        }
    } else if (host->kind == SD_HOST_SDHCI) {
        uint32_t values[2] = {EXPANDER_SD_1V8, 0};
        if (mailbox_call(MAILBOX_SET_GPIO, values, 2, 2)) {
            timer_wait_us(SETTLES_US);
        }
    }
}

static uint32_t base_clock(const struct sd_host *host)
{
    const bool is_arasan = host->kind == SD_HOST_ARASAN;
    const uint32_t hz =
        mailbox_get(MAILBOX_CLOCK_RATE, is_arasan ? MAILBOX_CLOCK_EMMC : MAILBOX_CLOCK_EMMC2);
    return hz > 0 && hz <= BASE_HZ_MAX ? hz : is_arasan ? ARASAN_HZ : EMMC2_HZ;
}

static void open_card(struct sd_card *card, const struct devices *d)
{
    enum sd_result why = SD_NO_ANSWER;
    for (int i = 0; i < MAX_SD_HOSTS; i++) {
        if (d->sd[i].kind == SD_HOST_NONE) {
            continue;
        }
        connect_card(d, &d->sd[i]);
        const enum sd_result result = sd_open(card, &d->sd[i], base_clock(&d->sd[i]));
        if (result == SD_OK) {
            return;
        }
        why = why == SD_NO_ANSWER ? result : why;
        if (result != SD_NO_ANSWER && result != SD_STUCK) {
            break; // the card is here; the next controller would take its pins away
        }
    }
    panic("model: none came as initrd, and none can be read from an SD card: %s",
          sd_result_text(why));
}

static void read_blocks(struct sd_card *card, uint32_t lba, uint32_t n, void *to)
{
    const enum sd_result result = sd_read(card, lba, n, to);
    if (result != SD_OK) {
        panic("SD card: blocks %u to %u cannot be read: %s", card->failed_lba,
              card->failed_lba + card->failed_n - 1, sd_result_text(result));
    }
}

static struct partition find_partition(struct sd_card *card, uint8_t *block)
{
    read_blocks(card, 0, 1, block);
    if (block[MBR_SIGNATURE] != 0x55 || block[MBR_SIGNATURE + 1] != 0xaa) {
        panic("SD card: no partition table (MBR) in its first block");
    }
    for (int i = 0; i < MBR_N_ENTRIES; i++) {
        const uint8_t *entry = block + MBR_ENTRIES + i * MBR_ENTRY_SIZE;
        if (entry[4] == PARTITION_MODEL) {
            return (struct partition){i + 1, load_le32(entry + 8), load_le32(entry + 12)};
        }
    }
    const uint8_t *types = block + MBR_ENTRIES + 4;
    panic("SD card: no partition of type 0x%x for the model; there are 0x%x 0x%x 0x%x 0x%x",
          PARTITION_MODEL, types[0], types[MBR_ENTRY_SIZE], types[2 * MBR_ENTRY_SIZE],
          types[3 * MBR_ENTRY_SIZE]);
}

static void read_all(struct sd_card *card, const struct partition *from, struct range to,
                     void (*report)(const char *line))
{
    const uint64_t ticks_per_s = timer_ticks_per_s(), began = timer_ticks();
    const uint32_t n = (uint32_t)((to.end - to.start) / SDHCI_BLOCK);
    uint64_t said = began;
    char line[96];
    for (uint32_t at = 0; at < n;) {
        const uint32_t chunk = n - at < CHUNK_BLOCKS ? n - at : CHUNK_BLOCKS;
        read_blocks(card, from->lba + at, chunk, (void *)(to.start + (paddr_t)at * SDHCI_BLOCK));
        at += chunk;
        const uint64_t now = timer_ticks();
        if (now - said >= ticks_per_s || at == n) {
            said = now;
            const uint64_t ms = (now - began) * 1000 / ticks_per_s + 1;
            format(line, sizeof line, "SD card: %u of %u MiB, %lu kB/s, %u retries",
                   (at + 2047) / 2048, (n + 2047) / 2048, (uint64_t)at * SDHCI_BLOCK / ms,
                   card->n_retries);
            report(line);
        }
    }
}

void card_load(const struct platform *p, uint64_t build_id, uint64_t size_bytes,
               void (*report)(const char *line))
{
    static struct sd_card card;
    struct blob_header *header = (struct blob_header *)p->initrd.start;
    char line[96];
    open_card(&card, &p->devices);
    const struct partition from = find_partition(&card, (uint8_t *)header);
    format(line, sizeof line, "SD card: %u MHz, 4 lines; the model is partition %d",
           card.host.clock_hz / 1000000, from.number);
    report(line);
    const uint64_t available = (uint64_t)from.n_blocks * SDHCI_BLOCK;
    read_blocks(&card, from.lba, 1, header);
    blob_check_header(header, available, build_id, size_bytes);

    // Whoever reads differently each time may do so with the header: it says how long the CRC runs.
    read_all(&card, &from, p->initrd, report);
    blob_check_header(header, available, build_id, size_bytes);
    const uint32_t crc = blob_payload_crc(header);
    if (crc == header->payload_crc) {
        return;
    }
    report("SD card: the model's CRC is wrong; reading it again");
    read_all(&card, &from, p->initrd, report);
    blob_check_header(header, available, build_id, size_bytes);
    const uint32_t again = blob_payload_crc(header);
    if (again != header->payload_crc) {
        panic("model: damaged on the SD card, partition %d: CRC 0x%08x, then 0x%08x, expected "
              "0x%08x: %s",
              from.number, crc, again, header->payload_crc,
              crc == again ? "the card holds wrong bytes, write it again"
                           : "it reads differently each time, take another card");
    }
}
