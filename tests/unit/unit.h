/* Included first by every unit test: cmocka with what it needs, and where the test's data lies. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"

/* With a sanitizer times mean nothing; clang says it in its own way. */
#if defined(__SANITIZE_ADDRESS__)
#define UNIT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNIT_SANITIZED 1
#endif
#endif

/* A path below the top of the sources; free() it. */
static inline char *unit_source(const char *path)
{
    const char *top = getenv("top_srcdir");
    return xasprintf("%s/%s", top ? top : ".", path);
}

/* The call must succeed; prints the error where it does not. */
#define assert_ok(call, e)                                      \
    do {                                                        \
        if ((call) != 0)                                        \
            fail_msg("%s", (e)->text);                          \
    } while (0)

/* The error's text must contain this. */
#define assert_says(e, part)                                    \
    do {                                                        \
        if (!strstr((e)->text, part))                           \
            fail_msg("'%s' lacks '%s'", (e)->text, part);       \
    } while (0)

#endif
