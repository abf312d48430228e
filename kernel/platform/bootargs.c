// The one kernel parameter that is obeyed.
#include "platform/bootargs.h"

#include "lib/string.h"

// A number as Linux writes it, 0x1f or 31, at *text, which moves on. False: none, or too large.
static bool read_number(const char **text, uint64_t *value)
{
    const char *c = *text;
    uint64_t base = 10;
    if (c[0] == '0' && (c[1] == 'x' || c[1] == 'X')) {
        base = 16;
        c += 2;
    }
    const char *digits = c;
    for (*value = 0;; c++) {
        const char lower = (char)(*c | 0x20);
        const uint64_t digit = *c >= '0' && *c <= '9'         ? (uint64_t)(*c - '0')
                               : lower >= 'a' && lower <= 'f' ? (uint64_t)(lower - 'a') + 10
                                                              : base;
        if (digit >= base) {
            break;
        }
        if (*value > (UINT64_MAX - digit) / base) {
            return false;
        }
        *value = *value * base + digit;
    }
    *text = c;
    return c != digits;
}

bool bootargs_initrd(const char *bootargs, struct range *initrd)
{
    static const char name[] = "initrdmem=";
    for (const char *c = bootargs; *c != '\0'; c++) {
        if ((c != bootargs && c[-1] != ' ') || strlen(c) < sizeof name ||
            memcmp(c, name, sizeof name - 1) != 0) {
            continue;
        }
        const char *value = c + sizeof name - 1;
        uint64_t start, size;
        if (!read_number(&value, &start) || *value++ != ',' || !read_number(&value, &size) ||
            (*value != '\0' && *value != ' ') || size == 0 || start + size < start) {
            return false;
        }
        *initrd = (struct range){start, start + size};
        return true;
    }
    return false;
}
