#include "base/hash.h"

#include <nettle/sha2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/watch.h"

static char *finish(struct sha256_ctx *ctx, char out[static HASH_TEXT])
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(ctx, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
    return out;
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
