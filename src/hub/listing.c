#include "hub/listing.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "hub/headers.h"

/* The largest in one file; shards would cost a request each. */
static const struct offer *richest(const struct offers *o)
{
    for (int i = o->count - 1; i >= 0; i--)
        if (o->items[i].shards == 1 && o->items[i].bytes)
            return &o->items[i];
    return o->count ? &o->items[o->count - 1] : NULL;
}

static int read_headers(struct listing *l, struct hub *h, struct repository *r, struct error *e)
{
    int count;
    char *folder;
    const struct offer *o = richest(&l->offers);
    const char **names = o ? offer_files(o, r, &count) : checkpoint_files(r, &count);
    int rc = headers_fetch(h, r, &l->ref, names, count, &folder, e);
    if (!rc) {
        char *path = o ? path_join(folder, o->name) : xstrdup(folder);
        rc = model_open(&l->model, path, MODEL_HEADER_ONLY | MODEL_WITHOUT_DATA, e);
        free(path);
        free(folder);
    }
    free(names);
    return rc;
}

static int read_repository(struct listing *l, struct hub *h, struct error *e)
{
    struct repository r;
    int rc = repository_open(&r, h, &l->ref, e);
    if (!rc) {
        l->commit = xstrdup(r.commit);
        offers_collect(&l->offers, &r);
        if (l->offers.count || l->offers.checkpoint)
            rc = read_headers(l, h, &r, &l->model_error);
        rc = rc == ERROR_INTERRUPTED ? interrupt_error(e) : 0;
    }
    repository_close(&r);
    return rc;
}

int listing_open(struct listing *l, const char *given, struct watch *w, struct error *e)
{
    struct hub h;
    *l = (struct listing){0};
    int rc = reference_parse(&l->ref, given, e);
    if (rc)
        return rc;
    hub_open(&h, w);
    rc = read_repository(l, &h, e);
    hub_close(&h);
    return rc;
}

void listing_close(struct listing *l)
{
    model_close(l->model);
    offers_done(&l->offers);
    reference_done(&l->ref);
    free(l->commit);
    *l = (struct listing){0};
}
