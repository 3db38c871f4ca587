/* quantwiz offers hf:ORG/NAME: the ready-made models of a repository. */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "base/table.h"
#include "base/watch.h"
#include "cmd/cmd.h"
#include "hub/listing.h"
#include "plan/ready_made.h"

/* What was found, and what this machine makes of it. */
struct found {
    struct listing listing;
    struct machine *machine;
    struct rules *rules;
    struct wishes wishes;
    struct estimates *estimates; /* NULL: the model's header could not be read */
    struct ready_made *list;
    char *advice;
};

/* ----------------------------------------------------------------------- finding */

static int list_repository(struct found *f, const struct args *a, struct error *e)
{
    struct progress p;
    interrupt_catch();
    progress_init(&p, false);
    int rc = listing_open(&f->listing, args_operand(a, 0), &p.watch, e);
    progress_done(&p);
    return rc;
}

static int judge(struct found *f, const struct args *a, struct error *e)
{
    const struct machine_options o = {.file = args_get(a, "machine"), .disk_path = "."};
    int rc = args_wishes(a, &f->wishes, e);
    rc = rc ? rc : rules_load(&f->rules, e);
    rc = rc ? rc : machine_detect(&f->machine, &o, e);
    if (!rc && f->listing.model) {
        wishes_defaults(&f->wishes, f->machine, f->listing.model);
        rc = estimates_make(&f->estimates, f->machine, f->listing.model, &f->wishes, f->rules, e);
    }
    f->list = ready_made_judge(&f->listing.offers, f->estimates);
    f->advice = ready_made_advice(&f->listing.offers, f->list, f->estimates);
    return rc;
}

static void done(struct found *f)
{
    free(f->list);
    free(f->advice);
    estimates_free(f->estimates);
    machine_free(f->machine);
    rules_free(f->rules);
    wishes_done(&f->wishes);
    listing_close(&f->listing);
}

/* ---------------------------------------------------------------------- printing */

static json_t *bytes_json(uint64_t bytes)
{
    return bytes ? json_integer((json_int_t)bytes) : json_null();
}

static json_t *offer_json(const struct ready_made *m)
{
    json_t *o = json_object();
    json_object_set_new(o, "level", *m->offer->level ? json_text(m->offer->level) : json_null());
    json_object_set_new(o, "file", json_text(m->offer->name));
    json_object_set_new(o, "shards", json_integer(m->offer->shards));
    json_object_set_new(o, "bytes", bytes_json(m->offer->bytes));
    json_object_set_new(o, "total_bytes", bytes_json(m->total_bytes));
    json_object_set_new(o, "verdict", json_text(verdict_name(m->verdict)));
    json_object_set_new(o, "recommended", json_boolean(m->recommended));
    json_object_set_new(o, "fetched", json_boolean(m->offer->present));
    return o;
}

static json_t *relatives_json(const struct listing *l)
{
    json_t *list = json_array();
    for (int i = 0; i < l->relative_count; i++)
        json_array_append_new(list, json_pack("{s:o, s:I}", "repository", json_text(l->relatives[i].repository),
                                              "downloads", (json_int_t)l->relatives[i].downloads));
    return list;
}

static void print_json(const struct found *f)
{
    const struct offers *offers = &f->listing.offers;
    json_t *o = json_object(), *list = json_array();
    for (int i = 0; i < offers->count; i++)
        json_array_append_new(list, offer_json(&f->list[i]));
    json_object_set_new(o, "repository", json_text(f->listing.ref.repository));
    json_object_set_new(o, "commit", json_text(f->listing.commit));
    json_object_set_new(o, "checkpoint_bytes", bytes_json(offers->checkpoint ? offers->checkpoint_bytes : 0));
    json_object_set_new(o, "offers", list);
    json_object_set_new(o, "relatives", relatives_json(&f->listing));
    json_object_set_new(o, "advice", json_text(f->advice));
    json_print(stdout, o, 0);
}

static void add_bytes(struct table *t, uint64_t bytes)
{
    char text[FORMAT_SIZE];
    table_add(t, "%s", bytes ? format_bytes(text, (double)bytes) : "?");
}

static void add_row(struct table *t, const struct ready_made *m)
{
    table_add(t, "%s %s", m->recommended ? "*" : " ", *m->offer->level ? m->offer->level : "?");
    add_bytes(t, m->offer->bytes);
    add_bytes(t, m->total_bytes);
    table_add(t, "%s", verdict_name(m->verdict));
    if (m->offer->shards > 1)
        table_add(t, "%s in %d shards", m->offer->name, m->offer->shards);
    else
        table_add(t, "%s%s", m->offer->name, m->offer->present ? " (fetched)" : "");
}

static void print_offers(const struct found *f)
{
    struct table t;
    table_init(&t, "lrrll");
    table_add(&t, "  level");
    table_add(&t, "file");
    table_add(&t, "in memory");
    table_add(&t, "verdict");
    table_add(&t, "name");
    for (int i = 0; i < f->listing.offers.count; i++)
        add_row(&t, &f->list[i]);
    table_print(&t, stdout, 1);
    table_done(&t);
    printf("\n%s\n", f->advice);
}

static void print_relatives(const struct listing *l)
{
    struct table t;
    char count[FORMAT_SIZE];
    if (!l->relative_count)
        return;
    puts("\nOthers have made GGUF models of it; `quantwiz offers` lists each of these in turn:");
    table_init(&t, "lr");
    for (int i = 0; i < l->relative_count; i++) {
        table_add(&t, "  hf:%s", l->relatives[i].repository);
        table_add(&t, "%s downloads", format_count(count, (double)l->relatives[i].downloads));
    }
    table_print(&t, stdout, 0);
    table_done(&t);
}

static void print_text(const struct found *f)
{
    const struct offers *o = &f->listing.offers;
    const char *repository = f->listing.ref.repository;
    char size[FORMAT_SIZE];
    if (o->checkpoint)
        printf("hf:%s is a checkpoint of %s in safetensors: `quantwiz hf:%s` makes a GGUF model of it\n",
               repository, format_bytes(size, (double)o->checkpoint_bytes), repository);
    if (o->count)
        print_offers(f);
    else if (!f->listing.relative_count)
        puts("there are no ready-made GGUF models in it");
    print_relatives(&f->listing);
    if (f->listing.model_error.code)
        fprintf(stderr, "quantwiz: %s\n", f->listing.model_error.text);
}

static int run(const struct args *a, struct error *e)
{
    struct found f = {0};
    if (!reference_is(args_operand(a, 0)))
        return error_set(e, ERROR_USAGE, "'%s' is no repository on the hub: expected hf:ORG/NAME",
                         args_operand(a, 0));
    int rc = list_repository(&f, a, e);
    rc = rc ? rc : judge(&f, a, e);
    if (!rc && args_json(a))
        print_json(&f);
    else if (!rc)
        print_text(&f);
    done(&f);
    return rc;
}

const struct command cmd_offers = {
    .name = "offers",
    .usage = "hf:ORG/NAME[@REVISION] [wishes] [--json]",
    .summary = "the ready-made quantizations in a repository, and which of them fit this machine",
    .wishes = true,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
