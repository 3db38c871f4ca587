#include "hub/repository.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

enum { FILES_MAX = 100000, DEPTH_MAX = 8 };

static bool tick(void *user)
{
    struct hub *h = user;
    return watch_tick(h->watch, 0, 0, "asking the hub");
}

static struct remote_file *add_file(struct repository *r, const char *name)
{
    array_push(r->files, r->count, r->capacity) = (struct remote_file){.name = xstrdup(name)};
    return &r->files[r->count - 1];
}

static int compare_files(const void *a, const void *b)
{
    const struct remote_file *x = a, *y = b;
    return strcmp(x->name, y->name);
}

const struct remote_file *repository_file(const struct repository *r, const char *name)
{
    const struct remote_file key = {.name = (char *)name};
    return r->count ? bsearch(&key, r->files, r->count, sizeof *r->files, compare_files) : NULL;
}

/* -------------------------------------------------------------------- from the hub */

static bool has_entry(const struct repository *r, const char *name)
{
    char *entry = cache_entry(&r->cache, r->commit, name);
    bool present = file_exists(entry);
    free(entry);
    return present;
}

/* {"rfilename": …, "size": …, "blobId": git's SHA-1, "lfs": {"sha256": …, "size": …}} */
static void read_sibling(struct repository *r, json_t *item)
{
    const char *name = json_string_value(json_object_get(item, "rfilename"));
    json_t *lfs = json_object_get(item, "lfs"), *size = json_object_get(item, "size");
    const char *etag = json_string_value(json_is_object(lfs) ? json_object_get(lfs, "sha256")
                                                             : json_object_get(item, "blobId"));
    if (!name || !reference_path_safe(name))
        return; /* a name that leads elsewhere is none of ours */
    struct remote_file *f = add_file(r, name);
    if (cache_is_etag(etag) && json_is_integer(size) && json_integer_value(size) >= 0) {
        f->etag = xstrdup(etag);
        f->bytes = (uint64_t)json_integer_value(size);
    }
    f->present = has_entry(r, name);
}

static int read_listing(struct repository *r, const struct hub *h, const struct str *body, struct error *e)
{
    json_error_t why;
    json_t *root = json_loadb(body->data ? body->data : "", body->length, 0, &why), *item;
    const char *commit = json_string_value(json_object_get(root, "sha"));
    const char *id = json_string_value(json_object_get(root, "id"));
    json_t *siblings = json_object_get(root, "siblings");
    size_t i;
    if (!cache_is_commit(commit) || !json_is_array(siblings) || json_array_size(siblings) > FILES_MAX) {
        json_decref(root);
        return error_set(e, ERROR_FAILED,
                         "%s does not answer as a Hugging Face hub does: its listing has no commit and"
                         " no files; check HF_ENDPOINT and the proxy",
                         h->endpoint);
    }
    r->commit = xstrdup(commit);
    r->id = id && reference_repository_valid(id) ? xstrdup(id) : NULL;
    json_array_foreach(siblings, i, item)
        read_sibling(r, item);
    json_decref(root);
    return 0;
}

/* 1: the hub could not be reached, or is out of order. */
static int ask_hub(struct repository *r, struct hub *h, const struct reference *ref, struct error *e)
{
    char *url = hub_listing_address(h, ref);
    const struct http_request q = {.url = url, .token = h->token, .tick = tick, .user = h};
    struct http_reply reply;
    int rc = http_ask_patiently(h->http, &q, &reply, e);
    if (!rc && reply.status == 200)
        rc = read_listing(r, h, &reply.body, e);
    else if (!rc)
        rc = hub_refusal(h, ref, NULL, &reply, e);
    bool unreachable = rc && rc != ERROR_INTERRUPTED && (reply.passing || reply.status == 0);
    http_reply_done(&reply);
    free(url);
    return unreachable ? 1 : rc;
}

/* ------------------------------------------------------------------ from the cache */

static void walk(struct repository *r, const char *folder, const char *prefix, int depth)
{
    DIR *dir = depth < DEPTH_MAX ? opendir(folder) : NULL;
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) && r->count < FILES_MAX) {
        struct stat st;
        char *path = path_join(folder, entry->d_name), *name = xasprintf("%s%s", prefix, entry->d_name);
        bool there = entry->d_name[0] != '.' && stat(path, &st) == 0;
        if (there && S_ISREG(st.st_mode)) {
            struct remote_file *f = add_file(r, name);
            f->bytes = st.st_size;
            f->present = true;
        } else if (there && S_ISDIR(st.st_mode)) {
            char *below = xasprintf("%s/", name);
            walk(r, path, below, depth + 1);
            free(below);
        }
        free(path);
        free(name);
    }
    if (dir)
        closedir(dir);
}

static int ask_cache(struct repository *r, const struct reference *ref, struct error *e)
{
    r->cached = true;
    r->commit = cache_commit(&r->cache, ref->revision);
    if (r->commit) {
        char *snapshot = cache_snapshot(&r->cache, r->commit);
        walk(r, snapshot, "", 0);
        free(snapshot);
    }
    if (r->count)
        return 0;
    return error_set(e, ERROR_FAILED,
                     "cannot find hf:%s in the cache %s: nothing of its revision %s was fetched, and"
                     " HF_HUB_OFFLINE is set; unset it to fetch, or name another model",
                     ref->repository, r->cache.root, ref->revision);
}

/* ------------------------------------------------------------------------- opening */

int repository_open(struct repository *r, struct hub *h, const struct reference *ref, struct error *e)
{
    struct error in_cache = {0};
    *r = (struct repository){0};
    cache_open(&r->cache, ref->repository);
    int rc = h->offline ? ask_cache(r, ref, e) : ask_hub(r, h, ref, e);
    if (rc > 0)
        rc = ask_cache(r, ref, &in_cache) ? e->code : 0;
    if (r->count)
        qsort(r->files, r->count, sizeof *r->files, compare_files);
    return rc;
}

void repository_close(struct repository *r)
{
    for (int i = 0; i < r->count; i++) {
        free(r->files[i].name);
        free(r->files[i].etag);
    }
    free(r->files);
    free(r->commit);
    free(r->id);
    cache_close(&r->cache);
    *r = (struct repository){0};
}
