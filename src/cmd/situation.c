#include "cmd/situation.h"

#include "base/watch.h"
#include "cmd/open.h"
#include "plan/mixture.h"

static int make_mix(struct situation *s, struct error *e)
{
    struct progress p;
    struct mixture_job job = {.model = s->model, .machine = s->machine, .wishes = &s->wishes, .rules = s->rules,
                              .watch = &p.watch};
    interrupt_catch();
    progress_init(&p, false);
    int rc = mixture_make(&s->mix, &job, e);
    progress_done(&p);
    return rc == ERROR_INTERRUPTED ? error_context(e, "what was measured is kept, and the next time goes on with it") : rc;
}

static int make_estimates(struct situation *s, const char *level, struct error *e)
{
    if (!mixture_wanted(&s->wishes))
        return estimates_make_with(&s->estimates, s->machine, s->model, &s->wishes, s->rules, level, e);
    int rc = make_mix(s, e);
    return rc ? rc : estimates_make_mix(&s->estimates, s->machine, s->model, &s->wishes, s->rules, level, s->mix, e);
}

int situation_init(struct situation *s, const struct args *a, bool weights, const char *level, struct error *e)
{
    const struct machine_options o = {.file = args_get(a, "machine"), .disk_path = args_get(a, "out")};
    int (*open)(struct model **, const char *, const char *, int, struct error *);
    *s = (struct situation){0};
    int rc = args_wishes(a, &s->wishes, e);
    open = weights || mixture_wanted(&s->wishes) ? open_model : open_header;
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
    machine_free(s->machine);
    if (s->model)
        model_close(s->model);
    rules_free(s->rules);
    wishes_done(&s->wishes);
}
