#include "run/worker.h"

#include <config.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "run/run_state.h"

static const char *const phase_names[] = {"check", "calibrate", "quantize", "verify", "evaluate", "report"};

/* ------------------------------------------------------------------- progress */

static void tell_progress(struct worker *w, double share)
{
    double now = clock_monotonic(), elapsed = now - w->started;
    if (now - w->told < 0.5)
        return;
    json_t *j = json_object();
    json_object_set_new(j, "done", json_value(share));
    json_object_set_new(j, "total", json_integer(1));
    json_object_set_new(j, "eta_s", json_value(share > 0.02 ? elapsed / share * (1 - share) : NAN));
    json_object_set_new(j, "phase", json_text(w->phase));
    event_send(&w->log, EVENT_PROGRESS, j);
    w->told = now;
}

static bool worker_tick(struct watch *watch, double done, double total, const char *what)
{
    struct worker *w = watch->user;
    double share = w->phase_from + w->phase_share * (total > 0 ? fmin(done / total, 1) : 0);
    tell_progress(w, share);
    monitor_wait(w->monitor);
    return watch_tick(w->options->watch, share, 1, what);
}

void worker_phase(struct worker *w, const char *name, double to)
{
    w->phase_from += w->phase_share;
    w->phase_share = fmax(to - w->phase_from, 0);
    w->phase = name;
    for (size_t i = 0; i < ARRAY_LENGTH(phase_names); i++)
        if (strcmp(phase_names[i], name) == 0)
            w->phase_index = (int)i;
    json_t *j = json_object();
    json_object_set_new(j, "name", json_text(name));
    json_object_set_new(j, "index", json_integer(w->phase_index));
    json_object_set_new(j, "count", json_integer(ARRAY_LENGTH(phase_names)));
    event_send(&w->log, EVENT_PHASE, j);
}

/* ---------------------------------------------------------- first and last words */

static void tell_start(struct worker *w)
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    json_t *j = json_object();
    json_object_set_new(j, "version", json_text(PACKAGE_VERSION));
    json_object_set_new(j, "plan", json_text(w->plan->file));
    json_object_set_new(j, "source", json_text(w->plan->source));
    json_object_set_new(j, "level", json_text(w->plan->level));
    json_object_set_new(j, "pid", json_integer(getpid()));
    json_object_set_new(j, "host", json_text(host));
    json_object_set_new(j, "threads", json_integer(threads_count()));
    json_object_set_new(j, "resumed", json_boolean(w->options->resume));
    event_send(&w->log, EVENT_START, j);
}

static const char *status_of(int rc)
{
    return rc == 0 ? "done" : rc == ERROR_REJECTED ? "rejected" : rc == ERROR_INTERRUPTED ? "interrupted" : "failed";
}

static void tell_done(struct worker *w, int rc, const struct error *e)
{
    json_t *j = json_object(), *artefacts = json_array();
    if (w->made)
        json_array_append_new(artefacts, json_text(w->plan->out));
    json_object_set_new(j, "status", json_text(status_of(rc)));
    json_object_set_new(j, "exit", json_integer(error_exit_status(rc)));
    json_object_set_new(j, "artefacts", artefacts);
    json_object_set_new(j, "report", json_text(w->report));
    json_object_set_new(j, "error", json_text(rc ? e->text : NULL));
    event_send(&w->log, EVENT_DONE, j);
}

/* A worker that dies of a broken invariant or of a page that cannot be read still says so in its log: from a signal
 * handler, so with nothing but write(2). */
static int last_words_fd = -1;

static void say_last_words(void)
{
    char line[160];
    int n = snprintf(line, sizeof line, "\n{\"t\":%lld,\"kind\":\"done\",\"status\":\"failed\",\"exit\":1,"
                     "\"artefacts\":[],\"error\":\"the worker broke off: see 'log' in the run folder\"}\n",
                     (long long)time(NULL));
    if (last_words_fd >= 0 && write(last_words_fd, line, n) != n)
        return;
}

