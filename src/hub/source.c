#include "hub/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "hub/download.h"
#include "hub/headers.h"
#include "hub/offers.h"
#include "model/discover.h"

/* Stores of other programs on this machine: models by the names that `quantwiz models` shows. */
static const struct store {
    const char *scheme, *place, *title;
    const char *usual_tag; /* added where a name has none; NULL: names have no tags */
} stores[] = {
    {"ollama:", "ollama", "Ollama", "latest"},
    {"lmstudio:", "lmstudio", "LM Studio", NULL},
};

static const struct store *find_store(const char *given)
{
    for (size_t i = 0; i < ARRAY_LENGTH(stores); i++)
        if (str_starts(given, stores[i].scheme))
            return &stores[i];
    return NULL;
}

bool source_is_named(const char *given)
{
    return reference_is(given) || find_store(given);
}

/* ----------------------------------------------------------------------- the hub */

/* "Q2_K, Q4_K_M and 3 more" */
static char *list_offers(const struct offers *o)
{
    enum { SHOWN_MAX = 12 };
    struct str s = {0};
    for (int i = 0; i < o->count && i < SHOWN_MAX; i++)
        str_addf(&s, "%s%s", i ? ", " : "",
                 *o->items[i].level ? o->items[i].level : path_name(o->items[i].name));
    if (o->count > SHOWN_MAX)
        str_addf(&s, " and %d more", o->count - SHOWN_MAX);
    return str_take(&s);
}

static int refuse_choice(const struct reference *ref, const struct offers *o, struct error *e)
{
    char *list = list_offers(o);
    const char *first = *o->items[0].level ? o->items[0].level : o->items[0].name;
    if (ref->file)
        error_set(e, ERROR_USAGE, "hf:%s has no one model '%s': name a file or a level of these: %s",
                  ref->repository, ref->file, list);
    else
        error_set(e, ERROR_USAGE,
                  "hf:%s holds %d ready-made models (%s): name one, as in hf:%s:%s; `quantwiz offers"
                  " hf:%s` lists them with their sizes",
                  ref->repository, o->count, list, ref->repository, first, ref->repository);
    free(list);
    return e->code;
}

static int refuse_content(const struct reference *ref, const struct offers *o, struct error *e)
{
    if (o->pickles)
        return error_set(e, ERROR_FAILED,
                         "hf:%s holds its weights as PyTorch files only, which may run code when they are"
                         " opened: choose a repository with safetensors, or ask its maker for them",
                         ref->repository);
    return error_set(e, ERROR_FAILED,
                     "hf:%s holds neither a GGUF model nor a checkpoint of config.json and safetensors:"
                     " see what else its maker offers",
                     ref->repository);
}

/* What will be fetched, and opened. */
struct choice {
    const char **names; /* borrowed from the repository; the list is owned */
    int count;
    const char *opened; /* one of them; NULL: the folder */
};

static int choose_offer(struct choice *c, const struct repository *r, const struct reference *ref,
                        const struct offer *o, struct error *e)
{
    c->names = offer_files(o, r, &c->count);
    c->opened = c->names[0];
    if (c->count == o->shards)
        return 0;
    return error_set(e, ERROR_FAILED, "hf:%s has only %d of the %d shards of %s", ref->repository, c->count,
                     o->shards, o->name);
}

/* A file that is no GGUF model: taken as it is. */
static int choose_file(struct choice *c, const struct reference *ref)
{
    c->names = xcalloc(1, sizeof *c->names);
    c->names[c->count++] = c->opened = ref->file;
    return 0;
}

static int choose(struct choice *c, const struct repository *r, const struct reference *ref,
                  const struct offers *o, struct error *e)
{
    const struct offer *named = ref->file ? offers_find(o, ref->file) : NULL;
    if (named)
        return choose_offer(c, r, ref, named, e);
    if (ref->file && repository_file(r, ref->file))
        return choose_file(c, ref);
    if (ref->file && !o->count)
        return error_set(e, ERROR_USAGE, "hf:%s has no file '%s' in its revision %s: check the spelling", ref->repository,
                         ref->file, ref->revision);
    if (!ref->file && o->checkpoint) {
        c->names = checkpoint_files(r, &c->count);
        return 0;
    }
    if (!ref->file && o->count == 1)
        return choose_offer(c, r, ref, &o->items[0], e);
    return o->count ? refuse_choice(ref, o, e) : refuse_content(ref, o, e);
}

static bool all_present(const struct choice *c, const struct repository *r)
{
    for (int i = 0; i < c->count; i++) {
        const struct remote_file *f = repository_file(r, c->names[i]);
        if (!f || !f->present)
            return false;
    }
    return true;
}

/* The chosen files whole, or where `stand_in` is not NULL and they are not all there yet, their headers. */
static int fetch(struct hub *h, struct repository *r, const struct reference *ref, const struct choice *c,
                 char **path, bool *stand_in, struct error *e)
{
    char *folder = NULL;
    bool headers = stand_in && !all_present(c, r);
    int rc = headers ? headers_fetch(h, r, ref, c->names, c->count, &folder, e)
                     : download_files(h, r, ref, c->names, c->count, e);
    if (!rc && !headers)
        folder = cache_snapshot(&r->cache, r->commit);
    if (!rc)
        *path = c->opened ? path_join(folder, c->opened) : xstrdup(folder);
    if (stand_in)
        *stand_in = headers;
    free(folder);
    return rc;
}

static int resolve_on_hub(struct hub *h, const struct reference *ref, char **path, bool *stand_in,
                          struct error *e)
{
    struct repository r;
    struct offers o = {0};
    struct choice c = {0};
    int rc = repository_open(&r, h, ref, e);
    if (!rc)
        offers_collect(&o, &r);
    rc = rc ? rc : choose(&c, &r, ref, &o, e);
    rc = rc ? rc : fetch(h, &r, ref, &c, path, stand_in, e);
    free(c.names);
    offers_done(&o);
    repository_close(&r);
    return rc;
}

static int resolve_reference(const char *given, char **path, bool *stand_in, struct watch *w, struct error *e)
{
    struct reference ref;
    struct hub h;
    int rc = reference_parse(&ref, given, e);
    if (!rc) {
        hub_open(&h, w);
        rc = resolve_on_hub(&h, &ref, path, stand_in, e);
        hub_close(&h);
    }
    reference_done(&ref);
    return rc;
}

/* ------------------------------------------------------------------------- stores */

static int resolve_in_store(const struct store *s, const char *given, char **path, struct error *e)
{
    const char *name = given + strlen(s->scheme);
    bool tagged = !s->usual_tag || strchr(path_name(name), ':');
    char *full = tagged ? xstrdup(name) : xasprintf("%s:%s", name, s->usual_tag);
    *path = discover_named(s->place, full);
    int rc = *path ? 0
                   : error_set(e, ERROR_FAILED,
                               "%s's store has no model '%s': `quantwiz models` lists what is there",
                               s->title, full);
    free(full);
    return rc;
}

static int resolve(const char *given, char **path, bool *stand_in, struct watch *w, struct error *e)
{
    *path = NULL;
    if (reference_is(given))
        return resolve_reference(given, path, stand_in, w, e);
    const struct store *store = find_store(given);
    if (store)
        return resolve_in_store(store, given, path, e);
    *path = path_expand(given);
    return 0;
}

int source_resolve(const char *given, char **path, struct watch *w, struct error *e)
{
    return resolve(given, path, NULL, w, e);
}

int source_resolve_headers(const char *given, char **path, bool *stand_in, struct watch *w, struct error *e)
{
    *stand_in = false;
    return resolve(given, path, stand_in, w, e);
}
