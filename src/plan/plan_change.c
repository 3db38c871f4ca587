/* A plan changed in a few things, for a run of its own beside the plan's. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "plan/mixture.h"
#include "plan/plan.h"
#include "plan/rules.h"

/* Pinned to the old text, and to the old number of samples, it would be refused or not changed at all. */
static void change_text(struct plan *n, const struct plan_change *c)
{
    const struct calibration *to = &c->calibration;
    if (to->text)
        n->calibration = (struct calibration){.text = strcmp(to->text, CALIBRATION_NONE) ? to->text : NULL, .hash = to->hash,
                                              .samples = n->calibration.samples,
                                              .sample_length = n->calibration.sample_length};
    n->calibration.samples = to->samples ? to->samples : n->calibration.samples;
    n->calibration.sample_length = to->sample_length ? to->sample_length : n->calibration.sample_length;
    n->method = c->method ? c->method : n->calibration.text ? n->method : NULL;
}

/* A list of tensors' types goes before any level. */
static void leave_mix(struct plan *n)
{
    n->tensor_count = 0;
    n->mix = (struct plan_mix){0};
    mixture_forget(&n->wishes);
}

/* Another row of the estimates is the plan's now. */
static void change_row(struct plan *n, const struct plan *p, const char *why)
{
    const struct plan_alternative *to = record_find(&p->record, n->level);
    const struct plan_alternative from = {.level = p->tensor_count ? MIX_LEVEL : p->level, .why = why, .kernel = p->kernel};
    n->kernel = to ? to->kernel : NULL;
    record_step(&n->record, from, n->level, &n->arena);
}

/* Another level is of another format and kernel, perhaps; and one that is made by a text gets the general one. Others
 * have an `optional` text. */
static int change_level(struct plan *n, const struct plan *p, const struct plan_change *c, bool *optional,
                        struct error *e)
{
    struct rules *r;
    const struct level *level;
    int rc = rules_load(&r, e);
    if (rc)
        return rc;
    rc = rules_level_find(r, c->level ? c->level : p->level, &level, &n->arena, e);
    if (!rc) {
        *optional = !level->calibrated;
        n->level = arena_strdup(&n->arena, level->name);
        n->format = arena_strdup(&n->arena, level->format);
        if (strcasecmp(n->level, p->level) != 0 || (c->level && p->tensor_count))
            change_row(n, p, n->rationale[0]);
        if (c->level)
            leave_mix(n);
        n->imatrix = level->type ? n->imatrix : NULL;
        if (level->calibrated && !n->calibration.text && !plan_rounds_to_nearest(n))
            n->calibration.text = CALIBRATION_GENERAL;
    }
    rules_free(r);
    return rc;
}

/* "Q5_K_M-feedback-512": the level, and what else tells it from the plan's. Where a text is optional, what it is for
 * tells as well. */
static char *name_of_change(const struct plan *n, const struct plan_change *c, bool optional)
{
    struct str name = {0};
    str_add(&name, n->level);
    if (n->tensor_count)
        str_add(&name, "-mix");
    if (c->pure)
        str_add(&name, "-pure");
    if (c->imatrix)
        str_add(&name, "-imatrix");
    if (c->method || (n->calibration.text && optional))
        str_addf(&name, "-%s", n->method ? n->method : "feedback");
    if (c->calibration.text && n->calibration.text && !c->level)
        str_addf(&name, "-%s", path_name(n->calibration.text));
    if (c->calibration.samples && !c->level)
        str_addf(&name, "-%d", c->calibration.samples);
    return str_take(&name);
}

/* Where the level stands in a name, behind a dash and before another or the end; NULL: nowhere. */
static char *find_level(char *name, const char *level)
{
    size_t n = strlen(level);
    char *found = NULL;
    for (char *p = name; (p = strchr(p + 1, '-')); )
        if (strncasecmp(p + 1, level, n) == 0 && (p[1 + n] == 0 || p[1 + n] == '-'))
            found = p;
    return found;
}

/* "dir/Model-Q4_K_M-feedback.gguf" -> "Model" */
static char *stem_of(const struct plan *p)
{
    char *stem = xstrdup(path_name(p->out));
    if (str_ends(stem, ".gguf"))
        stem[strlen(stem) - strlen(".gguf")] = 0;
    char *level = *stem ? find_level(stem, p->level) : NULL;
    if (level)
        *level = 0;
    return stem;
}

static const char *beside(struct plan *n, const char *path, const char *stem, const char *name, const char *end)
{
    char *folder = path_folder(path), *file = xasprintf("%s-%s%s", stem, name, end), *all = path_join(folder, file);
    const char *kept = arena_strdup(&n->arena, strcmp(folder, ".") == 0 ? file : all);
    free(folder);
    free(file);
    free(all);
    return kept;
}

static void name_change(struct plan *n, const struct plan *p, const struct plan_change *c, bool optional)
{
    char *stem = stem_of(p), *name = c->name ? xstrdup(c->name) : name_of_change(n, c, optional);
    n->out = beside(n, p->out, stem, name, plan_makes_folder(n) ? "" : ".gguf");
    n->run_folder = beside(n, p->run_folder, stem, name, ".quantwiz");
    free(stem);
    free(name);
}

int plan_with(struct plan **out, const struct plan *p, const struct plan_change *c, const char *why, struct error *e)
{
    struct plan *n = xmalloc(sizeof *n);
    *n = *p;
    n->arena = (struct arena){0};
    wishes_copy(&n->wishes, &p->wishes);
    n->file = NULL;
    n->variants = NULL;
    n->variant_count = 0;
    n->imatrix = c->imatrix ? c->imatrix : p->imatrix;
    n->pure = c->pure || p->pure;
    n->rationale = arena_alloc(&n->arena, sizeof *n->rationale);
    n->rationale[0] = arena_strdup(&n->arena, why);
    n->rationale_count = 1;
    bool optional;
    change_text(n, c);
    int rc = change_level(n, p, c, &optional, e);
    if (rc)
        plan_free(n);
    else
        name_change(n, p, c, optional);
    *out = rc ? NULL : n;
    return rc;
}

/* Where a text is no default of the level's, the variant says that there is none. A mix names no level: with one it would
 * be that level's own types. */
void plan_add_variant(struct plan *p, const struct plan *v)
{
    int n = p->variant_count++;
    struct plan_change *all = arena_alloc(&p->arena, p->variant_count * sizeof *all);
    struct calibration text = v->calibration;
    text.text = arena_strdup(&p->arena, v->calibration.text ? v->calibration.text : CALIBRATION_NONE);
    text.hash = v->calibration.text && v->calibration.hash ? arena_strdup(&p->arena, v->calibration.hash) : NULL;
    if (n)
        memcpy(all, p->variants, n * sizeof *all);
    all[n] = (struct plan_change){.name = arena_printf(&p->arena, "%s%s", v->level, v->tensor_count ? "-mix" : ""),
                                  .level = v->tensor_count ? NULL : arena_strdup(&p->arena, v->level),
                                  .method = v->method ? arena_strdup(&p->arena, v->method) : NULL,
                                  .calibration = v->calibration.text ? text : (struct calibration){.text = text.text}};
    p->variants = all;
    p->stop_early = false;
}

void plan_name_series(struct plan *p)
{
    char *stem = stem_of(p);
    p->run_folder = beside(p, p->run_folder, stem, "compare", ".quantwiz");
    free(stem);
}
