#include "hub/download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

/* Asked for in one request: the hub's delivery network answers none for more than 50 GB. */
static const uint64_t piece_bytes = 16ULL << 30;
/* Left free on the disk beyond what is fetched. */
static const uint64_t disk_margin = 64 << 20;

/* All files together, for the progress. */
struct batch {
    struct hub *hub;
    struct repository *repository;
    const struct reference *ref;
    uint64_t total, before; /* bytes of all files; of those that are done */
    uint64_t received;      /* over the wire */
    double started;
};

/* One file under way. */
struct transfer {
    struct batch *batch;
    const struct remote_file *file;
    char *path; /* BLOB.incomplete */
    int fd;
    uint64_t written, best;   /* best: the most that was ever written */
    struct hash_stream *hash; /* of what is written; NULL where the blob's name is no hash that we know */
};

/* --------------------------------------------------------------------- progress */

static bool tell(struct batch *b, uint64_t written, const char *name)
{
    char text[256], done[FORMAT_SIZE], total[FORMAT_SIZE], rate[FORMAT_SIZE];
    double seconds = clock_monotonic() - b->started, at = (double)(b->before + written);
    snprintf(text, sizeof text, "%s of %s, %s/s, %s", format_bytes(done, at),
             format_bytes(total, (double)b->total),
             format_bytes(rate, seconds > 0 ? (double)b->received / seconds : 0), path_name(name));
    return watch_tick(b->hub->watch, at, (double)b->total, text);
}

static bool tick(void *user)
{
    const struct transfer *t = user;
    return tell(t->batch, t->written, t->file->name);
}

/* ---------------------------------------------------------------------- hashing */

enum { SHA256_DIGITS = 64, SHA1_DIGITS = 40 };

/* A blob's name is the SHA-256 of its bytes, or git's hash of them: SHA-1 over "blob SIZE", a zero byte and
 * the bytes. */
static void start_hash(struct transfer *t)
{
    size_t digits = strspn(t->file->etag, "0123456789abcdef"), length = strlen(t->file->etag);
    if (t->hash)
        hash_stream_finish(t->hash, NULL);
    t->hash = digits != length          ? NULL
              : length == SHA256_DIGITS ? hash_stream_new(HASH_SHA256)
              : length == SHA1_DIGITS   ? hash_stream_new(HASH_SHA1)
                                        : NULL;
    if (t->hash && length == SHA1_DIGITS) {
        char header[48];
        int n = snprintf(header, sizeof header, "blob %llu", (unsigned long long)t->file->bytes);
        hash_stream_add(t->hash, header, n + 1);
    }
}

static bool hash_matches(struct transfer *t)
{
    char found[HASH_TEXT];
    if (!t->hash)
        return true;
    hash_stream_finish(t->hash, found);
    t->hash = NULL;
    return strcmp(found, t->file->etag) == 0;
}

/* ------------------------------------------------------------- the unfinished file */

static int start_again(struct transfer *t, struct error *e)
{
    t->written = 0;
    start_hash(t);
    return ftruncate(t->fd, 0) == 0 ? 0 : error_errno(e, "cannot empty %s", t->path);
}

/* Takes in what an earlier attempt left: its bytes count as received, and go into the hash. */
static int take_beginning(struct transfer *t, struct error *e)
{
    enum { CHUNK = 1 << 20 };
    char *chunk = xmalloc(CHUNK);
    ssize_t n = 0;
    int rc = 0;
    start_hash(t);
    while (!rc && (n = pread(t->fd, chunk, CHUNK, t->written)) > 0) {
        if (t->hash)
            hash_stream_add(t->hash, chunk, n);
        t->written += n;
        rc = tick(t) ? 0 : interrupt_error(e);
    }
    if (n < 0)
        rc = error_errno(e, "cannot read %s", t->path);
    free(chunk);
    return rc || t->written <= t->file->bytes ? rc : start_again(t, e);
}

