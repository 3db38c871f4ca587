#include "run/folder.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "run/checkpoint.h"

static struct checkpoint_job job_of(struct worker *w, const char *journal, const struct quantize_listener *l)
{
    const struct plan *p = w->plan;
    return (struct checkpoint_job){
        .model = w->source,
        .scheme = &w->folder.scheme,
        .out = p->out,
        .skip = p->skip,
        .skip_count = p->skip_count,
        .calibration = p->calibration.text ? &p->calibration : NULL,
        .nearest = plan_rounds_to_nearest(p),
        .journal = journal,
        .resume = w->options->resume,
        .listener = l,
        .watch = &w->watch,
    };
}

/* A plan has to ask for less. */
static int check_method(const struct worker *w, struct error *e)
{
    const struct plan *p = w->plan;
    if (plan_rounds_to_nearest(p) || !checkpoint_wants_text(&w->folder.scheme) || p->calibration.text)
        return 0;
    return error_set(e, ERROR_USAGE, "%s: %s is made by a calibration text: name one under 'calibration', or say method:"
                     " nearest there to round every weight by itself, which loses more", p->file ? p->file : "the plan",
                     p->level);
}

int folder_check(struct worker *w, struct error *e)
{
    struct checkpoint_layout layout = {0};
    char text[FORMAT_SIZE];
    int rc = scheme_parse(&w->folder.scheme, w->plan->level, e);
    rc = rc ? rc : check_method(w, e);
    if (rc)
        return rc;
    char *journal = worker_journal(w);
    const struct checkpoint_job job = job_of(w, journal, NULL);
    rc = checkpoint_check(&job, &layout, e);
    free(journal);
    if (!rc) {
        w->folder.planned_bytes = layout.bytes;
        w->folder.bits_per_weight = layout.bits_per_weight;
        monitor_plan_bytes(w->monitor, layout.bytes);
        event_say(&w->log, "info", "%s of %s: %d of %d tensors quantized, %s in %d %s of weights", w->plan->level,
                  w->source->name, layout.quantized, layout.count, format_bytes(text, (double)layout.bytes),
                  layout.file_count, layout.file_count == 1 ? "file" : "files");
    }
    checkpoint_layout_done(&layout);
    return rc;
}

int folder_make(struct worker *w, const char *journal, const struct quantize_listener *l, struct error *e)
{
    const struct checkpoint_job job = job_of(w, journal, l);
    return checkpoint_run(&job, e);
}

/* ------------------------------------------------------------------------ files */

static int is_file(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

/* Adds a file's line, as sha256sum prints it, to `sums`, and its figures to `files`. */
static int add_file(const char *folder, const char *name, json_t *files, struct str *sums, uint64_t *total,
                    struct error *e)
{
    char *path = path_join(folder, name), hash[HASH_TEXT];
    uint64_t bytes = 0;
    int rc = file_is_folder(path) ? 0 : hash_file(hash, path, &bytes, e);
    if (!rc && !file_is_folder(path)) {
        str_addf(sums, "%s  %s\n", hash, name);
        json_t *j = json_object();
        json_object_set_new(j, "name", json_text(name));
        json_object_set_new(j, "bytes", json_value((double)bytes));
        json_object_set_new(j, "sha256", json_text(hash));
        json_array_append_new(files, j);
        *total += bytes;
    }
    free(path);
    return rc;
}

static int add_files(const char *folder, json_t *files, struct str *sums, uint64_t *total, struct error *e)
{
    struct dirent **names;
    int count = scandir(folder, &names, is_file, alphasort), rc = 0;
    if (count < 0)
        return error_errno(e, "cannot read the folder %s", folder);
    for (int i = 0; i < count; i++) {
        rc = rc ? rc : add_file(folder, names[i]->d_name, files, sums, total, e);
        free(names[i]);
    }
    free(names);
    return rc;
}

/* The folder's own SHA-256 is that of its files' lines: `sha256sum * | sha256sum` in it. */
int folder_tell(struct worker *w, struct error *e)
{
    json_t *files = json_array(), *j;
    struct str sums = {0};
    uint64_t total = 0;
    char hash[HASH_TEXT];
    int rc = add_files(w->plan->out, files, &sums, &total, e);
    j = worker_artefact(w, total, w->folder.planned_bytes, w->folder.bits_per_weight,
                        hash_bytes(hash, sums.data, sums.length));
    json_object_set_new(j, "files", files);
    str_done(&sums);
    if (rc)
        json_decref(j);
    else
        event_send(&w->log, EVENT_ARTEFACT, j);
    return rc;
}
