#include "cmd/making.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/json.h"
#include "base/table.h"
#include "cmd/effort.h"
#include "cmd/open.h"
#include "run/calibrated.h"
#include "run/importance.h"
#include "run/quantize.h"

/* Collects what happens, and draws the progress. */
struct account {
    const struct making *making;
    const struct model *model;
    struct recipe recipe;
    struct importance importance;
    struct quantize_tensor *tensors; /* [recipe.count], in the recipe's order */
    char **files;                    /* [file_count]: what is made */
    int file_count;
    uint64_t bytes;
    struct effort effort;
};

/* ------------------------------------------------------------------ listening */

static void on_end(void *user, const struct quantize_tensor *t, int index, int count)
{
    struct account *a = user;
    (void)count;
    a->tensors[index] = *t;
}

static void on_note(void *user, const char *text)
{
    struct account *a = user;
    effort_note(&a->effort, text);
}

static void on_layer(void *user, const struct layerwise_report *r)
{
    struct account *a = user;
    effort_layer(&a->effort, r);
}

/* ------------------------------------------------------------------- as JSON */

static json_t *json_of_tensors(const struct account *a)
{
    json_t *list = json_array();
    for (int i = 0; i < a->recipe.count; i++) {
        const struct tensor_plan *p = &a->recipe.tensors[i];
        json_t *t = json_object();
        json_object_set_new(t, "name", json_text(p->tensor->name));
        json_object_set_new(t, "from", json_text(p->tensor->type->name));
        json_object_set_new(t, "to", json_text(p->type->name));
        json_object_set_new(t, "wanted", json_text(p->wanted->name));
        json_object_set_new(t, "bytes", json_value((double)p->bytes));
        json_object_set_new(t, "rmse", json_value(a->making->dry_run ? NAN : a->tensors[i].rmse));
        json_array_append_new(list, t);
    }
    return list;
}

static json_t *json_of_fallbacks(const struct recipe *r)
{
    json_t *list = json_array();
    for (int i = 0; i < r->count; i++) {
        const struct tensor_plan *p = &r->tensors[i];
        if (p->type == p->wanted)
            continue;
        json_t *f = json_object();
        json_object_set_new(f, "tensor", json_text(p->tensor->name));
        json_object_set_new(f, "wanted", json_text(p->wanted->name));
        json_object_set_new(f, "type", json_text(p->type->name));
        json_object_set_new(f, "why", json_text(p->why));
        json_array_append_new(list, f);
    }
    return list;
}

static json_t *json_of_importance(const struct account *a)
{
    const struct importance *m = &a->importance;
    json_t *j = json_object(), *gaps = json_array();
    for (int i = 0; i < m->gap_count; i++)
        json_array_append_new(gaps, json_text(m->gaps[i]));
    json_object_set_new(j, "file", json_text(m->path));
    json_object_set_new(j, "chunks", json_integer(m->file.chunks));
    json_object_set_new(j, "wanted", json_integer(m->wanted));
    json_object_set_new(j, "found", json_integer(m->found));
    json_object_set_new(j, "gaps", gaps);
    return j;
}

static json_t *json_of_files(const struct account *a)
{
    json_t *list = json_array();
    for (int i = 0; i < a->file_count; i++)
        json_array_append_new(list, json_text(a->files[i]));
    return list;
}

static void print_json(const struct account *a)
{
    const struct made made = {a->files[0], a->recipe.level, (double)a->bytes, a->recipe.bits_per_weight,
                              a->making->dry_run};
    json_t *j = effort_json(&a->effort, &made, json_of_files(a), json_of_tensors(a));
    if (a->importance.path)
        json_object_set_new(j, "imatrix", json_of_importance(a));
    json_object_set_new(j, "fallbacks", json_of_fallbacks(&a->recipe));
    json_print(stdout, j, 0);
}

/* ------------------------------------------------------------------ for people */

