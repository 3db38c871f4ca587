#include "run/run_state.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "run/events.h"
#include "run/figures.h"
#include "run/run_lock.h"

/* A worker on another host counts as alive for this long after its last event (it sends one a second). */
static const double alive_seconds = 10;

/* -------------------------------------------------------------- a fresh state */

/* All that one attempt told; the log and the place in the file outlive it. */
static void forget_attempt(struct run_state *s)
{
    s->source = s->level = s->phase = s->version = s->host = s->status = s->error = s->report = NULL;
    s->pid = s->threads = s->exit = 0;
    s->paused = s->over = s->has_result = s->resumed = false;
    s->started = s->progress = s->eta_s = NAN;
    s->tensor_count = s->tensors_done = s->tensors_total = 0;
    s->layer_count = s->layers_total = 0;
    s->phase_count = s->fallback_count = s->history_count = s->artefact_count = 0;
    s->rss_bytes = s->cpu_percent = s->written_bytes = s->planned_bytes = s->disk_free_bytes = NAN;
    s->peak_rss_bytes = s->peak_private_bytes = NAN;
    s->proposal = s->passed_over = s->eval_text = s->incoherent = NULL;
    s->eval_context = 0;
    s->artefact = (struct run_artefact){0};
    s->input_count = s->found_count = s->runtime_count = 0;
    s->eval.task_count = s->eval.sample_count = 0;
    s->eval.bytes = s->eval.bytes_base = 0;
    s->eval.base_prefill_tokens_per_s = s->eval.base_decode_tokens_per_s = NAN;
    costs_read(&s->eval, NULL);
    s->eval.activations = NULL;
    figures_read(&s->eval.figures, NULL, &s->arena);
}

void run_state_init(struct run_state *s, const char *folder)
{
    *s = (struct run_state){.folder = xstrdup(folder), .now = NAN};
    for (size_t n = strlen(s->folder); n > 1 && s->folder[n - 1] == '/'; n--)
        s->folder[n - 1] = 0;
    forget_attempt(s);
}

void run_state_done(struct run_state *s)
{
    free(s->folder);
    free(s->tensors);
    free(s->layers);
    free(s->phases);
    free(s->fallbacks);
    free(s->history);
    free(s->inputs);
    free(s->found);
    free(s->runtimes);
    free(s->eval.tasks);
    free(s->eval.samples);
    free(s->log);
    arena_done(&s->arena);
    *s = (struct run_state){0};
}

/* --------------------------------------------------------------- event by event */

static char *text(struct run_state *s, const json_t *j, const char *key)
{
    const char *t = json_string_value(json_object_get(j, key));
    return t ? arena_strdup(&s->arena, t) : NULL;
}

static int integer(const json_t *j, const char *key)
{
    return (int)json_integer_value(json_object_get(j, key));
}

static void add_log(struct run_state *s, const char *line)
{
    array_push(s->log, s->log_count, s->log_capacity) = arena_strdup(&s->arena, line);
}

static void on_start(struct run_state *s, const json_t *j)
{
    forget_attempt(s);
    s->source = text(s, j, "source");
    s->level = text(s, j, "level");
    s->host = text(s, j, "host");
    s->version = text(s, j, "version");
    s->pid = integer(j, "pid");
    s->threads = integer(j, "threads");
    s->resumed = json_is_true(json_object_get(j, "resumed"));
    s->started = figure_number(j, "t");
}

static void end_phase(struct run_state *s, double t)
{
    if (s->phase_count && isnan(s->phases[s->phase_count - 1].ended))
        s->phases[s->phase_count - 1].ended = t;
}

static void on_phase(struct run_state *s, const json_t *j)
{
    double t = figure_number(j, "t");
    end_phase(s, t);
    s->phase = text(s, j, "name");
    array_push(s->phases, s->phase_count, s->phase_capacity) =
        (struct run_phase){.name = s->phase ? s->phase : "", .started = t, .ended = NAN};
}

static void on_fallback(struct run_state *s, const json_t *j)
{
    array_push(s->fallbacks, s->fallback_count, s->fallback_capacity) =
        (struct run_fallback){text(s, j, "tensor"), text(s, j, "wanted"), text(s, j, "type"), text(s, j, "why")};
}

