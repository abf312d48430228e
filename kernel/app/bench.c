// The kernels bench as a kernel: boots like the product, then runs operations between marks, for an
// instruction counter outside (`python -m harness bench --kernels`).
#include "app/bench_kernels.h"
#include "arch/cpu.h"
#include "arch/exception.h"
#include "arch/image.h"
#include "dev/uart.h"
#include "lib/panic.h"
#include "platform/layout.h"
#include "platform/platform.h"

static struct platform platform;

static void print(const char *line)
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
    bench_kernels(print);
    platform_poweroff(&platform);
}