static void print_fallbacks(const struct recipe *r, FILE *out)
{
    struct table t;
    if (!r->fallbacks)
        return;
    fprintf(out, "%d of %d tensors get another type than the level's, because of their row length:\n", r->fallbacks,
            r->count);
    table_init(&t, "llll");
    for (int i = 0; i < r->count; i++) {
        const struct tensor_plan *p = &r->tensors[i];
        if (p->type == p->wanted)
            continue;
        table_add(&t, "  %s", p->tensor->name);
        table_add(&t, "%s", p->wanted->name);
        table_add(&t, "-> %s", p->type->name);
        table_add(&t, "%s", p->why);
    }
    table_print(&t, out, 0);
    table_done(&t);
}

/* What the file of importance knows of this model, before anything is written. */
static void print_importance(const struct importance *m, FILE *out)
{
    if (!m->path)
        return;
    fprintf(out, "importance: %d of %d weights, from %s", m->found, m->wanted, m->path);
    if (m->file.chunks)
        fprintf(out, " (%lld chunks)", (long long)m->file.chunks);
    fputs(m->gap_count ? "; where it says nothing, all columns count alike:\n" : "\n", out);
    for (int i = 0; i < m->gap_count; i++)
        fprintf(out, "  %s\n", m->gaps[i]);
}

static void print_sizes(const struct account *a)
{
    char from[FORMAT_SIZE], to[FORMAT_SIZE];
    printf("%s: %s -> %s, %.2f bits per weight\n", a->recipe.level, format_bytes(from, (double)a->model->file_bytes),
           format_bytes(to, (double)a->bytes), a->recipe.bits_per_weight);
}

static void print_dry_run(const struct account *a)
{
    struct table t;
    char bytes[FORMAT_SIZE];
    table_init(&t, "lllrl");
    table_add(&t, "tensor");
    table_add(&t, "from");
    table_add(&t, "to");
    table_add(&t, "size");
    table_add(&t, "because");
    for (int i = 0; i < a->recipe.count; i++) {
        const struct tensor_plan *p = &a->recipe.tensors[i];
        table_add(&t, "%s", p->tensor->name);
        table_add(&t, "%s", p->tensor->type->name);
        table_add(&t, "%s", p->type->name);
        table_add(&t, "%s", format_bytes(bytes, (double)p->bytes));
        table_add(&t, "%s", p->why ? p->why : "");
    }
    table_print(&t, stdout, 1);
    table_done(&t);
    print_sizes(a);
}

static void print_done(const struct account *a)
{
    char seconds[FORMAT_SIZE], memory[FORMAT_SIZE];
    print_sizes(a);
    if (a->file_count > 1)
        printf("%d files: %s to %s\n", a->file_count, a->files[0], path_name(a->files[a->file_count - 1]));
    printf("%s: %d tensors in %s on %d threads, %s of memory at most\n", a->files[0], a->recipe.count,
           format_duration(seconds, a->effort.seconds), threads_count(), format_bytes(memory, (double)a->effort.peak_private));
}

/* ----------------------------------------------------------------------- doing */

int making_read_split(const struct args *a, struct split *s, struct error *e)
{
    enum { LEAST = 1 << 16, TENSORS_MAX = 1 << 20 };
    const char *size = args_get(a, "split-max-size");
    if (size && (!parse_bytes(size, &s->max_bytes) || s->max_bytes < LEAST))
        return error_set(e, ERROR_USAGE, "--split-max-size: expected a size from 64K on, such as 5G or 2000M, found '%s'", size);
    return args_int(a, "split-max-tensors", 1, TENSORS_MAX, &s->max_tensors, e);
}

static int refuse_fallbacks(const struct account *a, struct error *e)
{
    if (!a->making->options.strict || !a->recipe.fallbacks)
        return 0;
    print_fallbacks(&a->recipe, stderr);
    return error_set(e, ERROR_FAILED, "%s: %d tensors cannot have the types of %s, and --strict allows no others:"
                     " choose a level whose blocks divide their rows (Q8_0, Q5_0, Q4_0, IQ4_NL), or leave it out",
                     a->making->in, a->recipe.fallbacks, a->recipe.level);
}

