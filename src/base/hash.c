#include "base/hash.h"

#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/watch.h"

static char *write_digits(char *out, const uint8_t *digest, size_t size)
{
    for (size_t i = 0; i < size; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return out;
}

static char *finish(struct sha256_ctx *ctx, char out[static HASH_TEXT])
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(ctx, sizeof digest, digest);
    return write_digits(out, digest, sizeof digest);
}

char *hash_bytes(char out[static HASH_TEXT], const void *data, size_t size)
{
    struct sha256_ctx ctx;
    sha256_init(&ctx);
    sha256_update(&ctx, size, data);
    return finish(&ctx, out);
}

int hash_file(char out[static HASH_TEXT], const char *path, uint64_t *bytes, struct error *e)
{
    enum { CHUNK = 1 << 20 };
    struct sha256_ctx ctx;
    FILE *f = fopen(path, "re");
    if (!f)
        return error_errno(e, "cannot open %s", path);
    uint8_t *chunk = xmalloc(CHUNK);
    size_t n;
    *bytes = 0;
    sha256_init(&ctx);
    while (!interrupt_pending() && (n = fread(chunk, 1, CHUNK, f)) > 0) {
        sha256_update(&ctx, n, chunk);
        *bytes += n;
    }
    int rc = interrupt_pending() ? interrupt_error(e) : ferror(f) ? error_errno(e, "cannot read %s", path) : 0;
    finish(&ctx, out);
    free(chunk);
    fclose(f);
    return rc;
}

/* ------------------------------------------------------------------ once each */

/* A file as it was when it was read: written to, it has another time. */
struct hash_known {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec written;
    char hash[HASH_TEXT];
};

static struct hash_known *find_known(const struct hash_memo *m, const struct stat *st)
{
    for (int i = 0; i < m->count; i++) {
        struct hash_known *k = &m->items[i];
        if (k->device == st->st_dev && k->inode == st->st_ino && k->size == st->st_size &&
            k->written.tv_sec == st->st_mtim.tv_sec && k->written.tv_nsec == st->st_mtim.tv_nsec)
            return k;
    }
    return NULL;
}

int hash_memo_file(struct hash_memo *m, char out[static HASH_TEXT], const char *path, uint64_t *bytes, struct error *e)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return error_errno(e, "cannot open %s", path);
    struct hash_known *k = find_known(m, &st);
    int rc = k ? 0 : hash_file(out, path, bytes, e);
    if (rc)
        return rc;
    if (!k) {
        k = &array_push(m->items, m->count, m->capacity);
        *k = (struct hash_known){st.st_dev, st.st_ino, st.st_size, st.st_mtim, ""};
        memcpy(k->hash, out, HASH_TEXT);
    }
    memcpy(out, k->hash, HASH_TEXT);
    *bytes = (uint64_t)k->size;
    return 0;
}

void hash_memo_done(struct hash_memo *m)
{
    free(m->items);
    *m = (struct hash_memo){0};
}

/* ------------------------------------------------------------------- in pieces */

struct hash_stream {
    enum hash_kind kind;
    union {
        struct sha256_ctx sha256;
        struct sha1_ctx sha1;
    };
};

struct hash_stream *hash_stream_new(enum hash_kind kind)
{
    struct hash_stream *h = xcalloc(1, sizeof *h);
    h->kind = kind;
    if (kind == HASH_SHA256)
        sha256_init(&h->sha256);
    else
        sha1_init(&h->sha1);
    return h;
}

void hash_stream_add(struct hash_stream *h, const void *data, size_t size)
{
    if (h->kind == HASH_SHA256)
        sha256_update(&h->sha256, size, data);
    else
        sha1_update(&h->sha1, size, data);
}

char *hash_stream_finish(struct hash_stream *h, char *out)
{
    uint8_t digest[SHA1_DIGEST_SIZE];
    if (out && h->kind == HASH_SHA256) {
        finish(&h->sha256, out);
    } else if (out) {
        sha1_digest(&h->sha1, sizeof digest, digest);
        write_digits(out, digest, sizeof digest);
    }
    free(h);
    return out;
}

size_t base64_bytes(void *out, const char *text, size_t length)
{
    struct base64_decode_ctx ctx;
    size_t bytes = length;
    base64_decode_init(&ctx);
    if (!base64_decode_update(&ctx, &bytes, out, length, text) || !base64_decode_final(&ctx))
        return 0;
    return bytes;
}
