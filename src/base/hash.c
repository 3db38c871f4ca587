#include "base/hash.h"

#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

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