static void on_layer(struct run_state *s, const json_t *j)
{
    s->layers_total = integer(j, "layers");
    array_push(s->layers, s->layer_count, s->layer_capacity) = (struct run_layer){
        .layer = integer(j, "layer"),
        .tensors = integer(j, "tensors"),
        .plain = integer(j, "plain"),
        .loss = figure_number(j, "loss"),
        .damp = figure_number(j, "damp"),
        .inputs = figure_number(j, "inputs"),
        .seconds = figure_number(j, "seconds"),
        .reused = json_is_true(json_object_get(j, "reused")),
    };
}

static struct run_tensor *find_tensor(struct run_state *s, const char *name)
{
    for (int i = s->tensor_count; name && i-- > 0;)
        if (strcmp(s->tensors[i].name, name) == 0)
            return &s->tensors[i];
    return NULL;
}

static struct run_tensor *take_tensor(struct run_state *s, const json_t *j)
{
    const char *name = json_string_value(json_object_get(j, "name"));
    struct run_tensor *t = find_tensor(s, name);
    if (!t) {
        t = &array_push(s->tensors, s->tensor_count, s->tensor_capacity);
        *t = (struct run_tensor){.name = arena_strdup(&s->arena, name ? name : "")};
    }
    t->from = text(s, j, "from");
    t->to = text(s, j, "to");
    t->rmse = t->mb_per_s = t->bytes = NAN;
    s->tensors_total = integer(j, "count");
    return t;
}

static void on_tensor_begin(struct run_state *s, const json_t *j)
{
    take_tensor(s, j);
}

static void on_tensor(struct run_state *s, const json_t *j)
{
    struct run_tensor *t = take_tensor(s, j);
    s->tensors_done += !t->done;
    t->done = true;
    t->wanted = text(s, j, "wanted");
    t->reused = json_is_true(json_object_get(j, "reused"));
    t->rmse = figure_number(j, "rmse");
    t->bytes = figure_number(j, "bytes");
    double seconds = figure_number(j, "seconds"), source = figure_number(j, "source_bytes");
    t->mb_per_s = seconds > 0 ? source / 1e6 / seconds : NAN;
}

static void on_progress(struct run_state *s, const json_t *j)
{
    double total = figure_number(j, "total");
    s->progress = total > 0 ? figure_number(j, "done") / total : NAN;
    s->eta_s = figure_number(j, "eta_s");
}

static void on_resources(struct run_state *s, const json_t *j)
{
    s->rss_bytes = figure_number(j, "rss_bytes");
    s->cpu_percent = figure_number(j, "cpu_percent");
    s->written_bytes = figure_number(j, "written_bytes");
    s->planned_bytes = figure_number(j, "planned_bytes");
    s->disk_free_bytes = figure_number(j, "disk_free_bytes");
    /* The document is written in the last phase: what is told later must not change it when it is written again. */
    if (s->phase && strcmp(s->phase, "report") == 0)
        return;
    s->peak_rss_bytes = fmax(s->peak_rss_bytes, s->rss_bytes);
    s->peak_private_bytes = fmax(s->peak_private_bytes, figure_number(j, "private_bytes"));
}

static void read_files(struct run_state *s, const json_t *files)
{
    struct run_artefact *a = &s->artefact;
    size_t i;
    const json_t *j;
    a->files = json_array_size(files) ? arena_alloc(&s->arena, json_array_size(files) * sizeof *a->files) : NULL;
    json_array_foreach(files, i, j)
        a->files[a->file_count++] =
            (struct run_file){text(s, j, "name"), text(s, j, "sha256"), figure_number(j, "bytes")};
}

static void on_artefact(struct run_state *s, const json_t *j)
{
    s->artefact = (struct run_artefact){
        .path = text(s, j, "path"),
        .sha256 = text(s, j, "sha256"),
        .bytes = figure_number(j, "bytes"),
        .planned_bytes = figure_number(j, "planned_bytes"),
        .source_bytes = figure_number(j, "source_bytes"),
        .memory_bytes = figure_number(j, "memory_bytes"),
        .bits_per_weight = figure_number(j, "bits_per_weight"),
    };
    read_files(s, json_object_get(j, "files"));
}

