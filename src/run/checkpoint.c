#include "run/checkpoint_maker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "run/bad_number.h"
#include "run/checkpoint_calibrated.h"
#include "run/checkpoint_weight.h"
#include "run/journal.h"
#include "run/sidecars.h"

/* Reading back costs far less than encoding. */
static const double verify_share = 0.1;
/* Going through the layers with a text takes most of the time. */
static const double calibrate_share = 0.9;
/* Weights go to disk, and then into the journal, when so much was written or so long passed. */
static const uint64_t batch_bytes = 256 << 20;
static const double batch_seconds = 2;

/* --------------------------------------------------------------------- writing */

/* What waits goes to disk first, then into the journal. */
static int sync_waiting(struct maker *m, struct error *e)
{
    struct journal_claim *claims = xcalloc(m->waiting_count + 1, sizeof *claims);
    const char **names = xcalloc(m->waiting_count + 1, sizeof *names);
    int rc = 0;
    for (int i = 0; i < m->waiting_count; i++) {
        claims[i] = m->claims[m->waiting[i]];
        names[i] = m->layout.items[m->waiting[i]].weight->stored->name;
    }
    for (int i = 0; !rc && i < m->layout.file_count && m->waiting_count; i++)
        rc = file_out_sync(&m->files[i], e);
    if (!rc && m->waiting_count)
        rc = journal_add(&m->journal, claims, names, m->waiting_count, e);
    free(claims);
    free(names);
    m->waiting_count = 0;
    m->waiting_bytes = 0;
    m->synced = clock_monotonic();
    return rc;
}

static int write_item(struct maker *m, int i, const struct weight_made *w, struct error *e)
{
    const struct checkpoint_item *item = &m->layout.items[i];
    struct journal_claim *c = &m->claims[i];
    int rc = 0;
    for (int k = 0; !rc && k < item->parts; k++)
        rc = file_out_pwrite(&m->files[item->file], w->packed.data[k], checkpoint_part_bytes(&m->layout, item, k),
                             checkpoint_offset(&m->layout, item, k), e);
    *c = (struct journal_claim){.index = i, .offset = checkpoint_offset(&m->layout, item, 0), .bytes = item->bytes};
    maker_hash(&m->layout, item, w->packed.data, c->hash);
    c->rmse = w->changed ? NAN : w->error > 0 ? sqrt(w->error / w->power) : 0;
    m->waiting[m->waiting_count++] = i;
    m->waiting_bytes += item->bytes;
    if (!rc && (m->waiting_bytes >= batch_bytes || clock_monotonic() - m->synced >= batch_seconds))
        rc = sync_waiting(m, e);
    return rc;
}

static int make_item(struct maker *m, int i, struct error *e)
{
    struct weight_made w;
    const struct stored_tensor *stored = m->layout.items[i].weight->stored;
    double started = clock_monotonic();
    maker_tell_begin(m, i);
    int rc = weight_make(&w, &m->layout, &m->layout.items[i], m->job->made ? m->job->made : &m->calibrated.made, e);
    m->hopeless = rc != 0;
    rc = rc ? rc : write_item(m, i, &w, e);
    weight_done(&w);
    if (stored->data)
        file_map_forget(stored->data, stored->bytes);
    if (!rc)
        maker_tell_end(m, i, clock_monotonic() - started, false);
    return rc;
}

static double work_of(const struct maker *m, int i)
{
    return (double)m->layout.items[i].weight->stored->elements;
}

/* Goes through all items; `each` as make_item. */
static int for_each(struct maker *m, double from, double share, int (*each)(struct maker *m, int i, struct error *e),
                    struct error *e)
{
    double done = 0, total = 0;
    int rc = 0;
    from = m->written_from + (1 - m->written_from) * from;
    share *= 1 - m->written_from;
    for (int i = 0; i < m->layout.count; i++)
        total += work_of(m, i);
    for (int i = 0; !rc && i < m->layout.count; i++) {
        if (!watch_tick(m->job->watch, from + share * done / total, 1, m->layout.items[i].weight->stored->name))
            return interrupt_error(e);
        rc = each(m, i, e);
        done += work_of(m, i);
    }
    return rc;
}

static int make_if_needed(struct maker *m, int i, struct error *e)
{
    return m->claims[i].index < 0 ? make_item(m, i, e) : 0;
}

/* What is on disk already saves nothing here: every weight depends on what those before it became. */
static int calibrate(struct maker *m, struct error *e)
{
    struct watch_part part;
    if (!m->calibrated.text.count)
        return 0;
    maker_tell_stage(m, "calibrate");
    m->written_from = calibrate_share;
    return checkpoint_calibrated_make(&m->calibrated, m->job, &m->layout,
                                      watch_part(&part, m->job->watch, 0, calibrate_share, 1, "layers"), e);
}

static int write_all(struct maker *m, struct error *e)
{
    struct error late = {0};
    maker_tell_stage(m, "quantize");
    m->synced = clock_monotonic();
    int rc = for_each(m, 0, 1 - verify_share, make_if_needed, e);
    if (sync_waiting(m, &late) && !rc) {
        *e = late;
        rc = late.code;
    }
    return rc;
}

/* ------------------------------------------------------------------- reading back */

static int differs(const struct maker *m, const char *what, struct error *e)
{
    return error_set(e, ERROR_FAILED, "%s is not what was written: %s; the disk or the memory may be failing, so check"
                     " both before trying again", m->folder, what);
}

