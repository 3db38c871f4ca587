#include "run/series.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "eval/base_store.h"
#include "run/gate.h"
#include "run/run_lock.h"

/* ---------------------------------------------------------------------- plans */

static bool is_taken(const struct series *s, const struct plan *p)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->plans[i]->run_folder, p->run_folder) == 0 || strcmp(s->plans[i]->out, p->out) == 0)
            return true;
    return false;
}

static int add_plan(struct series *s, const struct plan *p, struct error *e)
{
    int rc = 0;
    if (is_taken(s, p))
        rc = error_set(e, ERROR_USAGE, "two runs would write %s: give one of them another name (name: under variants, or"
                       " the output)", p->out);
    array_push(s->plans, s->count, s->capacity) = p;
    return rc;
}

static int add_variants(struct series *s, const struct plan *p, struct error *e)
{
    int rc = 0;
    char *why = xasprintf("one of %d variants that %s compares", p->variant_count, p->file ? p->file : "a plan");
    for (int i = 0; !rc && i < p->variant_count; i++) {
        struct plan *variant;
        if ((rc = plan_with(&variant, p, &p->variants[i], why, e))) {
            error_context(e, "%s: variant %d", p->file, i + 1);
            break;
        }
        array_push(s->variants, s->variant_count, s->variant_capacity) = variant;
        rc = add_plan(s, variant, e);
    }
    free(why);
    return rc;
}

int series_make(struct series *s, struct plan *const *given, int count, struct error *e)
{
    int rc = 0;
    *s = (struct series){.first = given[0]};
    for (int i = 0; !rc && i < count && count > 1; i++)
        if (given[i]->variant_count)
            rc = error_set(e, ERROR_USAGE, "%s has variants: run it by itself, or list the others under its variants",
                           given[i]->file);
    for (int i = 0; !rc && i < count; i++)
        rc = given[i]->variant_count ? add_variants(s, given[i], e) : add_plan(s, given[i], e);
    return rc;
}

void series_done(struct series *s)
{
    for (int i = 0; i < s->variant_count; i++)
        plan_free(s->variants[i]);
    free(s->variants);
    free(s->plans);
    *s = (struct series){0};
}

/* --------------------------------------------------------------------- running */

/* What became of the runs so far. */
struct outcome { int accepted, failed; struct error first; };

static void take_outcome(struct outcome *o, const struct plan *p, int rc, const struct error *e)
{
    o->accepted += rc == 0;
    if (rc == 0 || rc == ERROR_REJECTED)
        return;
    if (!o->failed++) {
        o->first = *e;
        error_context(&o->first, "%s", p->level);
    }
}

static int run_one(const struct series *s, int i, const struct series_options *o, const char *store, struct error *e)
{
    struct watch_part part;
    struct run_options run = o->run;
    struct plan *last;
    run.watch = watch_part(&part, o->run.watch, i, i + 1, s->count, s->plans[i]->level);
    run.base_store = store;
    int rc = gate_run(s->plans[i], &run, &last, e);
    plan_free(last);
    return rc;
}

static int run_all(const struct series *s, const struct series_options *o, const char *folder, const char *store,
                   struct error *e)
{
    struct outcome all = {0};
    int rc = 0;
    for (int i = 0; i < s->count && rc != ERROR_INTERRUPTED; i++) {
        *e = (struct error){0};
        rc = run_one(s, i, o, store, e);
        take_outcome(&all, s->plans[i], rc, e);
        if (folder && o->compare && rc != ERROR_INTERRUPTED && o->compare(folder, s, &all.first))
            return all.first.code;
    }
    if (rc == ERROR_INTERRUPTED)
        return rc;
    if (all.failed)
        *e = all.first;
    else if (all.accepted && s->count > 1)
        *e = (struct error){0};
    return all.failed ? all.first.code : all.accepted ? 0 : ERROR_REJECTED;
}

/* The base's results are worth their space until no run needs them. */
static int run_with_store(const struct series *s, const struct series_options *o, const char *folder, struct error *e)
{
    bool several = s->count > 1 || s->first->gate.automatic;
    char *store = several ? path_join(s->first->run_folder, "base") : NULL;
    int rc = run_all(s, o, folder, store, e);
    if (store && (rc == 0 || rc == ERROR_REJECTED))
        base_store_remove(store);
    free(store);
    return rc;
}

/* The folder of a plan with variants: one process at a time, and the plan as it was. */
static int run_variants(const struct series *s, const struct series_options *o, struct error *e)
{
    const struct plan *p = s->first;
    struct run_lock lock;
    int rc = file_make_folder(p->run_folder, e);
    rc = rc ? rc : run_lock_take(&lock, p->run_folder, e);
    if (rc)
        return rc;
    rc = plan_keep(p, e);
    rc = rc ? rc : run_with_store(s, o, p->run_folder, e);
    run_lock_drop(&lock);
    return rc;
}

int series_run(const struct series *s, const struct series_options *o, struct error *e)
{
    return s->first->variant_count ? run_variants(s, o, e) : run_with_store(s, o, NULL, e);
}
