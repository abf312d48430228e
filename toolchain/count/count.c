// A QEMU plugin that counts executed instructions: per CPU, per phase and per piece of code.
//
//   -plugin file=libcount.so,marks=MARKS,out=OUT
//
// MARKS: lines `ADDRESS HINT`, in hexadecimal and decimal: where the phase marks of the kernel lie
// (kernel/lib/phase.h). The host finds them in the ELF, because the call that reads an instruction
// differs between versions of QEMU. OUT is written when QEMU ends:
//
//   count CPU PHASE FLAGS ADDRESS N TIMES    N instructions from ADDRESS on were executed TIMES
//   mark CPU HINT EXECUTED                   in order of time; what the CPU had executed before
//
// PHASE is the last phase mark that any CPU passed, 0 before the first. FLAGS is a sum: 1 for what
// was executed while the CPU waited for others, 2 in the output matrix. EXECUTED leaves waiting
// out.
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/phase.h"

#include "qemu_plugin.h"

#define MAX_CPUS   8
#define MAX_PIECES (1 << 15) // the kernel has 64 Ki instructions at most, most pieces several
#define MAX_MARKS  (1 << 18) // passed; two per token
#define MAX_PLACES 256       // where marks lie
#define N_PHASES   8         // 0, and PHASE_ENTRY to PHASE_DECODE_END
#define N_FLAGS    4

enum { WAITING = 1, IN_HEAD = 2 };

// A run of instructions that is only ever executed from its first to its last: a translated block,
// cut before each mark.
struct piece {
    uint64_t address;
    unsigned n, index;
    int hint; // of the first instruction, 0: it is no mark
};

// Each CPU of the guest writes its own, from its own thread.
static struct cpu {
    uint64_t executed;
    unsigned flags;
    uint64_t times[N_PHASES][N_FLAGS][MAX_PIECES]; // untouched pages take no memory
} cpus[MAX_CPUS];

static struct piece *pieces[MAX_PIECES];
static unsigned n_pieces;

static struct place {
    uint64_t address;
    int hint;
} places[MAX_PLACES];
static unsigned n_places;

static struct passed {
    uint64_t executed;
    unsigned cpu;
    int hint;
} passed[MAX_MARKS];
static unsigned n_passed;

static atomic_uint phase; // all CPUs work on the same: only the first one passes phase marks
static atomic_bool overflow;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *out;

// QEMU 9.0 refuses plugins of version 1 and older ones anything newer. Both look here after
// loading, and 9.0 came with another name for the number of CPUs.
EXPORTED int qemu_plugin_version = 1;

__attribute__((constructor)) static void choose_version(void)
{
    if (dlsym(RTLD_DEFAULT, "qemu_plugin_num_vcpus") != NULL) {
        qemu_plugin_version = 2;
    }
}

static void record(unsigned cpu, int hint)
{
    pthread_mutex_lock(&lock);
    if (n_passed < MAX_MARKS) {
        passed[n_passed++] = (struct passed){cpus[cpu].executed, cpu, hint};
    } else {
        overflow = true;
    }
    pthread_mutex_unlock(&lock);
}

static void pass(unsigned cpu, int hint)
{
    switch (hint) {
    case PHASE_WAIT_BEGIN:
        cpus[cpu].flags |= WAITING;
        return; // too many to record
    case PHASE_WAIT_END:
        cpus[cpu].flags &= ~WAITING;
        return;
    case PHASE_HEAD_BEGIN:
        cpus[cpu].flags |= IN_HEAD;
        break;
    case PHASE_HEAD_END:
        cpus[cpu].flags &= ~IN_HEAD;
        break;
    default:
        if (hint >= PHASE_ENTRY && hint <= PHASE_DECODE_END) {
            phase = (unsigned)(hint - PHASE_ENTRY + 1);
        }
        break;
    }
    record(cpu, hint);
}

