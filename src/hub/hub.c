#include "hub/hub.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"
#include "hub/cache.h"

/* --------------------------------------------------------------------- settings */

static bool is_set(const char *variable)
{
    static const char *const yes[] = {"1", "ON", "YES", "TRUE"};
    const char *value = getenv(variable);
    for (size_t i = 0; value && i < ARRAY_LENGTH(yes); i++)
        if (strcasecmp(value, yes[i]) == 0)
            return true;
    return false;
}

/* Tokens are one word; whatever else stands there must not get into a header. */
static char *checked_token(const char *text)
{
    size_t from = strspn(text, " \t\r\n"), n = strcspn(text + from, " \t\r\n");
    return n ? xstrndup(text + from, n) : NULL;
}

static char *find_token(void)
{
    const char *given = getenv("HF_TOKEN"), *path = getenv("HF_TOKEN_PATH");
    char line[4096];
    if (given && *given)
        return checked_token(given);
    char *home = cache_home(), *file = path && *path ? path_expand(path) : path_join(home, "token");
    bool found = file_first_line(file, line, sizeof line);
    free(home);
    free(file);
    return found ? checked_token(line) : NULL;
}

static char *find_endpoint(void)
{
    const char *given = getenv("HF_ENDPOINT");
    char *endpoint = xstrdup(given && *given ? given : "https://huggingface.co");
    for (size_t n = strlen(endpoint); n && endpoint[n - 1] == '/'; n--)
        endpoint[n - 1] = 0;
    return endpoint;
}

void hub_open(struct hub *h, struct watch *w)
{
    *h = (struct hub){.endpoint = find_endpoint(),
                      .token = find_token(),
                      .http = http_open(),
                      .watch = w,
                      .offline = is_set("HF_HUB_OFFLINE") || is_set("TRANSFORMERS_OFFLINE")};
}

void hub_close(struct hub *h)
{
    http_close(h->http);
    free(h->endpoint);
    free(h->token);
    *h = (struct hub){0};
}

/* -------------------------------------------------------------------- addresses */

char *hub_file_address(const struct hub *h, const struct reference *ref, const char *revision,
                       const char *file)
{
    struct str s = {0};
    str_addf(&s, "%s/%s/resolve/", h->endpoint, ref->repository);
    http_escape(&s, revision, "");
    str_add_char(&s, '/');
    http_escape(&s, file, "/");
    return str_take(&s);
}

char *hub_listing_address(const struct hub *h, const struct reference *ref)
{
    struct str s = {0};
    str_addf(&s, "%s/api/models/%s/revision/", h->endpoint, ref->repository);
    http_escape(&s, ref->revision, "");
    str_add(&s, "?blobs=true");
    return str_take(&s);
}

char *hub_relatives_address(const struct hub *h, const char *repository, int limit)
{
    struct str s = {0};
    str_addf(&s, "%s/api/models?filter=gguf&filter=base_model:quantized:", h->endpoint);
    http_escape(&s, repository, "/");
    str_addf(&s, "&sort=downloads&direction=-1&limit=%d", limit);
    return str_take(&s);
}

/* --------------------------------------------------------------------- refusals */

/* In the sentences %1 is the repository, %2 the revision, %3 the file, %4 the hub's address. The hub also
 * answers 401 for a repository that is not there, so as not to tell which private ones are; code: its
 * X-Error-Code. */
static const struct refusal {
    long status;      /* 0: any */
    const char *code; /* NULL: any */
    const char *text;
} refusals[] = {
    {0, "GatedRepo",
     "%1 is gated: accept its conditions on its page %4/%1 with your account, then set HF_TOKEN to a"
     " token of that account (or run `hf auth login`)"},
    {0, "DisabledRepo", "%1 was disabled by the hub; its page %4/%1 may say why"},
    {0, "RevisionNotFound", "%1 has no revision %2; %4/%1/commits lists them, `main` is the usual one"},
    {0, "EntryNotFound", "%1 has no file %3 in its revision %2; %4/%1/tree/%2 lists them"},
    {0, "RepoNotFound",
     "there is no repository %1 on %4, or it is private; check the name, and for a private one set"
     " HF_TOKEN to a token that may read it"},
    {401, NULL,
     "%4 lets nobody read %1 without a valid token: check the name; for a private or gated repository set"
     " HF_TOKEN, and where it is set, check that it has not expired"},
    {403, NULL,
     "%4 does not let this token read %1: accept the conditions on its page, or use a token with access"},
    {404, NULL, "%4 has no %1 in revision %2 (%3): check the spelling"},
    {416, NULL, "%4 has fewer bytes of %3 than it said; try again later"},
    {429, NULL,
     "%4 asks to come back later (429, too many requests): wait some minutes; with HF_TOKEN set the limits"
     " are wider; what was fetched is kept"},
    {0, NULL, "%4 answered with an error; try again later, what was fetched is kept"},
};

static const struct refusal *find_refusal(const struct http_reply *r)
{
    const char *code = r->field[HTTP_ERROR_CODE];
    const struct refusal *f = refusals;
    while ((f->status && f->status != r->status) || (f->code && (!code || strcmp(f->code, code) != 0)))
        f++;
    return f;
}

int hub_refusal(const struct hub *h, const struct reference *ref, const char *what,
                const struct http_reply *r, struct error *e)
{
    const char *const words[] = {ref->repository, ref->revision, what ? what : "the repository", h->endpoint};
    struct str s = {0};
    for (const char *p = find_refusal(r)->text; *p; p++)
        if (*p == '%')
            str_add(&s, words[*++p - '1']);
        else
            str_add_char(&s, *p);
    int rc = error_set(e, ERROR_FAILED, "cannot fetch hf:%s%s%s: %s (status %ld)", ref->repository,
                       what ? ":" : "", what ? what : "", s.data, r->status);
    str_done(&s);
    return rc;
}