static int open_beginning(struct transfer *t, struct error *e)
{
    char *folder = path_folder(t->path);
    int rc = file_make_folder(folder, e);
    free(folder);
    if (rc)
        return rc;
    t->fd = open(t->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    return t->fd < 0 ? error_errno(e, "cannot create %s", t->path) : take_beginning(t, e);
}

static int write_all(struct transfer *t, const char *data, size_t size, struct error *e)
{
    while (size) {
        ssize_t n = pwrite(t->fd, data, size, t->written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(e, "cannot write %s: free some space, or move the cache (HF_HUB_CACHE)",
                               t->path);
        data += n;
        size -= n;
        t->written += n;
    }
    return 0;
}

/* ------------------------------------------------------------------ over the wire */

/* A server that knows no ranges answers 200 with the whole file; one that knows them says where the piece
 * begins. */
static int check_place(struct transfer *t, const struct http_reply *r, struct error *e)
{
    unsigned long long from;
    const char *range = r->field[HTTP_RANGE];
    if (r->status == 200)
        return t->written ? start_again(t, e) : 0;
    if (r->status == 206 && range && sscanf(range, "bytes %llu-", &from) == 1 && from == t->written)
        return 0;
    return error_set(e, ERROR_FAILED,
                     "cannot fetch %s: bytes from %llu on were asked for, the server sent '%.80s'",
                     t->file->name, (unsigned long long)t->written, range ? range : "other ones");
}

static int take(void *user, const struct http_reply *r, const void *data, size_t size, struct error *e)
{
    struct transfer *t = user;
    int rc = r->received == size ? check_place(t, r, e) : 0; /* the answer's first piece */
    if (!rc && size > t->file->bytes - t->written)
        rc = error_set(e, ERROR_FAILED,
                       "cannot fetch %s: the server sends more than the %llu bytes that it should have",
                       t->file->name, (unsigned long long)t->file->bytes);
    if (rc)
        return rc;
    if (t->hash)
        hash_stream_add(t->hash, data, size);
    t->batch->received += size;
    return write_all(t, data, size, e);
}

static int ask_for_rest(struct transfer *t, const char *url, struct http_patience *patience, struct error *e)
{
    const struct batch *b = t->batch;
    uint64_t rest = t->file->bytes - t->written;
    const struct http_request q = {.url = url,
                                   .token = b->hub->token,
                                   .from = t->written,
                                   .to = t->written + (rest < piece_bytes ? rest : piece_bytes),
                                   .sink = take,
                                   .tick = tick,
                                   .user = t};
    struct http_reply r;
    int rc = http_ask(b->hub->http, &q, &r, e);
    if (t->written > t->best)
        *patience = (struct http_patience){0};
    t->best = t->written > t->best ? t->written : t->best;
    if (!rc && r.status / 100 != 2)
        rc = hub_refusal(b->hub, b->ref, t->file->name, &r, e);
    else if (!rc && !r.received)
        rc = error_set(e, ERROR_FAILED, "cannot fetch %s: the server sends nothing", t->file->name);
    if (rc && http_patience_wait(patience, &r, tick, t))
        rc = 0;
    else if (rc && interrupt_pending())
        rc = interrupt_error(e);
    http_reply_done(&r);
    return rc;
}

static int receive(struct transfer *t, struct error *e)
{
    struct http_patience patience = {0};
    char *url = hub_file_address(t->batch->hub, t->batch->ref, t->batch->repository->commit, t->file->name);
    int rc = 0;
    while (!rc && t->written < t->file->bytes)
        rc = ask_for_rest(t, url, &patience, e);
    free(url);
    return rc;
}

/* A beginning from an earlier attempt may have been damaged: then the file is fetched once more from its
 * first byte. */
static int receive_and_check(struct transfer *t, struct error *e)
{
    bool again = t->written > 0;
    int rc = receive(t, e);
    if (rc || hash_matches(t))
        return rc;
    rc = start_again(t, e);
    if (!rc && again)
        return receive_and_check(t, e);
    unlink(t->path);
    if (rc)
        return rc;
    return error_set(e, ERROR_FAILED,
                     "cannot fetch %s: what came is not what %s promised (its checksum differs from %.12s…);"
                     " something on the way changes files, so check the proxy, then try again",
                     t->file->name, t->batch->hub->endpoint, t->file->etag);
}

static int put_in_place(struct transfer *t, const char *blob, struct error *e)
{
    if (fsync(t->fd) != 0)
        return error_errno(e, "cannot write %s to disk", t->path);
    return rename(t->path, blob) == 0 ? 0 : error_errno(e, "cannot rename %s to %s", t->path, blob);
}

static int make_blob(struct batch *b, const struct remote_file *f, const char *blob, struct error *e)
{
    struct transfer t = {
        .batch = b, .file = f, .path = cache_incomplete(&b->repository->cache, f->etag), .fd = -1};
    int rc = open_beginning(&t, e);
    rc = rc ? rc : receive_and_check(&t, e);
    rc = rc ? rc : put_in_place(&t, blob, e);
    if (t.hash)
        hash_stream_finish(t.hash, NULL);
    if (t.fd >= 0)
        close(t.fd);
    free(t.path);
    return rc;
}

/* --------------------------------------------------------------- what is to be had */

static bool tick_head(void *user)
{
    const struct batch *b = user;
    return tell((struct batch *)b, 0, "asking the hub");
}

static void read_identity(struct remote_file *f, const struct http_reply *r)
{
    const char *etag = r->field[HTTP_LINKED_ETAG] ? r->field[HTTP_LINKED_ETAG] : r->field[HTTP_ETAG];
    const char *size = r->field[HTTP_LINKED_SIZE] ? r->field[HTTP_LINKED_SIZE] : r->field[HTTP_LENGTH];
    int64_t bytes;
    if (!etag || !size || !parse_int(size, 0, INT64_MAX, &bytes))
        return;
    etag += str_starts(etag, "W/") ? 2 : 0;
    etag += *etag == '"';
    char *plain = xstrndup(etag, strcspn(etag, "\""));
    if (cache_is_etag(plain)) {
        f->etag = plain;
        f->bytes = (uint64_t)bytes;
    } else {
        free(plain);
    }
}

/* Mirrors may list files without their sizes and hashes; the file's own header has them. */
static int identify(struct batch *b, struct remote_file *f, struct error *e)
{
    char *url = hub_file_address(b->hub, b->ref, b->repository->commit, f->name);
    const struct http_request q = {
        .url = url, .token = b->hub->token, .head = true, .tick = tick_head, .user = b};
    struct http_reply r;
    int rc = http_ask_patiently(b->hub->http, &q, &r, e);
    if (!rc && r.status / 100 != 2 && r.status / 100 != 3)
        rc = hub_refusal(b->hub, b->ref, f->name, &r, e);
    if (!rc)
        read_identity(f, &r);
    if (!rc && !f->etag)
        rc = error_set(e, ERROR_FAILED,
                       "cannot fetch %s: %s does not say its size and its hash; check HF_ENDPOINT and the proxy",
                       f->name, b->hub->endpoint);
    http_reply_done(&r);
    free(url);
    return rc;
}

/* Bytes that are still to come: none of a blob that is there, the rest of one that was begun. */
static uint64_t missing_bytes(const struct batch *b, const struct remote_file *f)
{
    struct stat st;
    char *blob = cache_blob(&b->repository->cache, f->etag),
         *begun = cache_incomplete(&b->repository->cache, f->etag);
    bool here = file_exists(blob);
    uint64_t had = stat(begun, &st) == 0 ? (uint64_t)st.st_size : 0;
    free(blob);
    free(begun);
    return here || had > f->bytes ? 0 : f->bytes - had;
}

static int check_disk(const struct batch *b, uint64_t missing, struct error *e)
{
    uint64_t have;
    char need[FORMAT_SIZE], is[FORMAT_SIZE];
    int rc = missing ? file_free_bytes(b->repository->cache.root, &have, e) : 0;
    if (rc || !missing || have >= missing + disk_margin)
        return rc;
    return error_set(e, ERROR_FAILED,
                     "cannot fetch hf:%s: it needs %s more (%llu bytes), the disk of the cache %s has %s"
                     " free; free some space, or move the cache (HF_HUB_CACHE)",
                     b->ref->repository, format_bytes(need, (double)(missing + disk_margin)),
                     (unsigned long long)missing, b->repository->cache.root, format_bytes(is, (double)have));
}

static struct remote_file *named(struct batch *b, const char *name)
{
    return (struct remote_file *)repository_file(b->repository, name);
}

/* Learns what each file is, and how much will come. */
static int survey(struct batch *b, const char *const *names, int count, struct error *e)
{
    uint64_t missing = 0;
    for (int i = 0; i < count; i++) {
        struct remote_file *f = named(b, names[i]);
        if (!f)
            return error_set(e, ERROR_FAILED, "hf:%s has no file %s", b->ref->repository, names[i]);
        if (!f->present && !f->etag && identify(b, f, e))
            return e->code;
        missing += f->present ? 0 : missing_bytes(b, f);
        b->total += f->bytes;
    }
    return check_disk(b, missing, e);
}

/* ------------------------------------------------------------------------ fetching */

static int fetch_locked(struct batch *b, struct remote_file *f, struct error *e)
{
    char *blob = cache_blob(&b->repository->cache, f->etag);
    int rc = file_exists(blob) ? 0 : make_blob(b, f, blob, e);
    rc = rc ? rc : cache_link(&b->repository->cache, b->repository->commit, f->name, f->etag, e);
    free(blob);
    return rc;
}

static bool tick_lock(void *user)
{
    const struct batch *b = user;
    return watch_tick(b->hub->watch, (double)b->before, (double)b->total,
                      "waiting: another program is fetching this");
}

static int fetch(struct batch *b, struct remote_file *f, struct error *e)
{
    int lock = -1, rc = 0;
    if (!f->present) {
        rc = cache_lock(&b->repository->cache, f->etag, &lock, tick_lock, b, e);
        rc = rc ? rc : fetch_locked(b, f, e);
        cache_unlock(lock);
    }
    f->present = rc == 0;
    b->before += f->bytes;
    return rc;
}

int download_files(struct hub *h, struct repository *r, const struct reference *ref, const char *const *names,
                   int count, struct error *e)
{
    struct batch b = {.hub = h, .repository = r, .ref = ref, .started = clock_monotonic()};
    if (r->cached)
        return 0; /* everything listed is there */
    int rc = survey(&b, names, count, e);
    rc = rc ? rc : cache_remember(&r->cache, ref->revision, r->commit, e);
    for (int i = 0; !rc && i < count; i++)
        rc = fetch(&b, named(&b, names[i]), e);
    return rc;
}
