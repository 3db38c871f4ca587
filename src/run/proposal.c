#include "run/proposal.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/rulefile.h"
#include "base/str.h"
#include "plan/rules.h"

/* "calibrate: more" */
enum { MORE_SAMPLES = 4 };

static int load_steps(struct yaml **file, struct arena *a, struct error *e)
{
    return rulefile_load_checked(file, "steps", rules_schema("steps"), a, e);
}

/* ----------------------------------------------------------------- conditions */

static bool was_nearest(const struct attempt *x)
{
    return !x->calibration || (x->method && strcmp(x->method, "nearest") == 0);
}

static bool is_text(const struct attempt *x, const char *which)
{
    bool general = x->calibration && strcmp(x->calibration, CALIBRATION_GENERAL) == 0;
    return x->calibration && general == (strcmp(which, CALIBRATION_GENERAL) == 0);
}

static bool loss_is_over(const struct attempt *x, const char *limit)
{
    double least = 0;
    return parse_percent(limit, &least) && x->loss > least;
}

/* `last`: the attempt that was rejected. */
static bool applies(const struct yaml *step, const struct plan *plan, const struct attempt *last)
{
    const char *over = checked_text(step, "over"), *text = checked_text(step, "text");
    int below = checked_integer(step, "samples_below", 0);
    double within = checked_number(step, "within", 0);
    return fnmatch(checked_text(step, "level"), last->level, FNM_CASEFOLD) == 0 &&
           (!checked_bool(step, "incoherent", false) || last->incoherent) && (!over || loss_is_over(last, over)) &&
           (!within || last->loss <= within * plan->max_loss) &&
           (!yaml_get(step, "nearest") || checked_bool(step, "nearest", false) == was_nearest(last)) &&
           (!text || is_text(last, text)) && (!below || last->samples < below);
}

/* --------------------------------------------------------------------- changes */

/* The text to decide by where none did: the attempt's, the person's own, or the general one. */
static const char *text_for(const struct plan *plan, const struct attempt *last, struct arena *a)
{
    const char *own = plan->wishes.value[WISH_CALIBRATION].text;
    return arena_strdup(a, last->calibration ? last->calibration : own ? own : CALIBRATION_GENERAL);
}

static struct plan_change change_of(const struct yaml *step, const struct plan *plan, const struct attempt *last,
                                    struct arena *a)
{
    const char *how = checked_text(step, "calibrate");
    struct plan_change c = {.level = checked_text(step, "next")};
    if (!how)
        return c;
    if (strcmp(how, "more") == 0)
        c.calibration.samples = MORE_SAMPLES * last->samples;
    else
        c = (struct plan_change){.level = c.level, .method = "feedback", .calibration.text =
                                 strcmp(how, "feedback") == 0 ? text_for(plan, last, a) : CALIBRATION_GENERAL};
    return c;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcasecmp(a, b) == 0 : a == b;
}

/* What the change would make of the last attempt is what this one was. A level that was tried with a text was tried. */
static bool is_as_tried(const struct plan_change *c, const struct attempt *last, const struct attempt *tried)
{
    const char *text = c->calibration.text ? c->calibration.text : last->calibration;
    int samples = c->calibration.samples ? c->calibration.samples : last->samples;
    if (strcasecmp(c->level ? c->level : last->level, tried->level) != 0)
        return false;
    if (c->level)
        return true;
    return same_text(text, tried->calibration) && same_text(c->method ? c->method : last->method, tried->method) &&
           (!text || samples == tried->samples);
}

static bool was_tried(const struct plan_change *c, const struct attempts *tried)
{
    for (int i = 0; i < tried->count; i++)
        if (is_as_tried(c, &tried->items[tried->count - 1], &tried->items[i]))
            return true;
    return false;
}

/* "Q4_K_M with error feedback by the general text" */
static const char *in_words(const struct plan_change *c, const struct attempt *last, struct arena *a)
{
    struct str s = {0};
    str_add(&s, c->level ? c->level : last->level);
    if (c->method)
        str_addf(&s, " with error feedback by %s",
                 strcmp(c->calibration.text, CALIBRATION_GENERAL) == 0 ? "the general text" : c->calibration.text);
    if (c->calibration.samples)
        str_addf(&s, " by %d samples of the text", c->calibration.samples);
    return str_keep(&s, a);
}

/* Adds a level that does not fit to the list of those, unless it stands there already. */
static void pass_over(struct str *list, const struct plan_alternative *x)
{
    char size[FORMAT_SIZE] = "of unknown size";
    if (!isnan(x->estimate.total_bytes))
        format_bytes(size, x->estimate.total_bytes);
    char *text = xasprintf("%s (%s)", x->level, size);
    if (!list->length || !strstr(list->data, text))
        str_addf(list, "%s%s", list->length ? ", " : "", text);
    free(text);
}

/* Which steps led past it is told with the reason. */
static const char *why_next(const char *why, const char *passed_over, struct arena *a)
{
    return passed_over ? arena_printf(a, "%s; passed over, since it does not fit: %s", why, passed_over) : why;
}

/* The first step that applies, fits and was not tried, with its change; NULL: none. */
static const struct yaml *find_step(const struct yaml *steps, const struct plan *plan, const struct attempts *tried,
                                    struct plan_change *change, struct str *passed_over, struct arena *a)
{
    const struct attempt *last = &tried->items[tried->count - 1];
    for (size_t i = 0; i < steps->count; i++) {
        if (!applies(steps->items[i], plan, last))
            continue;
        *change = change_of(steps->items[i], plan, last, a);
        const struct plan_alternative *big = change->level ? record_too_big(&plan->record, change->level) : NULL;
        if (big)
            pass_over(passed_over, big);
        else if (!was_tried(change, tried))
            return steps->items[i];
    }
    return NULL;
}

int proposal_after(struct proposal *p, const struct plan *plan, const struct attempts *tried, struct arena *a,
                   struct error *e)
{
    struct yaml *file;
    struct str passed_over = {0};
    struct plan_change change = {0};
    *p = (struct proposal){0};
    int rc = load_steps(&file, a, e);
    const struct yaml *step = rc ? NULL : find_step(yaml_get(file, "steps"), plan, tried, &change, &passed_over, a);
    p->passed_over = passed_over.length ? arena_strdup(a, passed_over.data) : NULL;
    if (step) {
        p->next = in_words(&change, &tried->items[tried->count - 1], a);
        p->why = why_next(checked_text(step, "why"), p->passed_over, a);
        p->change = change;
    }
    str_done(&passed_over);
    return rc;
}

int proposal_limits(struct coherence_limits *l, struct error *e)
{
    struct arena a = {0};
    struct yaml *file;
    int rc = load_steps(&file, &a, e);
    const struct yaml *y = rc ? NULL : yaml_get(file, "incoherent");
    if (y)
        *l = (struct coherence_limits){
            .repeated = checked_number(y, "repeated", 1),
            .base_repeated = checked_number(y, "base_repeated", 1),
            .answers = checked_number(y, "answers", 1),
            .same_top = checked_number(y, "same_top", 0),
            .kld_mean = checked_number(y, "kld_mean", 1e9),
        };
    arena_done(&a);
    return rc;
}
