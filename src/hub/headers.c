#include "hub/headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "hub/download.h"
#include "model/gguf.h"

/* Fetched at first; more where a header is longer: GGUF's, with its vocabulary, has 1 to 16 MiB. */
static const uint64_t first_bytes = 512 << 10, most_bytes = HTTP_BODY_MAX;

/* ----------------------------------------------------------------- kinds of files */

/* Bytes of a file that its reader wants to see, given its first ones: no more than those, if all is there. */
typedef uint64_t header_length(const struct str *begin);

/* The reader itself says whether it got to the end of the tensor table. */
static uint64_t gguf_length(const struct str *begin)
{
    struct gguf g;
    struct error ignored = {0};
    bool whole = gguf_parse(&g, begin->data, begin->length, "header", GGUF_HEADER_ONLY, &ignored) == 0;
    gguf_close(&g);
    return whole ? begin->length : 4 * begin->length;
}

/* Eight bytes say how long the header is. */
static uint64_t safetensors_length(const struct str *begin)
{
    uint64_t length = 0;
    if (begin->length >= sizeof length)
        memcpy(&length, begin->data, sizeof length);
    return length < most_bytes ? sizeof length + length : begin->length;
}

static const struct {
    const char *suffix;
    header_length *length;
} kinds[] = {{".gguf", gguf_length}, {".safetensors", safetensors_length}};

static header_length *kind_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        if (str_ends(name, kinds[i].suffix))
            return kinds[i].length;
    return NULL;
}

/* ----------------------------------------------------------------------- fetching */

static bool tick(void *user)
{
    const struct hub *h = user;
    return watch_tick(h->watch, 0, 0, "reading headers on the hub");
}

struct beginning {
    struct hub *hub;
    const struct reference *ref;
    const struct remote_file *file;
    char *url;
    struct str bytes;
};

/* Makes the beginning as long as that, or as the file. */
static int fetch_up_to(struct beginning *b, uint64_t end, struct error *e)
{
    const struct http_request q = {.url = b->url,
                                   .token = b->hub->token,
                                   .from = b->bytes.length,
                                   .to = end < b->file->bytes ? end : b->file->bytes,
                                   .tick = tick,
                                   .user = b->hub};
    struct http_reply r;
    int rc = http_ask_patiently(b->hub->http, &q, &r, e);
    if (!rc && r.status / 100 != 2)
        rc = hub_refusal(b->hub, b->ref, b->file->name, &r, e);
    if (!rc && r.status == 200)
        str_done(&b->bytes); /* no ranges here: it came from the first byte on */
    if (!rc && !r.body.length)
        rc = error_set(e, ERROR_FAILED, "cannot read the header of %s on the hub: nothing came",
                       b->file->name);
    if (!rc)
        str_add_bytes(&b->bytes, r.body.data, r.body.length);
    http_reply_done(&r);
    return rc;
}

static int fetch_beginning(struct beginning *b, header_length *length, struct error *e)
{
    uint64_t wanted = first_bytes;
    int rc = 0;
    while (!rc && b->bytes.length < wanted && b->bytes.length < b->file->bytes) {
        rc = fetch_up_to(b, wanted, e);
        wanted = rc ? wanted : length(&b->bytes);
        if (!rc && wanted > most_bytes)
            rc = error_set(e, ERROR_FAILED, "the header of %s on the hub is damaged, or longer than %d MiB",
                           b->file->name, (int)(most_bytes >> 20));
    }
    return rc;
}

/* ------------------------------------------------------------------- the stand-in */

/* As long as the file, and empty behind its beginning. Written under a name of this process's own: others may
 * be doing the same. */
static int write_stand_in(const char *path, const struct beginning *b, struct error *e)
{
    char *temporary = xasprintf("%s.%ld.tmp", path, (long)getpid());
    int rc = file_write(temporary, b->bytes.data, b->bytes.length, e);
    if (!rc && (truncate(temporary, (off_t)b->file->bytes) != 0 || rename(temporary, path) != 0))
        rc = error_errno(e, "cannot write %s", path);
    if (rc)
        unlink(temporary);
    free(temporary);
    return rc;
}

static int make_stand_in(struct hub *h, struct repository *r, const struct reference *ref,
                         const struct remote_file *f, const char *path, header_length *length,
                         struct error *e)
{
    struct beginning b = {
        .hub = h, .ref = ref, .file = f, .url = hub_file_address(h, ref, r->commit, f->name)};
    int rc = fetch_beginning(&b, length, e);
    rc = rc ? rc : write_stand_in(path, &b, e);
    str_done(&b.bytes);
    free(b.url);
    return rc;
}

/* What is in the Hugging Face cache is taken from there. */
static int link_entry(const struct repository *r, const char *name, const char *path, struct error *e)
{
    char *entry = cache_entry(&r->cache, r->commit, name);
    unlink(path);
    int rc = symlink(entry, path) == 0 ? 0 : error_errno(e, "cannot make the link %s", path);
    free(entry);
    return rc;
}

static int put_file(struct hub *h, struct repository *r, const struct reference *ref, const char *name,
                    const char *folder, struct error *e)
{
    header_length *length = kind_of(name);
    char *path = path_join(folder, name), *above = path_folder(path);
    int rc = file_make_folder(above, e);
    const struct remote_file *f = repository_file(r, name);
    if (!rc && length && f->etag && !f->present)
        rc = file_exists(path) ? 0 : make_stand_in(h, r, ref, f, path, length, e);
    else if (!rc && !(rc = download_files(h, r, ref, &name, 1, e)))
        rc = link_entry(r, name, path, e);
    free(path);
    free(above);
    return rc;
}

int headers_fetch(struct hub *h, struct repository *r, const struct reference *ref, const char *const *names,
                  int count, char **folder, struct error *e)
{
    char *own = path_xdg("XDG_CACHE_HOME", ".cache");
    int rc = 0;
    *folder = xasprintf("%s/headers/%s/snapshots/%s", own, r->cache.name, r->commit);
    for (int i = 0; !rc && i < count; i++)
        rc = put_file(h, r, ref, names[i], *folder, e);
    if (rc) {
        free(*folder);
        *folder = NULL;
    }
    free(own);
    return rc;
}
