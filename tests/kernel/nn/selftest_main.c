// The self-test as a kernel: boots like the product, then compares every NEON twin with its
// portable original on this very CPU.
#include "arch/cpu.h"
#include "arch/exception.h"
#include "arch/image.h"
#include "dev/uart.h"
#include "lib/panic.h"
#include "nn/tier.h"
#include "platform/layout.h"
#include "platform/platform.h"

int nn_selftest(void (*print)(const char *line), enum nn_tier tier);

static struct platform platform;

static void print_line(const char *line)
{
    while (*line != '\0') {
        uart_putc((uint8_t)*line++);
    }
}

void kernel_boot(paddr_t fdt, unsigned el)
{
    panic_hooks.putc = uart_putc;
    panic_hooks.cpu = cpu_number;
    panic_hooks.finish = panic_finish;
    platform_init(&platform, fdt, image_address(_start), el);
    layout_check(&platform);
    layout_map(&platform);
}

noreturn void kernel_main(void)
{
    nn_selftest(print_line, cpu_has_i8mm()      ? TIER_I8MM
                            : cpu_has_dotprod() ? TIER_DOTPROD
                                                : TIER_NEON);
    print_line("SELFTEST end\n");
    platform_poweroff(&platform);
}
