#include "run/gate.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "run/attempts.h"
#include "run/proposal.h"

/* Saved and loaded again, it borrows nothing, and is what a person can run again. */
static int save_and_load(const struct plan *p, struct plan **out, struct error *e)
{
    char *path = path_join(p->run_folder, "plan.yaml");
    int rc = plan_save(p, path, e);
    rc = rc ? rc : plan_load(out, path, e);
    free(path);
    return rc;
}

static int plan_step(const struct plan *p, const struct proposal *step, struct plan **next, struct error *e)
{
    struct plan *n;
    char *why = xasprintf("the next step after %s was rejected: %s", p->level, step->why);
    int rc = plan_with(&n, p, &step->change, why, e);
    if (!rc) {
        n->gate.after = p->run_folder;
        n->gate.why = step->why;
        rc = save_and_load(n, next, e);
        plan_free(n);
    }
    free(why);
    return rc;
}

int gate_next(const struct plan *p, struct plan **next, struct error *e)
{
    struct attempts tried;
    struct proposal step = {0};
    struct arena a = {0};
    *next = NULL;
    int rc = attempts_read_until(&tried, p->run_folder, e);
    if (!rc && tried.count)
        rc = proposal_after(&step, p, &tried, &a, e);
    if (!rc && step.next)
        rc = plan_step(p, &step, next, e);
    attempts_done(&tried);
    arena_done(&a);
    return rc;
}

/* Which attempt a run was that the gate rejected: those that a person started count, too. */
static int attempt_number(const struct plan *p)
{
    struct attempts tried;
    struct error ignored;
    attempts_read_until(&tried, p->run_folder, &ignored);
    int number = tried.count;
    attempts_done(&tried);
    return number;
}

int gate_run(const struct plan *p, const struct run_options *o, struct plan **last, struct error *e)
{
    const struct plan *now = p;
    *last = NULL;
    int rc = run_plan(p, o, e);
    while (rc == ERROR_REJECTED && p->gate.automatic && attempt_number(now) < p->gate.attempts) {
        struct plan *next;
        struct error why;
        if (gate_next(now, &next, &why)) {
            *e = why;
            return why.code;
        }
        if (!next)
            break;
        plan_free(*last);
        now = *last = next;
        *e = (struct error){0};
        rc = run_plan(now, o, e);
    }
    return rc;
}
