#include "cmd/making_folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/json.h"
#include "base/table.h"
#include "cmd/effort.h"
#include "cmd/open.h"
#include "run/checkpoint.h"

/* Collects what happens, and draws the progress. */
struct account {
    const struct making *making;
    struct checkpoint_job job;
    struct checkpoint_layout layout;
    struct scheme scheme;
    char name[SCHEME_NAME];
    double *rmse;               /* [layout.count] */
    struct effort effort;
};

/* ------------------------------------------------------------------ listening */

static void on_end(void *user, const struct quantize_tensor *t, int index, int count)
{
    struct account *a = user;
    (void)count;
    a->rmse[index] = t->rmse;
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

/* -------------------------------------------------------------------- telling */

static const char *from_of(const struct checkpoint_item *item)
{
    const struct stored_tensor *t = item->weight->stored;
    return t->packed ? t->packed->scheme->format->title : t->dtype->name;
}

static const char *to_of(const struct account *a, const struct checkpoint_item *item)
{
    return item->quantized ? a->name : item->dtype->name;
}

static json_t *json_of_tensors(const struct account *a)
{
    json_t *list = json_array();
    for (int i = 0; i < a->layout.count; i++) {
        const struct checkpoint_item *item = &a->layout.items[i];
        json_array_append_new(list, json_pack("{s:o, s:s, s:s, s:s, s:o, s:o}", "name", json_text(item->weight->stored->name),
                                              "from", from_of(item), "to", to_of(a, item), "wanted", to_of(a, item), "bytes",
                                              json_value((double)item->bytes), "rmse",
                                              json_value(a->making->dry_run ? NAN : a->rmse[i])));
    }
    return list;
}

static json_t *json_of_files(const struct account *a)
{
    json_t *list = json_array();
    for (int i = 0; i < a->layout.file_count; i++) {
        char *path = path_join(a->making->out, a->layout.files[i].name);
        json_array_append_new(list, json_text(path));
        free(path);
    }
    return list;
}

static void print_json(const struct account *a)
{
    const struct made made = {a->making->out, a->name, (double)a->layout.bytes, a->layout.bits_per_weight,
                              a->making->dry_run};
    json_t *j = effort_json(&a->effort, &made, json_of_files(a), json_of_tensors(a));
    json_object_set_new(j, "fallbacks", json_array());
    json_print(stdout, j, 0);
}

static void print_tensors(const struct account *a)
{
    struct table t;
    char bytes[FORMAT_SIZE];
    table_init(&t, "lllr");
    table_add(&t, "tensor");
    table_add(&t, "from");
    table_add(&t, "to");
    table_add(&t, "size");
    for (int i = 0; i < a->layout.count; i++) {
        const struct checkpoint_item *item = &a->layout.items[i];
        table_add(&t, "%s", item->weight->stored->name);
        table_add(&t, "%s", from_of(item));
        table_add(&t, "%s", to_of(a, item));
        table_add(&t, "%s", format_bytes(bytes, (double)item->bytes));
    }
    table_print(&t, stdout, 1);
    table_done(&t);
}

static void print_sizes(const struct account *a)
{
    char from[FORMAT_SIZE], to[FORMAT_SIZE];
    printf("%s: %s -> %s, %.2f bits per weight\n", a->name, format_bytes(from, (double)a->job.model->file_bytes),
           format_bytes(to, (double)a->layout.bytes), a->layout.bits_per_weight);
}

/* What bitsandbytes makes of the original while it loads is the same: then this folder saves only the download. */
static void print_snippet(const struct account *a)
{
    const char *snippet = pack_load_snippet(&a->scheme);
    if (*snippet)
        printf("transformers quantizes the original so while it loads it, too:\n    AutoModelForCausalLM.from_pretrained("
               "\"%s\", quantization_config=%s)\n", a->making->in, snippet);
}

static void print_done(const struct account *a)
{
    char seconds[FORMAT_SIZE], memory[FORMAT_SIZE];
    print_sizes(a);
    printf("%s: %d of %d tensors quantized in %s on %d threads, %s of memory at most\n", a->making->out,
           a->layout.quantized, a->layout.count, format_duration(seconds, a->effort.seconds), threads_count(),
           format_bytes(memory, (double)a->effort.peak_private));
    print_snippet(a);
}

/* ----------------------------------------------------------------------- doing */

/* Options of GGUF files, which have no meaning here. */
static int refuse_options(const struct making *m, struct error *e)
{
    const struct recipe_options *o = &m->options;
    const char *option = o->override_count      ? "--tensor-type"
                         : o->pure              ? "--pure"
                         : o->output_type       ? "--output-tensor-type"
                         : o->embedding_type    ? "--token-embedding-type"
                         : m->split.max_tensors ? "--split-max-tensors"
                         : m->imatrix           ? "--imatrix"
                                                : NULL;
    return option ? error_set(e, ERROR_USAGE, "%s is for GGUF levels: %s has one type for all weights, but those that"
                              " --skip names", option, m->level)
                  : 0;
}

static int refuse_nearest(const struct account *a, struct error *e)
{
    if (!checkpoint_wants_text(&a->scheme) || a->making->nearest || a->making->calibration.text)
        return 0;
    return error_set(e, ERROR_USAGE, "%s is made by a calibration text: give one with --calibration FILE, or say"
                     " --method nearest to round every weight by itself, which loses more", a->name);
}

static int make(struct account *a, struct error *e)
{
    const struct quantize_listener listener = {.end = on_end, .layer = on_layer, .note = on_note, .user = a};
    char *part = checkpoint_part(a->making->out);
    a->job.listener = &listener;
    effort_begin(&a->effort);
    int rc = checkpoint_run(&a->job, e);
    effort_end(&a->effort);
    if (rc && file_exists(part))
        error_context(e, "what was finished is kept, --resume goes on with it");
    free(part);
    return rc;
}

static int account_for(struct account *a, struct error *e)
{
    int rc = checkpoint_check(&a->job, &a->layout, e);
    rc = rc || a->making->dry_run ? rc : refuse_nearest(a, e);
    if (rc)
        return rc;
    a->rmse = xcalloc(a->layout.count, sizeof *a->rmse);
    if (!a->making->dry_run)
        rc = make(a, e);
    if (!rc && a->making->json)
        print_json(a);
    else if (!rc && !a->making->dry_run)
        print_done(a);
    else if (!rc) {
        print_tensors(a);
        print_sizes(a);
    }
    free(a->rmse);
    return rc;
}

int making_folder_run(const struct making *m, struct error *e)
{
    struct account a = {.making = m};
    struct model *model;
    if (scheme_parse(&a.scheme, m->level, e))
        return e->code;
    scheme_name(&a.scheme, a.name);
    int rc = refuse_options(m, e);
    rc = rc ? rc : open_model(&model, m->in, m->pre, 0, e);
    if (rc)
        return rc;
    a.job = (struct checkpoint_job){
        .model = model,
        .scheme = &a.scheme,
        .out = m->out,
        .skip = m->skip,
        .skip_count = m->skip_count,
        .file_bytes = m->split.max_bytes,
        .calibration = m->calibration.text ? &m->calibration : NULL,
        .nearest = m->nearest,
        .memory_bytes = (double)m->memory_bytes,
        .resume = m->resume,
        .watch = &a.effort.watch,
    };
    rc = account_for(&a, e);
    effort_done(&a.effort);
    checkpoint_layout_done(&a.layout);
    model_close(model);
    return rc;
}
