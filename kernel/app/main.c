// Composition root: the order of the boot, and the wires between the layers.
#include "app/cpu_tier.h"
#include "app/serve.h"
#include "arch/cpu.h"
#include "arch/exception.h"
#include "arch/image.h"
#include "arch/mmu.h"
#include "arch/timer.h"
#include "dev/uart.h"
#include "gen/layout.h"
#include "gen/model.h"
#include "lib/format.h"
#include "lib/panic.h"
#include "nn/kv_cache.h"
#include "nn/model.h"
#include "nn/prefetch.h"
#include "nn/tier.h"
#include "nn/transformer.h"
#include "platform/blob.h"
#include "platform/card.h"
#include "platform/layout.h"
#include "platform/pi.h"
#include "platform/platform.h"
#include "smp/cores.h"
#include "smp/parallel.h"
#include "smp/wait_arm.h"

static struct platform platform;
static int n_cpus; // that may run, this one included
static unsigned entry_el;
static char description[160];
static char system_line[240];

static void progress(int *layer, int *token)
{
    const struct nn_progress *own = &nn_progress[cores_rank(cpu_number())];
    *layer = own->layer;
    *token = own->token;
}

// Field by field: a static initialiser with pointers would need relocations.
static void panic_init(void)
{
    panic_hooks.putc = uart_putc;
    panic_hooks.cpu = cpu_number;
    panic_hooks.progress = progress;
    panic_hooks.finish = panic_finish;
    serror_unmask(); // an access that fails late is reported too, now that somebody can
}

// The console, unless another core has failed: the rest of the line is its report's.
static void line_putc(uint8_t byte)
{
    wait_if_stopped();
    uart_putc(byte);
}

static PRINTF_LIKE(1, 2) void print(const char *fmt, ...)
{
    char line[200];
    va_list args;
    va_start(args, fmt);
    vformat(line, sizeof(line), fmt, args);
    va_end(args);
    for (const char *c = line; *c != '\0'; c++) {
        line_putc((uint8_t)*c);
    }
    line_putc('\r');
    line_putc('\n');
}

static void print_line(const char *line)
{
    print("%s", line);
}

static void print_region(const char *name, const uint8_t *start, uint64_t size_bytes)
{
    print("  0x%09lx %8lu KiB  %s", (paddr_t)start, size_bytes / 1024, name);
}

static void check_timer(void)
{
    if (timer_ticks_per_s() == 0) { // every timeout counts in its ticks
        panic("timer: CNTFRQ_EL0 is 0: the firmware has not set the counter's frequency");
    }
}

static void describe(void)
{
    const char *cpu = cpu_name();
    char midr[32];
    if (*cpu == '\0') {
        format(midr, sizeof(midr), "CPU with MIDR 0x%08lx", READ_SYSREG(midr_el1));
        cpu = midr;
    }
    format(description, sizeof(description), "%s, %d x %s (%s), EL%u, %s", platform.name,
           parallel_n_cores(), cpu, nn_tier_name(), entry_el, MODEL_NAME);
}

static void print_cores(void)
{
    char why[80];
    print("%d of %d cores run", parallel_n_cores(), platform.n_cpu);
    for (int i = 1; i < n_cpus; i++) {
        if (cores_missing(i, why, sizeof why)) {
            print("  core %d (MPIDR 0x%lx) is left out: %s", i, secondary_affinity(i), why);
        }
    }
    if (platform.n_cpu > CPU_MAX) {
        print("  %d are left out: this kernel uses %d at most", platform.n_cpu - CPU_MAX, CPU_MAX);
    }
}

// What the model is told of its machine, in the form of its training text.
static void describe_to_model(void)
{
    if (!SYSTEM_LINE[0]) {
        return;
    }
    const char *cpu = cpu_name();
    char fact[32] = "";
    if (*cpu != '\0') {
        format(fact, sizeof(fact), " cpu=%s;", cpu);
    }
    uint64_t ram_mib = 0;
    for (int i = 0; i < platform.n_ram; i++) {
        ram_mib += (platform.ram[i].end - platform.ram[i].start) >> 20;
    }
    const bool gib = ram_mib % 1024 == 0;
    format(system_line, sizeof(system_line), "%s board=%s;%s cores=%d; ram=%lu %s", SYSTEM_LINE,
           platform.title, fact, platform.n_cpu, gib ? ram_mib / 1024 : ram_mib,
           gib ? "GiB" : "MiB");
}