static void on_chunk(struct run_state *s, const json_t *j)
{
    figures_read(&s->eval.figures, j, &s->arena);
    array_push(s->history, s->history_count, s->history_capacity) = s->eval.figures;
}

static void on_task(struct run_state *s, const json_t *j)
{
    struct eval_task read, *t = NULL;
    task_read(&read, j, &s->arena);
    for (int i = 0; i < s->eval.task_count; i++)
        if (strcmp(s->eval.tasks[i].name, read.name) == 0)
            t = &s->eval.tasks[i];
    if (!t)
        t = &array_push(s->eval.tasks, s->eval.task_count, s->task_capacity);
    *t = read;
}

static void on_sample(struct run_state *s, const json_t *j)
{
    array_push(s->eval.samples, s->eval.sample_count, s->sample_capacity) = (struct eval_sample){
        .prompt = text(s, j, "prompt"),
        .base = text(s, j, "base"),
        .answer = text(s, j, "answer"),
        .differs_at = integer(j, "differs_at"),
    };
}

static void on_result(struct run_state *s, const json_t *j)
{
    double histogram[EVAL_HISTOGRAM];
    memcpy(histogram, s->eval.figures.kld_histogram, sizeof histogram);
    figures_read(&s->eval.figures, j, &s->arena);
    if (!json_object_get(j, "histogram"))
        memcpy(s->eval.figures.kld_histogram, histogram, sizeof histogram);
    s->eval.base_prefill_tokens_per_s = figure_number(j, "base_prefill_tokens_per_s");
    s->eval.base_decode_tokens_per_s = figure_number(j, "base_decode_tokens_per_s");
    s->eval.bytes = (uint64_t)json_integer_value(json_object_get(j, "bytes"));
    s->eval.bytes_base = (uint64_t)json_integer_value(json_object_get(j, "bytes_base"));
    costs_read(&s->eval, j);
    s->eval.activations = text(s, j, "activations");
    s->proposal = text(s, j, "proposal");
    s->passed_over = text(s, j, "passed_over");
    s->incoherent = text(s, j, "incoherent");
    s->eval_text = text(s, j, "text");
    s->eval_context = integer(j, "context");
    s->has_result = true;
}

static void on_input(struct run_state *s, const json_t *j)
{
    array_push(s->inputs, s->input_count, s->input_capacity) =
        (struct run_input){text(s, j, "role"), text(s, j, "path"), text(s, j, "sha256"), figure_number(j, "bytes")};
}

static void on_found(struct run_state *s, const json_t *j)
{
    array_push(s->found, s->found_count, s->found_capacity) = (struct run_found){text(s, j, "what"), text(s, j, "path")};
}

static void on_runtime(struct run_state *s, const json_t *j)
{
    struct run_runtime *r = &array_push(s->runtimes, s->runtime_count, s->runtime_capacity);
    *r = (struct run_runtime){
        .program = text(s, j, "program"),
        .error = text(s, j, "error"),
        .prefill_tokens_per_s = figure_number(j, "prefill_tokens_per_s"),
        .decode_tokens_per_s = figure_number(j, "decode_tokens_per_s"),
    };
    cost_read(&r->cost, j);
}

static void on_log(struct run_state *s, const json_t *j)
{
    const char *line = json_string_value(json_object_get(j, "text"));
    add_log(s, line ? line : "");
}

static void on_pause(struct run_state *s, const json_t *j)
{
    s->paused = json_is_true(json_object_get(j, "paused"));
}

static void on_done(struct run_state *s, const json_t *j)
{
    const json_t *artefacts = json_object_get(j, "artefacts");
    end_phase(s, figure_number(j, "t"));
    s->over = true;
    s->paused = false;
    s->status = text(s, j, "status");
    s->error = text(s, j, "error");
    s->report = text(s, j, "report");
    s->exit = integer(j, "exit");
    s->artefact_count = (int)json_array_size(artefacts);
    s->artefacts = arena_alloc(&s->arena, (s->artefact_count + 1) * sizeof *s->artefacts);
    for (int i = 0; i < s->artefact_count; i++) {
        const char *path = json_string_value(json_array_get(artefacts, i));
        s->artefacts[i] = arena_strdup(&s->arena, path ? path : "");
    }
    if (s->status && strcmp(s->status, "done") == 0)
        s->progress = 1;
    s->eta_s = NAN;
}

