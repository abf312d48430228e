// Mini UART: how it is set up. Names and offsets: BCM2835 ARM Peripherals, section 2.2, and its
// errata.
#include "dev/uart_mini.h"

#include "arch/mmio.h"

#define AUX_ENABLES(base)                                                                          \
    (((base) & ~0xffull) + 0x04) // base: of AUX_MU_IO, as device trees have it
#define AUX_ENABLES_MINI  (1u << 0)
#define AUX_MU_IER        0x04
#define AUX_MU_IIR        0x08
#define AUX_MU_IIR_CLEAR  (3u << 1) // written: empties both FIFOs
#define AUX_MU_LCR        0x0c
#define AUX_MU_LCR_8BIT   3u // errata: both bits
#define AUX_MU_MCR        0x10
#define AUX_MU_CNTL       0x20
#define AUX_MU_CNTL_RX_TX 3u
#define AUX_MU_BAUD       0x28
#define CLOCKS_PER_BIT    8u

void uart_mini_configure(paddr_t base, uint32_t core_hz, uint32_t baud)
{
    const uint32_t divisor = (core_hz + CLOCKS_PER_BIT * baud / 2) / (CLOCKS_PER_BIT * baud);
    // Its registers do not answer before it is enabled.
    mmio_write32(AUX_ENABLES(base), mmio_read32(AUX_ENABLES(base)) | AUX_ENABLES_MINI);
    mmio_write32(base + AUX_MU_CNTL, 0);
    mmio_write32(base + AUX_MU_IER, 0);
    mmio_write32(base + AUX_MU_LCR, AUX_MU_LCR_8BIT);
    mmio_write32(base + AUX_MU_MCR, 0);
    mmio_write32(base + AUX_MU_IIR, AUX_MU_IIR_CLEAR);
    mmio_write32(base + AUX_MU_BAUD, divisor > 0 ? divisor - 1 : 0);
    mmio_write32(base + AUX_MU_CNTL, AUX_MU_CNTL_RX_TX);
}

bool uart_mini_is_enabled(paddr_t base)
{
    return (mmio_read32(AUX_ENABLES(base)) & AUX_ENABLES_MINI) != 0 &&
           (mmio_read32(base + AUX_MU_CNTL) & AUX_MU_CNTL_RX_TX) == AUX_MU_CNTL_RX_TX;
}
