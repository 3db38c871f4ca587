#include "run/surroundings.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "eval/runtime_speed.h"
#include "model/discover.h"
#include "run/figures.h"
#include "text/samples.h"
#include "text/tokenizer.h"

/* --------------------------------------------------------------------- inputs */

static void tell_input(struct worker *w, const char *role, const char *path, uint64_t bytes, const char *hash)
{
    json_t *j = json_object();
    char *absolute = strcmp(path, CALIBRATION_GENERAL) == 0 ? xstrdup(path) : path_absolute(path);
    json_object_set_new(j, "role", json_text(role));
    json_object_set_new(j, "path", json_text(absolute));
    json_object_set_new(j, "bytes", bytes ? json_value((double)bytes) : json_null());
    json_object_set_new(j, "sha256", json_text(hash));
    event_send(&w->log, EVENT_INPUT, j);
    free(absolute);
}

static int tell_file(struct worker *w, const char *role, const char *path, struct error *e)
{
    char hash[HASH_TEXT];
    uint64_t bytes = 0;
    int rc = path ? hash_memo_file(w->options->hashes, hash, path, &bytes, e) : 0;
    if (path && !rc)
        tell_input(w, role, path, bytes, hash);
    return rc;
}

/* A text may be a folder, whose hash is that of its files' sums. */
static int tell_text(struct worker *w, const char *role, const char *text, struct error *e)
{
    char hash[HASH_TEXT], *path = NULL;
    int rc = text ? calibration_path(&path, text, e) : 0;
    if (path && !rc)
        rc = samples_hash(hash, path, e);
    if (path && !rc)
        tell_input(w, role, text, 0, hash);
    free(path);
    return rc;
}

int surroundings_inputs(struct worker *w, struct error *e)
{
    const struct plan *p = w->plan;
    int rc = 0;
    for (int i = 0; i < w->source->file_count && !rc; i++)
        rc = tell_file(w, "source", w->source->files[i].path, e);
    rc = rc ? rc : tell_file(w, "imatrix", p->imatrix, e);
    rc = rc ? rc : tell_text(w, "calibration", p->calibration.text, e);
    if (rc || !p->evaluate)
        return rc;
    char *text = plan_evaluated_text(p);
    rc = tell_text(w, "evaluation", text, e);
    free(text);
    rc = rc || (p->eval_tasks && file_is_folder(p->eval_tasks)) ? rc : tell_file(w, "tasks", p->eval_tasks, e);
    return rc ? rc : tell_file(w, "prompts", p->eval_prompts, e);
}

/* -------------------------------------------------------------------- the runtime */

static void tell_runtime(struct worker *w, const struct runtime_speed *r)
{
    event_send(&w->log, EVENT_RUNTIME, runtime_json(r));
    if (*r->error)
        event_say(&w->log, "warning", "the speed in %s is not known: %s", r->program, r->error);
}

int surroundings_runtime(struct worker *w, struct error *e)
{
    const struct plan *p = w->plan;
    const struct plan_estimate *estimate = &p->record.estimate;
    bool cpu = strcmp(wishes_choice(&p->wishes, WISH_FIT), "cpu") == 0;
    const struct runtime_question q = {
        .runtime = wishes_choice(&p->wishes, WISH_RUNTIME),
        .model = p->out,
        .threads = -1,
        .gpu_layers = cpu ? 0 : estimate->verdict && !isnan(estimate->gpu_layers) ? (int)estimate->gpu_layers : -1,
    };
    struct runtime_speed speed;
    w->phase_from += w->phase_share; /* how long it takes is not known: the bar waits */
    w->phase_share = 0;
    int rc = runtime_speed(&speed, &q, &w->watch, e);
    if (!rc && speed.program)
        tell_runtime(w, &speed);
    return rc;
}

/* ------------------------------------------------------------------ what lies about */

static void tell_found(struct worker *w, const char *what, const char *path)
{
    json_t *j = json_object();
    char *absolute = path_absolute(path);
    json_object_set_new(j, "what", json_text(what));
    json_object_set_new(j, "path", json_text(absolute));
    event_send(&w->log, EVENT_FOUND, j);
    free(absolute);
}

/* A draft pays where it is so many times smaller than what it drafts for. */
enum { DRAFT_TIMES = 4 };
/* Seconds for looking, and how many candidates' headers are read at most. */
static const double draft_seconds = 2;
enum { DRAFT_HEADERS = 12 };

static bool same_vocabulary(const struct model *a, const struct model *b)
{
    struct tokenizer *s = NULL, *t = NULL;
    struct error ignored;
    bool same = tokenizer_open(&s, a, NULL, &ignored) == 0 && tokenizer_open(&t, b, NULL, &ignored) == 0 &&
                tokenizer_difference(s, t) < 0;
    tokenizer_free(s);
    tokenizer_free(t);
    return same;
}

static bool drafts_for(const char *path, const struct model *m)
{
    struct model *draft;
    struct error ignored;
    if (model_open(&draft, path, MODEL_HEADER_ONLY, &ignored))
        return false;
    bool yes = draft->complete && draft->parameters * DRAFT_TIMES <= m->parameters && same_vocabulary(draft, m);
    model_close(draft);
    return yes;
}

static int by_bytes(const void *a, const void *b)
{
    const struct found_model *x = a, *y = b;
    return x->bytes != y->bytes ? (x->bytes < y->bytes ? -1 : 1) : strcmp(x->path, y->path);
}

/* The smallest one, in the container of what was made. */
static void find_draft(struct worker *w)
{
    struct found_models found;
    bool folder = plan_makes_folder(w->plan);
    char *beside = path_folder(w->plan->source);
    discover_models(&found, beside, draft_seconds);
    if (found.count)
        qsort(found.items, found.count, sizeof *found.items, by_bytes);
    for (int i = 0, read = 0; i < found.count && read < DRAFT_HEADERS; i++) {
        const char *path = found.items[i].path;
        if (file_is_folder(path) != folder || found.items[i].bytes >= w->source->file_bytes || file_same(path, w->plan->out))
            continue;
        read++;
        if (!drafts_for(path, w->source))
            continue;
        tell_found(w, "draft", path);
        break;
    }
    free(beside);
    found_models_done(&found);
}

/* As peft saves one: a folder with this file, here or one below. */
static void find_adapters(struct worker *w, const char *folder, bool below)
{
    DIR *d = below ? opendir(folder) : NULL;
    struct dirent *entry;
    if (file_exists_in(folder, "adapter_config.json"))
        tell_found(w, "adapter", folder);
    while (d && (entry = readdir(d))) {
        char *path = path_join(folder, entry->d_name);
        if (entry->d_name[0] != '.' && file_is_folder(path))
            find_adapters(w, path, false);
        free(path);
    }
    if (d)
        closedir(d);
}

void surroundings_found(struct worker *w)
{
    const char *source = w->source->path;
    char *folder = file_is_folder(source) ? xstrdup(source) : path_folder(source);
    find_draft(w);
    find_adapters(w, folder, true);
    free(folder);
}
