// The model blob: is it whole, and was it made together with this kernel?
#include "platform/blob.h"

#include "arch/cpu.h"
#include "arch/crc32_arm.h"
#include "arch/image.h"
#include "gen/layout.h"
#include "lib/crc32.h"
#include "lib/panic.h"
#include "lib/string.h"

#define BLOB_ALIGNMENT 64

paddr_t blob_address(const struct platform *p)
{
#if BLOB_APPENDED
    (void)p;
    return image_address(__blob_start);
#else
    return p->initrd.start;
#endif
}

static struct range find_blob(const struct platform *p, uint64_t size_bytes)
{
#if BLOB_APPENDED
    (void)size_bytes;
    const paddr_t start = blob_address(p);
    return (struct range){start, start + REGION_BLOB_SIZE};
#else
    if (p->initrd.end == 0) {
        panic("model: there is none: the loader must pass model.blob (%lu bytes) as initrd",
              size_bytes);
    }
    return p->initrd;
#endif
}

static uint32_t checksum(const void *data, size_t n)
{
    return cpu_has_crc32() ? crc32_fast(0, data, n) : crc32(0, data, n);
}

void blob_check_header(const struct blob_header *h, uint64_t available, uint64_t build_id,
                       uint64_t size_bytes)
{
    if (available < sizeof(*h)) {
        panic("model: truncated: %lu bytes arrived, %lu expected", available, size_bytes);
    }
    if (memcmp(h->magic, BLOB_MAGIC, sizeof(h->magic)) != 0) {
        panic("model: what was loaded at 0x%lx is no model.blob", (paddr_t)h);
    }
    if (h->version != BLOB_VERSION || h->header_bytes != sizeof(*h)) {
        panic(
            "model: format version %u with %u header bytes, this kernel reads version %d with %zu",
            h->version, h->header_bytes, BLOB_VERSION, sizeof(*h));
    }
    const uint32_t header_crc = checksum(h, offsetof(struct blob_header, header_crc));
    if (header_crc != h->header_crc) {
        panic("model: damaged header: CRC 0x%08x, expected 0x%08x", header_crc, h->header_crc);
    }
    if (h->build_id != build_id) {
        panic("model: of another build: blob has id 0x%016lx, kernel has 0x%016lx", h->build_id,
              build_id);
    }
    if (h->size_bytes != size_bytes || available < size_bytes) {
        panic("model: truncated: %lu bytes arrived, the header says %lu, %lu expected", available,
              h->size_bytes, size_bytes);
    }
}

uint32_t blob_payload_crc(const struct blob_header *h)
{
    return checksum(h + 1, h->size_bytes - sizeof(*h));
}

const uint8_t *blob_check(const struct platform *p, uint64_t build_id, uint64_t size_bytes)
{
    const struct range blob = find_blob(p, size_bytes);
    const struct blob_header *h = (const struct blob_header *)blob.start;
    if (!IS_ALIGNED(blob.start, BLOB_ALIGNMENT)) {
        panic("model: loaded at 0x%lx, not at a multiple of %d bytes", blob.start, BLOB_ALIGNMENT);
    }
    blob_check_header(h, blob.end - blob.start, build_id, size_bytes);
    const uint32_t payload_crc = blob_payload_crc(h);
    if (payload_crc != h->payload_crc) {
        panic("model: damaged or cut short: CRC 0x%08x, expected 0x%08x", payload_crc,
              h->payload_crc);
    }
    return (const uint8_t *)h;
}
