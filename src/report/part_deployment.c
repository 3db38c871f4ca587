#include "report/parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "plan/tips.h"
#include "report/folder.h"
#include "report/start_lines.h"

static struct document_cell file_cell(void *user, int row, int column)
{
    const struct run_file *f = &((const struct run_state *)user)->artefact.files[row];
    const char *texts[] = {f->name, NULL, f->sha256};
    return (struct document_cell){.text = texts[column], .number = f->bytes};
}

/* A folder's own SHA-256 is that of its files' lines, as sha256sum prints them. */
static void add_files(struct document *d, const struct run_state *s)
{
    static const struct document_column columns[] = {{"name", "File"}, {"bytes", "Bytes", "%.0f"}, {"sha256", "SHA-256"}};
    document_table(d, "files", "Files (sha256sum * | sha256sum gives the SHA-256 of the whole)", columns,
                   ARRAY_LENGTH(columns), s->artefact.file_count, file_cell, (void *)s);
}

/* --------------------------------------------------------------------- serving */

static const char *found(const struct run_state *s, const char *what)
{
    for (int i = 0; i < s->found_count; i++)
        if (s->found[i].what && strcmp(s->found[i].what, what) == 0)
            return s->found[i].path;
    return NULL;
}

static void add_start(struct document *d, const struct start *start)
{
    char *key = xasprintf("start_%s", start->runtime);
    char *label = xasprintf(start->note ? "%s in %s (%s)" : "%s in %s", start->chosen ? "To run it" : "Or", start->title,
                            start->note);
    int count = 0;
    while (start->lines[count])
        count++;
    document_code(d, start->chosen ? "start" : key, label, start->lines, count);
    free(label);
    free(key);
}

static void add_tips(struct document *d, const struct plan *p, const struct serving *serving, struct arena *a)
{
    struct tip *tips;
    struct error ignored;
    int count;
    const char *runtime = wishes_choice(&p->wishes, WISH_RUNTIME);
    if (tips_of(&tips, &count, runtime, serving, a, &ignored))
        return;
    const char **lines = arena_alloc(a, ((size_t)count + 1) * sizeof *lines);
    for (int i = 0; i < count; i++)
        lines[i] = arena_printf(a, "%s [%s]", tips[i].text, tips[i].where);
    document_list(d, "tips", "What holds on this machine", lines, count);
}

static void add_serving(struct document *d, const struct plan *p, const struct run_state *s, const char *path)
{
    struct arena a = {0};
    struct serving serving;
    struct start *starts;
    struct error ignored;
    int count = 0;
    serving_of(&serving, p, path, found(s, "draft"), &a);
    starts_of(&starts, &count, p, &serving, &a, &ignored);
    document_text(d, "runtime", "Runtime", wishes_choice(&p->wishes, WISH_RUNTIME));
    for (int i = 0; i < count && starts[i].chosen; i++)
        add_start(d, &starts[i]);
    add_tips(d, p, &serving, &a);
    for (int i = 0; i < count; i++)
        if (!starts[i].chosen)
            add_start(d, &starts[i]);
    arena_done(&a);
}

/* -------------------------------------------------------------------- footprint */

static void add_footprint(struct document *d, const struct plan *p, const struct run_state *s)
{
    bool made = s->artefact.path, folder = plan_makes_folder(p);
    document_bytes(d, "bytes", "Size", made ? s->artefact.bytes : NAN);
    document_bytes(d, "planned_bytes", folder ? "Size of the weights' files, as planned" : "Size as planned",
                   made ? s->artefact.planned_bytes : NAN);
    document_bytes(d, "source_bytes", "Size of the original", made ? s->artefact.source_bytes : NAN);
    document_bytes(d, "rss_bytes", "Memory that quantwiz held while it decoded with it", s->eval.cost.rss_bytes);
    for (int i = 0; i < s->runtime_count; i++)
        if (!isnan(s->runtimes[i].cost.rss_bytes)) {
            char *label = xasprintf("Memory that %s held", s->runtimes[i].program);
            char *key = xasprintf("rss_bytes_%s", s->runtimes[i].program);
            document_bytes(d, key, label, s->runtimes[i].cost.rss_bytes);
            free(key);
            free(label);
        }
    if (p->record.estimate.verdict)
        document_bytes(d, "expected_bytes", "Memory that serving it was expected to take", p->record.estimate.total_bytes);
}

/* ------------------------------------------------------------------------- LoRA */

/* "adapter", "adapter_2", ...: a map has each key once. */
static void add_found_adapters(struct document *d, const struct run_state *s)
{
    int count = 0;
    for (int i = 0; i < s->found_count; i++)
        if (s->found[i].what && strcmp(s->found[i].what, "adapter") == 0) {
            char *key = ++count > 1 ? xasprintf("adapter_%d", count) : xstrdup("adapter");
            document_text(d, key, "An adapter lies beside the source", s->found[i].path);
            free(key);
        }
}

/* An adapter was trained against the original's weights: what rounding changed in them is no part of it. */
static void add_adapters(struct document *d, const struct run_state *s)
{
    const struct eval_figures *f = &s->eval.figures;
    char measured[160] = "";
    if (s->has_result && !isnan(f->kld_mean))
        snprintf(measured, sizeof measured, " What rounding changed was measured without any adapter: perplexity %+.2f %%, mean"
                 " divergence %.4f.", 100 * expm1(f->delta_ln_ppl), f->kld_mean);
    document_say(d, "adapters", "LoRA adapters that were trained on the original learnt to correct the original's weights,"
                 " and drift when they are applied to rounded ones.%s Better is to merge an adapter into the original"
                 " (merge_and_unload of peft, llama-export-lora) and to quantize the merged model, or to train it on the"
                 " quantized one (QLoRA); where it must be applied as it is, evaluate the model with it.", measured);
    add_found_adapters(d, s);
}

void deployment_part(struct document *d, const struct plan *p, const struct run_state *s)
{
    char *path = path_absolute(p->out);
    document_part(d, "deployment_artifact", "Deployment Artifact");
    document_text(d, "path", plan_makes_folder(p) ? "Folder" : "File", s->artefact.path ? path : NULL);
    document_text(d, "sha256", "SHA-256", s->artefact.sha256);
    add_footprint(d, p, s);
    add_files(d, s);
    add_serving(d, p, s, path);
    folder_loading_add(d, p);
    add_adapters(d, s);
    document_part_end(d);
    free(path);
}