static void on_piece(unsigned cpu, void *userdata)
{
    const struct piece *piece = userdata;
    if (cpu >= MAX_CPUS) {
        overflow = true;
        return;
    }
    struct cpu *c = &cpus[cpu];
    if (piece->hint != 0) {
        pass(cpu, piece->hint);
    }
    c->times[phase][c->flags][piece->index]++;
    if (!(c->flags & WAITING)) {
        c->executed += piece->n;
    }
}

static int hint_at(uint64_t address)
{
    for (unsigned i = 0; i < n_places; i++) {
        if (places[i].address == address) {
            return places[i].hint;
        }
    }
    return 0;
}

// The same code may be translated again: it stays the same piece.
static struct piece *piece_of(uint64_t address, unsigned n)
{
    for (unsigned i = 0; i < n_pieces; i++) {
        if (pieces[i]->address == address && pieces[i]->n == n) {
            return pieces[i];
        }
    }
    struct piece *piece = n_pieces < MAX_PIECES ? malloc(sizeof *piece) : NULL;
    if (piece == NULL) {
        overflow = true;
        return NULL;
    }
    *piece = (struct piece){address, n, n_pieces, hint_at(address)};
    pieces[n_pieces++] = piece;
    return piece;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    const size_t n = qemu_plugin_tb_n_insns(tb);
    size_t end;
    pthread_mutex_lock(&lock);
    for (size_t begin = 0; begin < n; begin = end) {
        struct qemu_plugin_insn *first = qemu_plugin_tb_get_insn(tb, begin);
        const uint64_t address = qemu_plugin_insn_vaddr(first);
        for (end = begin + 1; end < n && hint_at(address + 4 * (end - begin)) == 0;) {
            end++;
        }
        struct piece *piece = piece_of(address, (unsigned)(end - begin));
        if (piece != NULL) {
            qemu_plugin_register_vcpu_insn_exec_cb(first, on_piece, QEMU_PLUGIN_CB_NO_REGS, piece);
        }
    }
    pthread_mutex_unlock(&lock);
}

static void write_counts(unsigned cpu)
{
    for (unsigned p = 0; p < N_PHASES; p++) {
        for (unsigned flags = 0; flags < N_FLAGS; flags++) {
            for (unsigned i = 0; i < n_pieces; i++) {
                const uint64_t times = cpus[cpu].times[p][flags][i];
                if (times != 0) {
                    fprintf(out, "count %u %u %u 0x%llx %u %llu\n", cpu,
                            p == 0 ? 0 : p + PHASE_ENTRY - 1, flags,
                            (unsigned long long)pieces[i]->address, pieces[i]->n,
                            (unsigned long long)times);
                }
            }
        }
    }
}

static void at_exit(qemu_plugin_id_t id, void *userdata)
{
    (void)id;
    (void)userdata;
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++) {
        write_counts(cpu);
    }
    for (unsigned i = 0; i < n_passed; i++) {
        fprintf(out, "mark %u %d %llu\n", passed[i].cpu, passed[i].hint,
                (unsigned long long)passed[i].executed);
    }
    fprintf(out, overflow ? "overflow\n" : "end\n");
    fclose(out);
}

static int read_places(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        return -1;
    }
    unsigned long long address;
    int hint;
    while (n_places < MAX_PLACES && fscanf(file, "%llx %d", &address, &hint) == 2) {
        places[n_places++] = (struct place){address, hint};
    }
    const int complete = feof(file);
    fclose(file);
    if (!complete) {
        fprintf(stderr, "%s: no list of up to %d marks\n", path, MAX_PLACES);
    }
    return complete ? 0 : -1;
}

EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
                                 char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "marks=", 6) == 0) {
            if (read_places(argv[i] + 6) != 0) {
                return -1;
            }
        } else if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
        }
    }
    if (out == NULL) {
        fprintf(stderr, "count: out=FILE is missing or cannot be written\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
