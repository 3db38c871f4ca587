/* The Hugging Face cache on disk, shared with transformers and huggingface_hub:
 *
 *     CACHE/models--ORG--NAME/blobs/ETAG              a file's bytes: SHA-256 (large files) or git's SHA-1
 *                            /blobs/ETAG.incomplete   the beginning of one
 *                            /refs/REVISION           the commit that a branch or tag stood for
 *                            /snapshots/COMMIT/PATH   a link to ../../blobs/ETAG
 *     CACHE/.locks/models--ORG--NAME/ETAG.lock        flock(2)ed while the blob is being made
 *
 * Layout: huggingface_hub, "Understand caching" and file_download.py (versions 0.8 to 2.4). */
#ifndef HUB_CACHE_H
#define HUB_CACHE_H

#include <stdbool.h>

#include "base/error.h"

/* $HF_HUB_CACHE, else $HF_HOME/hub, else huggingface/hub in $XDG_CACHE_HOME or ~/.cache; free() it. */
char *cache_folder(void);
/* $HF_HOME, or huggingface in $XDG_CACHE_HOME or ~/.cache; free() it. */
char *cache_home(void);

/* The part of the cache that belongs to one repository. */
struct cache {
    char *root, *name; /* CACHE, "models--ORG--NAME" */
};
void cache_open(struct cache *c, const char *repository);
void cache_close(struct cache *c);

/* Paths; free() them. */
char *cache_blob(const struct cache *c, const char *etag);
char *cache_incomplete(const struct cache *c, const char *etag);
char *cache_snapshot(const struct cache *c, const char *commit);
char *cache_entry(const struct cache *c, const char *commit, const char *file);

/* The name ("hf:org/name@COMMIT:FILE") of a file or folder that lies in a snapshot, by its path; NULL: it
 * lies in none. free() it. */
char *cache_reference(const char *path);

/* Could this text name a commit, a blob? Nothing else may become a part of these paths. */
bool cache_is_commit(const char *text);
bool cache_is_etag(const char *text);

/* The commit that a revision stood for when it was last fetched (a commit stands for itself); NULL: not in
 * the cache. free() it. */
char *cache_commit(const struct cache *c, const char *revision);
int cache_remember(const struct cache *c, const char *revision, const char *commit, struct error *e);
/* Makes snapshots/COMMIT/FILE point to the blob. */
int cache_link(const struct cache *c, const char *commit, const char *file, const char *etag,
               struct error *e);

/* Takes the lock of a blob, waiting for whoever holds it; `tick` is called meanwhile, false ends with
 * ERROR_INTERRUPTED. On file systems without locks the lock is void. */
int cache_lock(const struct cache *c, const char *etag, int *fd, bool (*tick)(void *user), void *user,
               struct error *e);
void cache_unlock(int fd);

#endif