/* What stands in files of its own needs none. */
static void (*const handlers[EVENT_COUNT])(struct run_state *s, const json_t *j) = {
    [EVENT_START] = on_start,       [EVENT_PHASE] = on_phase,         [EVENT_FALLBACK] = on_fallback,
    [EVENT_LAYER] = on_layer,       [EVENT_TENSOR] = on_tensor,
    [EVENT_TENSOR_BEGIN] = on_tensor_begin, [EVENT_PROGRESS] = on_progress,
    [EVENT_RESOURCES] = on_resources, [EVENT_ARTEFACT] = on_artefact, [EVENT_CHUNK] = on_chunk,
    [EVENT_TASK] = on_task,         [EVENT_SAMPLE] = on_sample,       [EVENT_RESULT] = on_result,
    [EVENT_INPUT] = on_input,       [EVENT_FOUND] = on_found,         [EVENT_RUNTIME] = on_runtime,
    [EVENT_LOG] = on_log,           [EVENT_PAUSE] = on_pause,         [EVENT_DONE] = on_done,
};

/* 1 for an event of a known kind. */
static int take_line(struct run_state *s, const char *line, size_t length)
{
    json_t *j = json_loadb(line, length, 0, NULL);
    if (!json_is_object(j)) {
        if (length)
            add_log(s, "a garbled line in events.jsonl was skipped");
        json_decref(j);
        return 0;
    }
    const char *name = json_string_value(json_object_get(j, "kind"));
    int kind = name ? event_find(name) : -1;
    double t = figure_number(j, "t");
    s->now = isnan(t) ? s->now : t;
    if (kind >= 0 && handlers[kind])
        handlers[kind](s, j);
    json_decref(j);
    return kind >= 0;
}

/* ------------------------------------------------------------------ tailing */

static int take_new_lines(struct run_state *s, const char *path, struct error *e)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return errno == ENOENT ? 0 : error_errno(e, "cannot open %s", path);
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    int events = 0;
    if (fseek(f, s->offset, SEEK_SET) != 0)
        events = error_errno(e, "cannot read %s", path);
    while (events >= 0 && (length = getline(&line, &size, f)) > 0 && line[length - 1] == '\n') {
        s->offset += length;
        events += take_line(s, line, length - 1);
    }
    free(line);
    fclose(f);
    return events;
}

static void note_death(struct run_state *s)
{
    char line[200];
    snprintf(line, sizeof line, "the worker died (process %d): nothing finished is lost, --resume goes on", s->pid);
    s->over = true;
    s->paused = false;
    s->exit = 1;
    s->status = arena_strdup(&s->arena, "died");
    s->error = arena_strdup(&s->arena, line);
    add_log(s, line);
}

int run_state_poll(struct run_state *s, struct error *e)
{
    char *path = path_join(s->folder, "events.jsonl");
    int events = take_new_lines(s, path, e);
    if (events >= 0 && s->pid && !s->over && !run_state_alive(s)) {
        /* Its last words may have come between the reading and the asking. */
        int more = take_new_lines(s, path, e);
        events = more < 0 ? more : events + more;
        if (!s->over)
            note_death(s);
    }
    free(path);
    return events;
}

bool run_state_alive(const struct run_state *s)
{
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    if (!s->pid || s->over)
        return false;
    if (s->host && strcmp(s->host, host) != 0)
        return clock_now() - s->now < alive_seconds;
    return run_lock_held(s->folder);
}

double run_state_phase_seconds(const struct run_state *s, const char *phase)
{
    for (int i = 0; i < s->phase_count; i++)
        if (strcmp(s->phases[i].name, phase) == 0)
            return s->phases[i].ended - s->phases[i].started;
    return NAN;
}
