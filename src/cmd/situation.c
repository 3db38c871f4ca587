#include "cmd/situation.h"

#include "cmd/open.h"

int situation_init(struct situation *s, const struct args *a, bool weights, const char *level, struct error *e)
{
    int (*open)(struct model **, const char *, const char *, int, struct error *) =
        weights ? open_model : open_header;
    const struct machine_options o = {.file = args_get(a, "machine"), .disk_path = args_get(a, "out")};
    *s = (struct situation){0};
    int rc = args_wishes(a, &s->wishes, e);
    rc = rc ? rc : rules_load(&s->rules, e);
    rc = rc ? rc : open(&s->model, args_operand(a, 0), args_get(a, "pre"), MODEL_HEADER_ONLY, e);
    rc = rc ? rc : machine_detect(&s->machine, &o, e);
    if (rc)
        return rc;
    wishes_defaults(&s->wishes, s->machine, s->model);
    return estimates_make_with(&s->estimates, s->machine, s->model, &s->wishes, s->rules, level, e);
}

void situation_done(struct situation *s)
{
    estimates_free(s->estimates);
    machine_free(s->machine);
    if (s->model)
        model_close(s->model);
    rules_free(s->rules);
    wishes_done(&s->wishes);
}
