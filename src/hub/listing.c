#include "hub/listing.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
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

/* ---------------------------------------------------------------------- relatives */

static bool tick(void *user)
{
    const struct hub *h = user;
    return watch_tick(h->watch, 0, 0, "asking the hub for ready-made models");
}

/* [{"id": "ORG/NAME", "downloads": N}, …] */
static void read_relatives(struct listing *l, const struct str *body)
{
    json_t *root = json_loadb(body->data ? body->data : "", body->length, 0, NULL), *item;
    size_t i;
    json_array_foreach(root, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "id"));
        json_int_t downloads = json_integer_value(json_object_get(item, "downloads"));
        if (name && reference_repository_valid(name))
            array_push(l->relatives, l->relative_count, l->relative_capacity) = (struct relative){
                .repository = xstrdup(name), .downloads = downloads > 0 ? (uint64_t)downloads : 0};
    }
    json_decref(root);
}

/* Good to know, and nothing depends on it: whatever goes wrong here, there are none. */
static void ask_for_relatives(struct listing *l, struct hub *h, const char *id)
{
    enum { RELATIVES_MAX = 10 };
    struct error ignored = {0};
    char *url = hub_relatives_address(h, id, RELATIVES_MAX);
    const struct http_request q = {.url = url, .token = h->token, .tick = tick, .user = h};
    struct http_reply r;
    if (!http_ask(h->http, &q, &r, &ignored) && r.status == 200)
        read_relatives(l, &r.body);
    http_reply_done(&r);
    free(url);
}

/* ------------------------------------------------------------------------ listing */

static int read_repository(struct listing *l, struct hub *h, struct error *e)
{
    struct repository r;
    int rc = repository_open(&r, h, &l->ref, e);
    if (!rc) {
        l->commit = xstrdup(r.commit);
        offers_collect(&l->offers, &r);
        if (l->offers.count || l->offers.checkpoint)
            rc = read_headers(l, h, &r, &l->model_error);
        if (l->offers.checkpoint && r.id)
            ask_for_relatives(l, h, r.id);
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
    for (int i = 0; i < l->relative_count; i++)
        free(l->relatives[i].repository);
    free(l->relatives);
    offers_done(&l->offers);
    reference_done(&l->ref);
    free(l->commit);
    *l = (struct listing){0};
}
