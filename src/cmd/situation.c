#include "cmd/situation.h"

#include "base/watch.h"
#include "cmd/open.h"
#include "plan/mixture.h"

static int measure_mix(struct situation *s, const char *text, struct error *e)
{
    struct progress p;
    interrupt_catch();
    progress_init(&p, false);
    int rc = mix_costs_measure(&s->costs, s->model, s->rules, text, &p.watch, e);
    progress_done(&p);
    return rc == ERROR_INTERRUPTED ? error_context(e, "what was measured is kept, and the next time goes on with it") : rc;
}

static int make_mix(struct situation *s, struct error *e)
{
    const char *text = s->wishes.value[WISH_CALIBRATION].text;
    int rc = mixture_measured(&s->wishes) ? measure_mix(s, text, e) : 0;
    if (rc)
        return rc;
    s->costs = s->costs ? s->costs : mix_costs_plain(s->model, s->rules, text);
    const struct mixture_job job = {.model = s->model, .machine = s->machine, .wishes = &s->wishes, .rules = s->rules,
                                    .costs = s->costs};
    return mixture_make(&s->mix, &job, e);
}

/* Who names a level wants that one: no mix is measured for it. */
static int make_estimates(struct situation *s, const char *level, struct error *e)
{
    if (level || !mixture_wanted(&s->wishes))
        return estimates_make_with(&s->estimates, s->machine, s->model, &s->wishes, s->rules, level, e);
    int rc = make_mix(s, e);
    return rc ? rc : estimates_make_mix(&s->estimates, s->machine, s->model, &s->wishes, s->rules, NULL, s->mix, e);
}

int situation_init(struct situation *s, const struct args *a, bool weights, const char *level, struct error *e)
{
    const struct machine_options o = {.file = args_get(a, "machine"), .disk_path = args_get(a, "out")};
    int (*open)(struct model **, const char *, const char *, int, struct error *);
    *s = (struct situation){0};
    int rc = args_wishes(a, &s->wishes, e);
    open = weights || (!level && mixture_measured(&s->wishes)) ? open_model : open_header;
    rc = rc ? rc : rules_load(&s->rules, e);
    rc = rc ? rc : open(&s->model, args_operand(a, 0), args_get(a, "pre"), MODEL_HEADER_ONLY, e);
    rc = rc ? rc : machine_detect(&s->machine, &o, e);
    if (rc)
        return rc;
    wishes_defaults(&s->wishes, s->machine, s->model);
    return make_estimates(s, level, e);
}

void situation_done(struct situation *s)
{
    estimates_free(s->estimates);
    mixture_free(s->mix);
    mix_costs_free(s->costs);
    machine_free(s->machine);
    if (s->model)
        model_close(s->model);
    rules_free(s->rules);
    wishes_done(&s->wishes);
}
