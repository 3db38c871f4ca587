/* What a repository holds in one revision: as the hub lists it, or as the cache has it. */
#ifndef HUB_REPOSITORY_H
#define HUB_REPOSITORY_H

#include <stdbool.h>
#include <stdint.h>

#include "hub/cache.h"
#include "hub/hub.h"

struct remote_file {
    char *name;     /* path in the repository */
    uint64_t bytes; /* 0 where `etag` is NULL */
    char *etag;   /* names its blob: SHA-256 of a large file, git's SHA-1 of a small one; NULL: to be asked */
    bool present; /* in the cache */
};
struct repository {
    struct cache cache;
    char *id; /* the name that the hub itself uses: of a renamed one, in its own letters; NULL: unknown */
    char *commit;
    bool cached;               /* the cache was asked, not the hub */
    struct remote_file *files; /* sorted by name */
    int count, capacity;
};

/* Asks the hub; the cache instead where h->offline says so, or where the hub cannot be reached and the cache
 * has the revision. Call repository_close() in either case. */
int repository_open(struct repository *r, struct hub *h, const struct reference *ref, struct error *e);
void repository_close(struct repository *r);
const struct remote_file *repository_file(const struct repository *r, const char *name); /* NULL: has none */

#endif
