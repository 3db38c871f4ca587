#include "hub/reference.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static const char scheme[] = "hf:";

bool reference_is(const char *given)
{
    return str_starts(given, scheme);
}

static bool is_printable(const char *text)
{
    bool printable = true;
    for (size_t left = strlen(text), n; left && printable; text += n, left -= n)
        n = text_character(text, left, &printable);
    return printable;
}

bool reference_path_safe(const char *path)
{
    const char *part = path;
    if (!is_printable(path) || strchr(path, '\\'))
        return false;
    for (const char *p = path;; p++) {
        if (*p && *p != '/')
            continue;
        size_t n = p - part;
        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        if (!*p)
            return true;
        part = p + 1;
    }
}

/* Letters, digits and "-_." in one or two parts; the cache writes a slash as "--", so that may not occur. */
bool reference_repository_valid(const char *name)
{
    enum { REPOSITORY_MAX = 192 };
    const char *slash = strchr(name, '/');
    return strlen(name) <= REPOSITORY_MAX && (!slash || !strchr(slash + 1, '/')) &&
           reference_path_safe(name) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") ==
               strlen(name) &&
           !strstr(name, "--") && !strstr(name, "..");
}

static int malformed(const char *given, const char *what, struct error *e)
{
    return error_set(e, ERROR_USAGE,
                     "'%.200s': %s; expected hf:ORG/NAME, hf:ORG/NAME@REVISION or hf:ORG/NAME:FILE", given,
                     what);
}

int reference_parse(struct reference *r, const char *given, struct error *e)
{
    const char *name = given + strlen(scheme), *colon = strchr(name, ':');
    const char *end = colon ? colon : name + strlen(name), *at = memchr(name, '@', end - name);
    *r = (struct reference){
        .repository = xstrndup(name, (at ? at : end) - name),
        .revision = at ? xstrndup(at + 1, end - at - 1) : xstrdup("main"),
        .file = colon ? xstrdup(colon + 1) : NULL,
    };
    if (!reference_repository_valid(r->repository))
        return malformed(given, "that is no name of a repository", e);
    if (!reference_path_safe(r->revision))
        return malformed(given, "that is no name of a revision", e);
    if (r->file && !reference_path_safe(r->file))
        return malformed(given, "that is no name of a file in a repository", e);
    return 0;
}

void reference_done(struct reference *r)
{
    free(r->repository);
    free(r->revision);
    free(r->file);
    *r = (struct reference){0};
}
