/* Running a plan: the worker (in the foreground or in a session of its own), control, and finding runs. */
#ifndef RUN_RUN_H
#define RUN_RUN_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/watch.h"
#include "plan/plan.h"

struct run_options {
    bool resume;
    FILE *stream;        /* events are copied here as they happen (--json); NULL: not */
    const char *base_store; /* see eval_options; NULL: none */
    struct hash_memo *hashes; /* of the files that runs read, each of them once; not NULL */
    struct watch *watch; /* progress for a person, 0 to 1 of the whole run; NULL: none */
    /* The last phase: writes the decision document of the run in `folder`, *path gets its name (free() it). The
     * report's room stands above this one, so the caller hands it in. NULL: no report. */
    int (*report)(const struct plan *p, const char *folder, char **path, struct error *e);
};
/* Does the plan in this process: check, quantize, verify, evaluate, report. 0, ERROR_REJECTED or another error.
 * `resume` goes on where an earlier attempt was cut off; where that has finished, nothing is done, *e says so, and the
 * earlier outcome is returned. Catches SIGINT and SIGTERM (what is finished is kept), ignores SIGHUP from here on. */
int run_plan(const struct plan *p, const struct run_options *o, struct error *e);

/* Starts `quantwiz run PLAN OPTION...` in a session of its own (it survives this process and the terminal); the plan must
 * have been saved. `options` ("--resume") end with a NULL; NULL: none. Returns at once. */
int run_start_worker(const char *plan_path, const char *const *options, struct error *e);
/* What the panes' keys do, through a `control` file in the run folder, which the worker looks at several times a
 * second: so it works from another host that shares the folder, too. */
enum run_control { RUN_STOP, RUN_PAUSE, RUN_CONTINUE };
int run_control(const char *run_folder, enum run_control c, struct error *e);

/* Runs below `folder` whose worker is alive or that were cut off: paths, NULL-terminated; the caller frees each, and
 * the array. Looks a few levels deep, follows no links. */
char **run_find(const char *folder);

#endif
