#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

void (*die_hook)(void);

int error_set(struct error *e, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    text_make_printable(e->text);
    return e->code = code;
}

int error_errno(struct error *e, const char *fmt, ...)
{
    int saved = errno;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof e->text)
        snprintf(e->text + n, sizeof e->text - n, ": %s", strerror(saved));
    text_make_printable(e->text);
    return e->code = ERROR_FAILED;
}

int error_context(struct error *e, const char *fmt, ...)
{
    char context[sizeof e->text], inner[sizeof e->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(context, sizeof context, fmt, ap);
    va_end(ap);
    memcpy(inner, e->text, sizeof inner);
    int n = snprintf(e->text, sizeof e->text, "%s: ", context);
    if (n >= 0 && (size_t)n < sizeof e->text) {
        size_t length = strnlen(inner, sizeof e->text - n - 1);
        memcpy(e->text + n, inner, length);
        e->text[n + length] = 0;
    }
    text_make_printable(e->text);
    return e->code;
}

int error_exit_status(int code)
{
    return -code;
}

void die(const char *fmt, ...)
{
    if (die_hook)
        die_hook();
    va_list ap;
    va_start(ap, fmt);
    fputs("quantwiz: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    abort();
}