static int make(struct account *a, struct error *e)
{
    const struct quantize_listener listener = {.end = on_end, .layer = on_layer, .note = on_note, .user = a};
    char *journal = xasprintf("%s.part.journal", a->making->out), *layers = calibrated_store(a->making->out);
    const struct quantize_job job = {
        .model = a->model,
        .recipe = &a->recipe,
        .out = a->making->out,
        .split = &a->making->split,
        .calibration = a->making->calibration.text && !a->making->nearest ? &a->making->calibration : NULL,
        .memory_bytes = (double)a->making->memory_bytes,
        .importance = a->importance.path ? &a->importance : NULL,
        .journal = journal,
        .resume = a->making->resume,
        .listener = &listener,
        .watch = &a->effort.watch,
    };
    effort_begin(&a->effort);
    int rc = quantize_run(&job, e);
    effort_end(&a->effort);
    if (!rc)
        unlink(journal);
    else if (file_exists(journal) || file_exists(layers))
        error_context(e, "what was finished is kept, --resume goes on with it");
    free(journal);
    free(layers);
    return rc;
}

static void plan_files(struct account *a)
{
    struct layout l;
    layout_make(&l, a->model, &a->recipe, &a->making->split);
    a->bytes = l.bytes;
    a->file_count = l.file_count;
    a->files = xcalloc(l.file_count, sizeof *a->files);
    for (int i = 0; i < l.file_count; i++)
        a->files[i] = layout_path(&l, a->making->out, i);
    layout_done(&l);
}

static int account_for(struct account *a, struct error *e)
{
    int rc = refuse_fallbacks(a, e);
    if (!rc && !a->making->dry_run)
        rc = recipe_check_imatrix(&a->recipe, a->making->calibration.text, e);
    if (rc)
        return rc;
    a->tensors = xcalloc(a->recipe.count, sizeof *a->tensors);
    plan_files(a);
    if (!a->making->json)
        print_fallbacks(&a->recipe, stdout);
    print_importance(&a->importance, a->making->json ? stderr : stdout);
    if (!a->making->dry_run)
        rc = make(a, e);
    if (!rc && a->making->json)
        print_json(a);
    else if (!rc)
        (a->making->dry_run ? print_dry_run : print_done)(a);
    for (int i = 0; i < a->file_count; i++)
        free(a->files[i]);
    free(a->files);
    free(a->tensors);
    return rc;
}

/* What errors are weighed by, where each weight is rounded by itself: a file of importance, or a text. NULL: nothing. */
static const char *weighing(const struct making *m)
{
    return m->imatrix ? m->imatrix : m->nearest ? m->calibration.text : NULL;
}

static int find_importance(struct account *a, struct error *e)
{
    const struct making *m = a->making;
    if (m->imatrix)
        return importance_read(&a->importance, m->imatrix, e);
    if (!weighing(m) || m->dry_run)
        return 0;
    effort_begin(&a->effort);
    int rc = importance_collect(&a->importance, a->model, &m->calibration, &a->effort.watch, e);
    effort_end(&a->effort);
    return rc;
}

static int plan_types(struct account *a, struct error *e)
{
    const struct making *m = a->making;
    struct recipe_options options = m->options;
    options.strict = false; /* so that the refusal can list them all */
    options.imatrix = weighing(m);
    int rc = find_importance(a, e);
    if (!rc && m->level)
        rc = recipe_apply(&a->recipe, a->model, m->level, &options, e);
    else if (!rc)
        recipe_copy(&a->recipe, a->model);
    return rc || !a->importance.path ? rc : importance_match(&a->importance, &a->recipe, e);
}

int making_run(const struct making *m, struct error *e)
{
    struct model *model;
    int rc = open_model(&model, m->in, m->pre, m->dry_run ? MODEL_HEADER_ONLY : 0, e);
    if (rc)
        return rc;
    struct account a = {.making = m, .model = model};
    rc = plan_types(&a, e);
    if (!rc)
        rc = account_for(&a, e);
    effort_done(&a.effort);
    importance_done(&a.importance);
    recipe_done(&a.recipe);
    model_close(model);
    return rc;
}
