// The self-test as a program of a hosted system, for user-mode emulation; on another architecture
// all twins are the portable forms.
#include <stdio.h>

#include "nn/tier.h"

#ifdef __aarch64__
#include <sys/auxv.h>
#define HWCAP_DOTPROD (1ul << 20)
#define HWCAP2_I8MM   (1ul << 13)
#define TIER                                                                                       \
    (getauxval(AT_HWCAP2) & HWCAP2_I8MM    ? TIER_I8MM                                             \
     : getauxval(AT_HWCAP) & HWCAP_DOTPROD ? TIER_DOTPROD                                          \
                                           : TIER_NEON)
#else
#define TIER TIER_I8MM
#endif

int nn_selftest(void (*print)(const char *line), enum nn_tier tier);

static void print_line(const char *line)
{
    fputs(line, stdout);
}

int main(void)
{
    return nn_selftest(print_line, TIER) == 0 ? 0 : 1;
}