static void banner(const uint8_t *kv_cache)
{
    print("\r\nBareword: %s", description);
    print_cores();
    char pi[96];
    pi_describe(pi, sizeof pi);
    if (pi[0] != '\0') {
        print("%s", pi);
    }
    print("machine: %s", platform.source);
    for (int i = 0; i < platform.n_ram; i++) {
        print("RAM 0x%lx..0x%lx, %lu MiB", platform.ram[i].start, platform.ram[i].end,
              (platform.ram[i].end - platform.ram[i].start) >> 20);
    }
    print_region("kernel", _start, (uint64_t)(__kernel_end - _start));
    print_region("model.blob", (const uint8_t *)blob_address(&platform), BLOB_SIZE);
    print_region("page_tables", __page_tables_start, REGION_PAGE_TABLES_SIZE);
    print_region("stack", __stack_start, REGION_STACK_SIZE);
    print_region("core_stacks", __core_stacks_start, REGION_CORE_STACKS_SIZE);
    print_region("link", __link_start, REGION_LINK_SIZE);
    print_region("session", __session_start, REGION_SESSION_SIZE);
    print_region("activations", __activations_start, REGION_ACTIVATIONS_SIZE);
    if (REGION_KV_CACHE_SIZE > 0) {
        print_region("kv_cache", kv_cache, REGION_KV_CACHE_SIZE);
    }
}

// With one core a panic has nobody to stop, with several it may need the exclusive accesses of
// caches that are on.
static void start_cores(void)
{
    panic_hooks.stop_others = wait_stop_others;
    cores_start(n_cpus, platform.psci);
}

static void note_tier(int core, int n_cores, void *tiers)
{
    (void)n_cores;
    ((enum nn_tier *)tiers)[core] = cpu_tier();
}

// The model's code: what the least able of the cores that run can do.
static void choose_tier(void)
{
    enum nn_tier tiers[PARALLEL_MAX_CORES], least = cpu_tier();
    parallel_run(note_tier, tiers);
    for (int core = 0; core < parallel_n_cores(); core++) {
        least = tiers[core] < least ? tiers[core] : least;
    }
    nn_tier_init(least);
    prefetch_ahead = cpu_prefetch_bytes(); // where cores differ, the boot core's
}

static void core_init(int core, int n_cores, void *arg)
{
    if (core != 0) {
        platform_core_init();
    }
}

static void idle_init(void)
{
    platform_idle_init(&platform);
    parallel_run(core_init, NULL);
    if (platform_cores_can_sleep()) {
        struct wait_hooks hooks;
        hooks.sleep = platform_core_sleep;
        hooks.wake = platform_wake_cores;
        wait_sleep_by(hooks);
    }
}

// While this core computes nothing, it looks here whether another one has failed.
static int line_getc(void)
{
    wait_if_stopped();
    return uart_getc();
}

static const void *readable(uint64_t address, uint32_t n)
{
    return mmu_readable(address, n) ? (const void *)address : NULL;
}

static void sense(struct serve_sensors *sensors)
{
    sensors->arm_hz = pi_arm_hz();
    sensors->temperature = pi_temperature();
    if (!pi_throttled(&sensors->throttled)) {
        sensors->throttled = SERVE_NOT_KNOWN;
    }
}

// Called by start.S in EL1: MMU off, exceptions masked, on a stack inside the kernel.
void kernel_boot(paddr_t fdt, unsigned el)
{
    panic_init();
    // RAM, console and CPUs, as the FDT describes them; from here on panic() can speak.
    platform_init(&platform, fdt, image_address(_start), el);
    layout_check(&platform); // does this RAM hold the plan made on the host?
    if (!BLOB_APPENDED) {
        card_reserve(&platform, BLOB_SIZE); // when no loader has brought the model
    }
    n_cpus = secondary_prepare(platform.cpus, platform.n_cpu < CPU_MAX ? platform.n_cpu : CPU_MAX);
    layout_map(&platform); // identity map; caches on
    entry_el = el;
}

// Called by start.S after kernel_boot(), on the planned stack above its guard page.
noreturn void kernel_main(void)
{
    check_timer();
    start_cores();
    choose_tier();
    describe();
    describe_to_model();
    uint8_t *kv_cache = layout_kv_cache(&platform);
    banner(kv_cache); // before what may take a while or be refused
    if (!BLOB_APPENDED && platform.initrd_from_card) {
        card_load(&platform, BUILD_ID, BLOB_SIZE, print_line);
    }
    const uint8_t *blob = blob_check(&platform, BUILD_ID, BLOB_SIZE); // ours, and whole?
    layout_protect(&platform);
    model_init(blob); // tensor views into the weights; nothing is copied
    kv_cache_init(kv_cache);
    idle_init();

    struct link_io io;
    io.getc = line_getc;
    io.putc = line_putc;
    io.ticks = timer_ticks;
    io.ticks_per_s = timer_ticks_per_s();
    io.idle = platform_idle;
    io.pause = platform_pause;
    struct serve_info info;
    info.description = description;
    info.system = system_line;
    info.boot_ticks = timer_ticks();
    info.readable = readable;
    info.sense = sense;
    const enum serve_end end = serve(&io, &info);
    if (end == SERVE_REBOOT) {
        platform_reboot(&platform);
    }
    platform_poweroff(&platform);
}