/* ------------------------------------------------------------------- the story */

static int (*const phases[])(struct worker *w, struct error *e) = {
    phase_check, phase_quantize, phase_evaluate, phase_report,
};

static int rejected_error(const struct worker *w, struct error *e)
{
    const char *next = w->proposal.next, *big = next ? NULL : w->proposal.passed_over;
    return error_set(e, ERROR_REJECTED, "the quality gate rejected %s: it loses more than %.3g %%%s%s%s%s", w->plan->level,
                     100 * w->plan->max_loss, next ? "; try " : "", next ? next : "",
                     big ? "; what would come next does not fit: " : "", big ? big : "");
}

static int work(struct worker *w, struct error *e)
{
    int rc = 0;
    tell_start(w);
    w->monitor = monitor_start(&w->log, w->plan->run_folder, w->plan->out);
    for (size_t i = 0; !rc && i < ARRAY_LENGTH(phases); i++)
        rc = interrupt_pending() ? interrupt_error(e) : phases[i](w, e);
    monitor_stop(w->monitor);
    if (!rc && w->rejected)
        rc = rejected_error(w, e);
    if (rc == ERROR_INTERRUPTED)
        error_set(e, rc, "interrupted: what is finished is kept, the same command with --resume goes on");
    if (rc)
        event_say(&w->log, rc == ERROR_FAILED ? "error" : "warning", "%s", e->text);
    tell_done(w, rc, e);
    if (w->log.lost)
        fprintf(stderr, "quantwiz: %d lines of the run's log could not be written\n", w->log.lost);
    return rc;
}

/* --resume on a run that has nothing left to do: says so, and ends as it ended. */
static bool finished_already(struct worker *w, int *rc, struct error *e)
{
    struct run_state s;
    struct error ignored;
    run_state_init(&s, w->plan->run_folder);
    run_state_poll(&s, &ignored);
    bool rejected = s.status && strcmp(s.status, "rejected") == 0;
    bool finished = s.over && (rejected || (s.status && strcmp(s.status, "done") == 0)) && file_exists(w->plan->out);
    if (finished) {
        w->made = true;
        w->report = s.report ? xstrdup(s.report) : NULL;
        char *run = str_word(w->plan->run_folder);
        *rc = error_set(e, rejected ? ERROR_REJECTED : 0, "%s is finished already (%s): `quantwiz report %s` shows it;"
                        " without --resume it starts again", w->plan->run_folder, s.status, run);
        free(run);
        tell_done(w, *rc, e);
    }
    run_state_done(&s);
    return finished;
}

static int work_locked(struct worker *w, struct error *e)
{
    int rc = event_log_open(&w->log, w->plan->run_folder, w->options->stream, e);
    if (rc)
        return rc;
    void (*hook)(void) = die_hook;
    last_words_fd = w->log.fd;
    die_hook = say_last_words;
    control_clear(w->plan->run_folder);
    if (!w->options->resume || !finished_already(w, &rc, e))
        rc = work(w, e);
    die_hook = hook;
    last_words_fd = -1;
    importance_done(&w->importance);
    recipe_done(&w->recipe);
    model_close(w->source);
    free(w->report);
    arena_done(&w->arena);
    event_log_close(&w->log);
    return rc;
}

int run_plan(const struct plan *p, const struct run_options *o, struct error *e)
{
    struct worker w = {.plan = p, .options = o, .watch = {.tick = worker_tick}, .started = clock_monotonic()};
    w.watch.user = &w;
    interrupt_catch();
    signal(SIGHUP, SIG_IGN);
    int rc = file_make_folder(p->run_folder, e);
    if (!rc)
        rc = run_lock_take(&w.lock, p->run_folder, e);
    if (rc)
        return rc;
    rc = plan_keep(p, e);
    if (!rc)
        rc = work_locked(&w, e);
    run_lock_drop(&w.lock);
    return rc;
}
