// Text formatting: the subset of snprintf that the kernel prints with.
#include "lib/format.h"

struct out {
    char *buf;
    size_t size, length;
};

struct spec {
    size_t width;
    bool left, zero;
};

static void put(struct out *out, char c)
{
    if (out->length + 1 < out->size) {
        out->buf[out->length++] = c;
    }
}

// prefix is a sign or 0x: zeros go behind it, blanks before it.
static void put_padded(struct out *out, const struct spec *spec, const char *prefix,
                       const char *text, size_t n)
{
    size_t n_prefix = 0;
    while (prefix[n_prefix] != '\0') {
        n_prefix++;
    }
    const size_t used = n + n_prefix;
    const size_t pad = spec->width > used ? spec->width - used : 0;
    const bool zero = spec->zero && !spec->left;
    for (size_t i = 0; i < pad && !spec->left && !zero; i++) {
        put(out, ' ');
    }
    for (size_t i = 0; i < n_prefix; i++) {
        put(out, prefix[i]);
    }
    for (size_t i = 0; i < pad && zero; i++) {
        put(out, '0');
    }
    for (size_t i = 0; i < n; i++) {
        put(out, text[i]);
    }
    for (size_t i = 0; i < pad && spec->left; i++) {
        put(out, ' ');
    }
}

static void put_number(struct out *out, const struct spec *spec, const char *prefix,
                       unsigned long long value, unsigned base)
{
    char digits[20]; // 2^64 has 20 decimal digits
    size_t first = sizeof(digits);
    do {
        digits[--first] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    put_padded(out, spec, prefix, digits + first, sizeof(digits) - first);
}

static void put_string(struct out *out, const struct spec *spec, const char *s)
{
    size_t n = 0;
    if (s == NULL) {
        s = "(null)";
    }
    while (s[n] != '\0') {
        n++;
    }
    put_padded(out, &(struct spec){.width = spec->width, .left = spec->left}, "", s, n);
}

// lib also runs without FP registers and with strict alignment: plain integers and one va_list.
size_t vformat(char *buf, size_t size, const char *fmt, va_list args)
{
    struct out out = {buf, size, 0};
    for (; *fmt != '\0'; fmt++) {
        if (*fmt != '%') {
            put(&out, *fmt);
            continue;
        }
        struct spec spec = {0};
        for (fmt++; *fmt == '0' || *fmt == '-'; fmt++) {
            spec.zero |= *fmt == '0';
            spec.left |= *fmt == '-';
        }
        for (; *fmt >= '0' && *fmt <= '9'; fmt++) {
            spec.width = spec.width * 10 + (size_t)(*fmt - '0');
        }
        int n_long = 0;
        for (; *fmt == 'l' || *fmt == 'z'; fmt++) {
            n_long += *fmt == 'z' ? 2 : 1; // size_t is 64 bits wide, as long long is
        }
        unsigned long long u = 0;
        switch (*fmt) {
        case 'd': {
            const long long d = n_long == 0   ? va_arg(args, int)
                                : n_long == 1 ? va_arg(args, long)
                                              : va_arg(args, long long);
            u = d < 0 ? 0 - (unsigned long long)d : (unsigned long long)d;
            put_number(&out, &spec, d < 0 ? "-" : "", u, 10);
            break;
        }
        case 'u':
        case 'x':
            u = n_long == 0   ? va_arg(args, unsigned)
                : n_long == 1 ? va_arg(args, unsigned long)
                              : va_arg(args, unsigned long long);
            put_number(&out, &spec, "", u, *fmt == 'u' ? 10 : 16);
            break;
        case 'p':
            put_number(&out, &spec, "0x", (uintptr_t)va_arg(args, void *), 16);
            break;
        case 's':
            put_string(&out, &spec, va_arg(args, const char *));
            break;
        case 'c': {
            const char c = (char)va_arg(args, int);
            put_padded(&out, &(struct spec){.width = spec.width, .left = spec.left}, "", &c, 1);
            break;
        }
        case '%':
            put(&out, '%');
            break;
        default: // unknown: shown as written, so that the mistake is seen
            put(&out, '%');
            fmt--;
            break;
        }
    }
    if (size > 0) {
        buf[out.length] = '\0';
    }
    return out.length;
}

size_t format(char *buf, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const size_t n = vformat(buf, size, fmt, args);
    va_end(args);
    return n;
}
