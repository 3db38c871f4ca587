/* What is recommended in which situation: a model's shape, a machine and wishes, through the rules that are installed.
 * Group tests start with situations_load and end with situations_unload. */
#ifndef SITUATIONS_H
#define SITUATIONS_H

#include "shapes.h"
#include "machines.h"

#include <math.h>

#include "plan/estimate.h"

static struct rules *rules;

static inline int situations_load(void **state)
{
    struct error e = {0};
    (void)state;
    if (rules_load(&rules, &e))
        fprintf(stderr, "%s\n", e.text);
    return rules ? 0 : -1;
}

static inline int situations_unload(void **state)
{
    (void)state;
    rules_free(rules);
    return 0;
}

struct situation {
    struct shape shape;
    double ram_gib;
    int gpus;
    double vram_gib;
    const char *wishes[11];        /* names and values in turn, NULL-terminated */
    double capability;             /* compute capability; 0: 8.9, NaN: unknown */
};

struct outcome {
    struct model *model;
    struct test_machine machine;
    struct wishes wishes;
    struct estimates *s;
};

/* `level`: has a row even where it is no candidate (NULL: none). */
static inline void decide_with(struct outcome *o, const struct situation *c, const char *level)
{
    struct error e = {0};
    *o = (struct outcome){.model = shape_model(&c->shape)};
    test_machine(&o->machine, c->ram_gib, c->gpus, c->vram_gib);
    for (int i = 0; i < c->gpus && c->capability != 0; i++)
        o->machine.gpus[i].compute_capability = isnan(c->capability) ? (struct fact){0} : found(c->capability);
    for (const char *const *w = c->wishes; *w; w += 2)
        assert_ok(wishes_set(&o->wishes, wish_find(w[0]), w[1], &e), &e);
    wishes_defaults(&o->wishes, &o->machine.machine, o->model);
    assert_ok(estimates_make_with(&o->s, &o->machine.machine, o->model, &o->wishes, rules, level, &e), &e);
}

static inline void decide(struct outcome *o, const struct situation *c)
{
    decide_with(o, c, NULL);
}

static inline void done(struct outcome *o)
{
    estimates_free(o->s);
    wishes_done(&o->wishes);
    shape_free(o->model);
}

static inline const struct estimate *find_row(const struct estimates *s, const char *level)
{
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->rows[i].level->name, level) == 0)
            return &s->rows[i];
    return NULL;
}

static inline const struct estimate *row(const struct estimates *s, const char *level)
{
    const struct estimate *r = find_row(s, level);
    if (!r)
        fail_msg("no row %s", level);
    return r;
}

static inline const char *winner(const struct estimates *s)
{
    return s->recommended < 0 ? "nothing" : s->rows[s->recommended].level->name;
}

static inline bool says(const struct estimate *r, char sign, const char *part)
{
    for (int i = 0; i < r->reason_count; i++)
        if (r->reasons[i].sign == sign && strstr(r->reasons[i].text, part))
            return true;
    return false;
}

static inline void assert_reason(const struct estimate *r, char sign, const char *part)
{
    if (says(r, sign, part))
        return;
    for (int i = 0; i < r->reason_count; i++)
        fprintf(stderr, "%s %c %s\n", r->level->name, r->reasons[i].sign, r->reasons[i].text);
    fail_msg("%s lacks '%c %s'", r->level->name, sign, part);
}

static inline bool said(const struct sayings *list, const char *part)
{
    for (int i = 0; i < list->count; i++)
        if (strstr(list->items[i].text, part))
            return true;
    return false;
}

static inline bool warned(const struct estimates *s, const char *part)
{
    return said(&s->warnings, part);
}

#endif