static int verify_item(struct maker *m, int i, struct error *e)
{
    const struct checkpoint_item *item = &m->layout.items[i];
    char *path = maker_part(m, item->file);
    struct file_map map;
    unsigned char *parts[PACK_PARTS_MAX];
    char found[HASH_TEXT];
    float value;
    int rc = file_map_open(&map, path, e);
    free(path);
    if (rc)
        return rc;
    if (!maker_find_parts(&m->layout, item, &map, parts))
        rc = differs(m, "its size", e);
    else {
        maker_hash(&m->layout, item, parts, found);
        int64_t columns = item->quantized ? item->packed.columns : 1;
        int64_t bad = item->quantized ? weight_check(item, (const unsigned char *const *)parts, &value) : -1;
        struct tensor_place place = {map.path, item->weight->stored->name, bad / columns, bad % columns};
        if (strcmp(found, m->claims[i].hash) != 0)
            rc = differs(m, item->weight->stored->name, e);
        else if (bad >= 0)
            rc = bad_number_error(&place, value, e);
    }
    file_map_close(&map);
    return rc;
}

static int verify_all(struct maker *m, struct error *e)
{
    maker_tell_stage(m, "verify");
    int rc = for_each(m, 1 - verify_share, verify_share, verify_item, e);
    m->hopeless = rc && rc != ERROR_INTERRUPTED;
    return rc;
}

/* --------------------------------------------------------------------- finishing */

/* Takes the reference. */
static int write_json(const struct maker *m, const char *name, json_t *j, struct error *e)
{
    char *path = maker_path(m, name), *text = json_dumps(j, JSON_INDENT(2) | JSON_REAL_PRECISION(16));
    char *line = xasprintf("%s\n", text);
    int rc = file_write(path, line, strlen(line), e);
    json_decref(j);
    free(text);
    free(line);
    free(path);
    return rc;
}

static int write_texts(struct maker *m, struct error *e)
{
    json_t *config = m->layout.config, *index = checkpoint_index(&m->layout);
    if (sidecars_copy(m->layout.model->path, m->folder, e) || write_json(m, "config.json", json_incref(config), e))
        return e->code;
    if (index && write_json(m, "model.safetensors.index.json", index, e))
        return e->code;
    if (m->layout.scheme.format == &pack_gptq)
        return write_json(m, "quantize_config.json", json_incref(json_object_get(config, "quantization_config")), e);
    return 0;
}

/* The folder must open as a model with the source's tensors. */
static int open_again(const struct maker *m, struct error *e)
{
    struct model *again;
    int rc = model_open_as(&again, m->folder, m->layout.model->pre, 0, e);
    if (rc)
        return error_context(e, "cannot read back what was written");
    if (again->tensor_count != m->layout.model->tensor_count || again->parameters != m->layout.model->parameters)
        rc = differs(m, "the number of its tensors", e);
    model_close(again);
    return rc;
}

static int rename_folder(const struct maker *m, struct error *e)
{
    if (!m->job->journal)
        unlink(m->journal.path);
    if (rename(m->folder, m->job->out) != 0)
        return error_errno(e, "cannot rename %s to %s", m->folder, m->job->out);
    return 0;
}

static int finish(struct maker *m, struct error *e)
{
    int rc = 0;
    for (int i = 0; !rc && i < m->layout.file_count; i++)
        rc = file_out_commit(&m->files[i], e);
    rc = rc ? rc : write_texts(m, e);
    rc = rc ? rc : open_again(m, e);
    m->hopeless = rc != 0;
    return rc ? rc : rename_folder(m, e);
}

/* Whatever was not committed stays only where the journal knows of it. */
static void close_all(struct maker *m, int rc)
{
    bool keep = rc == 0 || (m->have_journal && m->journal.lines > 0 && !m->hopeless);
    for (int i = 0; i < m->open_files; i++)
        if (m->files[i].path)
            file_out_abandon(&m->files[i], keep);
    if (m->have_journal)
        journal_close(&m->journal);
    if (m->open_files == m->layout.file_count && !keep)
        maker_remove_folder(m->folder);
}

static void begin(struct maker *m)
{
    m->folder = checkpoint_part(m->job->out);
    m->claims = xcalloc(m->layout.count + 1, sizeof *m->claims);
    m->waiting = xcalloc(m->layout.count + 1, sizeof *m->waiting);
    for (int i = 0; i < m->layout.count; i++)
        m->claims[i].index = -1;
}

static int make_checkpoint(struct maker *m, struct error *e)
{
    begin(m);
    if (checkpoint_may_be_finished(m->job))
        return maker_check_finished(m, e);
    int rc = maker_open_files(m, e);
    rc = rc ? rc : maker_open_journal(m, e);
    rc = rc ? rc : maker_take_up(m, e);
    rc = rc ? rc : calibrate(m, e);
    rc = rc ? rc : write_all(m, e);
    rc = rc ? rc : verify_all(m, e);
    rc = rc ? rc : finish(m, e);
    close_all(m, rc);
    return rc;
}

int checkpoint_run(const struct checkpoint_job *j, struct error *e)
{
    struct maker m = {.job = j};
    int rc = checkpoint_check(j, &m.layout, e);
    rc = rc ? rc : checkpoint_calibrated_read(&m.calibrated, j, &m.layout, e);
    rc = rc ? rc : make_checkpoint(&m, e);
    checkpoint_calibrated_done(&m.calibrated, rc && !m.hopeless);
    free(m.folder);
    free(m.files);
    free(m.claims);
    free(m.waiting);
    checkpoint_layout_done(&m.layout);
    return rc;
}
