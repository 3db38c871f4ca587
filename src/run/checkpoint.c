#include "run/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "run/checkpoint_calibrated.h"
#include "run/checkpoint_weight.h"
#include "run/finite.h"
#include "run/journal.h"
#include "run/sidecars.h"

/* Reading back costs far less than encoding. */
static const double verify_share = 0.1;
/* Going through the layers with a text takes most of the time. */
static const double calibrate_share = 0.9;
/* Left free beyond the planned bytes: for texts, the journal and the file system's own tables. */
static const uint64_t disk_margin = 32 << 20;
/* Weights go to disk, and then into the journal, when so much was written or so long passed. */
static const uint64_t batch_bytes = 256 << 20;
static const double batch_seconds = 2;

struct maker {
    const struct checkpoint_job *job;
    struct checkpoint_layout layout;
    struct checkpoint_calibrated calibrated;
    double written_from;             /* the share of the work that comes before writing */
    char *folder;                    /* OUT.part */
    struct file_out *files;          /* [layout.file_count] */
    int open_files;
    struct journal journal;
    bool have_journal;
    struct journal_claim *claims;    /* [count]: what was made; index -1: not yet */
    int *waiting, waiting_count;     /* written, and not yet in the journal */
    uint64_t waiting_bytes;
    double synced;
    bool hopeless;                   /* another attempt would fail in the same way */
};

char *checkpoint_part(const char *out)
{
    size_t n = strlen(out);
    while (n > 1 && out[n - 1] == '/')
        n--;
    return xasprintf("%.*s.part", (int)n, out);
}

/* ------------------------------------------------------------------ listening */

static const struct quantize_listener *listener(const struct maker *m)
{
    static const struct quantize_listener nobody;
    return m->job->listener ? m->job->listener : &nobody;
}

static void tell_stage(const struct maker *m, const char *stage)
{
    if (listener(m)->stage)
        listener(m)->stage(listener(m)->user, stage);
}

static void tell_note(const struct maker *m, const char *text)
{
    if (listener(m)->note)
        listener(m)->note(listener(m)->user, text);
}

static const char *format_of(const struct checkpoint_item *item)
{
    return item->quantized ? item->packed.scheme->format->name : item->dtype->name;
}

static struct quantize_tensor describe(const struct maker *m, int i, double seconds, bool reused)
{
    const struct checkpoint_item *item = &m->layout.items[i];
    const struct stored_tensor *t = item->weight->stored;
    return (struct quantize_tensor){
        .name = t->name,
        .from = t->packed ? t->packed->scheme->format->name : t->dtype->name,
        .to = format_of(item),
        .wanted = format_of(item),
        .rmse = m->claims[i].rmse,
        .seconds = seconds,
        .bytes = item->bytes,
        .source_bytes = t->bytes,
        .reused = reused,
    };
}

static void tell_begin(const struct maker *m, int i)
{
    struct quantize_tensor t = describe(m, i, NAN, false);
    if (listener(m)->begin)
        listener(m)->begin(listener(m)->user, &t, i, m->layout.count);
}

static void tell_end(const struct maker *m, int i, double seconds, bool reused)
{
    struct quantize_tensor t = describe(m, i, seconds, reused);
    if (listener(m)->end)
        listener(m)->end(listener(m)->user, &t, i, m->layout.count);
}

/* ------------------------------------------------------------------- checking */

bool checkpoint_wants_text(const struct scheme *s)
{
    return s->format == &pack_gptq || s->format == &pack_awq || s->smooth;
}

static int in_the_way(const struct checkpoint_job *j, struct error *e)
{
    return error_set(e, ERROR_USAGE, "cannot write %s: it is there already; choose another name, or remove it", j->out);
}

/* An earlier attempt may have finished the folder, which only its journal can tell. */
static bool may_be_finished(const struct checkpoint_job *j)
{
    return j->resume && j->journal && file_exists(j->out);
}

static int check_place(const struct checkpoint_job *j, struct error *e)
{
    char *part = checkpoint_part(j->out), *parent = path_folder(part);
    if (file_exists(j->out) && !may_be_finished(j))
        in_the_way(j, e);
    else if (!file_is_folder(parent))
        error_set(e, ERROR_FAILED, "cannot write %s: there is no folder %s; make it first", j->out, parent);
    else if (access(parent, W_OK) != 0)
        error_errno(e, "cannot write %s: the folder %s cannot be written", j->out, parent);
    else if (file_exists(part) && !file_is_folder(part))
        error_set(e, ERROR_USAGE, "cannot write %s: %s is in the way", j->out, part);
    else
        e->code = 0;
    free(part);
    free(parent);
    return e->code;
}

/* What an earlier attempt holds of the disk. */
static uint64_t held_bytes(const struct checkpoint_layout *l, const char *out)
{
    uint64_t held = 0;
    char *folder = checkpoint_part(out);
    for (int i = 0; i < l->file_count; i++) {
        struct stat st;
        char *path = xasprintf("%s/%s.part", folder, l->files[i].name);
        held += stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
        free(path);
    }
    free(folder);
    return held;
}

static int check_space(const struct checkpoint_layout *l, const char *out, struct error *e)
{
    uint64_t have, held = held_bytes(l, out), needed = l->bytes + sidecars_bytes(l->model->path) + disk_margin;
    needed -= held < needed ? held : needed;
    int rc = file_free_bytes(out, &have, e);
    if (rc || have >= needed)
        return rc;
    char need[FORMAT_SIZE], is[FORMAT_SIZE];
    return error_set(e, ERROR_FAILED, "cannot write %s: it needs %s, the disk has %s free; free some space or choose another"
                     " folder", out, format_bytes(need, (double)needed), format_bytes(is, (double)have));
}

int checkpoint_check(const struct checkpoint_job *j, struct checkpoint_layout *l, struct error *e)
{
    uint64_t most = j->file_bytes ? j->file_bytes : CHECKPOINT_FILE_BYTES;
    int rc = checkpoint_layout_make(l, j->model, j->scheme, j->skip, j->skip_count, most, e);
    rc = rc ? rc : check_place(j, e);
    return rc ? rc : check_space(l, j->out, e);
}

/* ---------------------------------------------------------------------- folder */

static char *in_folder(const struct maker *m, const char *name)
{
    return path_join(m->folder, name);
}

/* A file of weights that is not finished. */
static char *weights_path(const struct maker *m, int file)
{
    return xasprintf("%s/%s.part", m->folder, m->layout.files[file].name);
}

static int open_files(struct maker *m, struct error *e)
{
    int rc = 0;
    if (mkdir(m->folder, 0777) != 0 && errno != EEXIST)
        return error_errno(e, "cannot make the folder %s", m->folder);
    m->files = xcalloc(m->layout.file_count, sizeof *m->files);
    for (; !rc && m->open_files < m->layout.file_count; m->open_files += !rc) {
        char *path = in_folder(m, m->layout.files[m->open_files].name);
        rc = file_out_open(&m->files[m->open_files], path, true, e);
        free(path);
    }
    return rc;
}

static int open_journal(struct maker *m, struct error *e)
{
    char *path = m->job->journal ? xstrdup(m->job->journal) : in_folder(m, "journal");
    int rc = journal_open(&m->journal, path, m->layout.fingerprint, m->job->resume, e);
    m->have_journal = !rc;
    free(path);
    if (!rc && m->journal.found == JOURNAL_OTHER && m->job->resume)
        tell_note(m, "the unfinished checkpoint was made from other inputs: starting again");
    return rc;
}

/* All that an unfinished attempt left, and the folder. */
static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *d;
    while (dir && (d = readdir(dir))) {
        char *path = path_join(folder, d->d_name);
        unlink(path);
        free(path);
    }
    if (dir)
        closedir(dir);
    rmdir(folder);
}

/* -------------------------------------------------------------------- hashes */

static void hash_parts(const struct checkpoint_layout *l, const struct checkpoint_item *item,
                       unsigned char *const *parts, char hash[static HASH_TEXT])
{
    char all[PACK_PARTS_MAX * (HASH_TEXT - 1) + HASH_TEXT];
    for (int i = 0; i < item->parts; i++)
        hash_bytes(all + i * (HASH_TEXT - 1), parts[i], checkpoint_part_bytes(l, item, i));
    hash_bytes(hash, all, (size_t)item->parts * (HASH_TEXT - 1));
}

/* Where an item's parts stand in its mapped file; false where that is too short. */
static bool find_parts(const struct checkpoint_layout *l, const struct checkpoint_item *item, const struct file_map *map,
                       unsigned char **parts)
{
    for (int i = 0; i < item->parts; i++) {
        uint64_t at = checkpoint_offset(l, item, i), bytes = checkpoint_part_bytes(l, item, i);
        if (at + bytes > map->size)
            return false;
        parts[i] = (unsigned char *)map->data + at;
    }
    return true;
}

/* -------------------------------------------------------------------- resuming */

static bool is_as_written(const struct maker *m, const struct checkpoint_item *item, const struct file_map *map,
                          const char *hash)
{
    unsigned char *parts[PACK_PARTS_MAX];
    char found[HASH_TEXT];
    if (!find_parts(&m->layout, item, map, parts))
        return false;
    hash_parts(&m->layout, item, parts, found);
    return strcmp(found, hash) == 0;
}

/* `finished`: the output's files, else its parts. */
static struct file_map *map_files(const struct maker *m, bool finished)
{
    struct file_map *maps = xcalloc(m->layout.file_count, sizeof *maps);
    struct error ignored;
    for (int i = 0; i < m->layout.file_count; i++) {
        char *path = finished ? path_join(m->job->out, m->layout.files[i].name) : weights_path(m, i);
        file_map_open(&maps[i], path, &ignored);
        free(path);
    }
    return maps;
}

static void unmap_files(const struct maker *m, struct file_map *maps)
{
    for (int i = 0; i < m->layout.file_count; i++)
        file_map_close(&maps[i]);
    free(maps);
}

static void take_claims(struct maker *m, bool finished)
{
    struct file_map *maps = map_files(m, finished);
    int kept = 0;
    for (int i = 0; i < m->journal.count; i++) {
        const struct journal_claim *c = &m->journal.claims[i];
        if (c->index < 0 || c->index >= m->layout.count)
            continue;
        const struct checkpoint_item *item = &m->layout.items[c->index];
        if (c->offset != checkpoint_offset(&m->layout, item, 0) || !is_as_written(m, item, &maps[item->file], c->hash))
            continue;
        m->claims[c->index] = *c;
        kept++;
        tell_end(m, c->index, NAN, true);
    }
    if (kept < m->journal.count) {
        char *text = xasprintf("%d of %d weights in the journal are not on disk as written: making them again",
                               m->journal.count - kept, m->journal.count);
        tell_note(m, text);
        free(text);
    }
    unmap_files(m, maps);
}

static int take_up(struct maker *m, struct error *e)
{
    int rc = 0;
    if (m->journal.found == JOURNAL_SAME && m->job->resume) {
        take_claims(m, false);
    } else {
        for (int i = 0; !rc && i < m->layout.file_count; i++)
            rc = file_out_clear(&m->files[i], e);
    }
    for (int i = 0; !rc && i < m->layout.file_count; i++) {
        struct safetensors_writer *w = m->layout.files[i].writer;
        uint64_t bytes;
        const void *header = safetensors_writer_header(w, &bytes);
        rc = file_out_reserve(&m->files[i], safetensors_writer_size(w), e);
        rc = rc ? rc : file_out_pwrite(&m->files[i], header, bytes, 0, e);
    }
    return rc;
}

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
    hash_parts(&m->layout, item, w->packed.data, c->hash);
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
    double started = clock_monotonic();
    tell_begin(m, i);
    int rc = weight_make(&w, &m->layout, &m->layout.items[i], m->job->made ? m->job->made : &m->calibrated.made, e);
    m->hopeless = rc != 0;
    rc = rc ? rc : write_item(m, i, &w, e);
    weight_done(&w);
    if (!rc)
        tell_end(m, i, clock_monotonic() - started, false);
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
    tell_stage(m, "calibrate");
    m->written_from = calibrate_share;
    return checkpoint_calibrated_make(&m->calibrated, m->job, &m->layout,
                                      watch_part(&part, m->job->watch, 0, calibrate_share, 1, "layers"), e);
}

static int write_all(struct maker *m, struct error *e)
{
    struct error late = {0};
    tell_stage(m, "quantize");
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
    char *path = weights_path(m, item->file);
    struct file_map map;
    unsigned char *parts[PACK_PARTS_MAX];
    char found[HASH_TEXT];
    float value;
    int rc = file_map_open(&map, path, e);
    free(path);
    if (rc)
        return rc;
    if (!find_parts(&m->layout, item, &map, parts))
        rc = differs(m, "its size", e);
    else {
        hash_parts(&m->layout, item, parts, found);
        int64_t columns = item->quantized ? item->packed.columns : 1;
        int64_t bad = item->quantized ? weight_check(item, (const unsigned char *const *)parts, &value) : -1;
        struct tensor_place place = {map.path, item->weight->stored->name, bad / columns, bad % columns};
        if (strcmp(found, m->claims[i].hash) != 0)
            rc = differs(m, item->weight->stored->name, e);
        else if (bad >= 0)
            rc = not_finite_error(&place, value, e);
    }
    file_map_close(&map);
    return rc;
}

static int verify_all(struct maker *m, struct error *e)
{
    tell_stage(m, "verify");
    int rc = for_each(m, 1 - verify_share, verify_share, verify_item, e);
    m->hopeless = rc && rc != ERROR_INTERRUPTED;
    return rc;
}

/* --------------------------------------------------------------------- finishing */

/* Takes the reference. */
static int write_json(const struct maker *m, const char *name, json_t *j, struct error *e)
{
    char *path = in_folder(m, name), *text = json_dumps(j, JSON_INDENT(2) | JSON_REAL_PRECISION(16));
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
        remove_folder(m->folder);
}

static void begin(struct maker *m)
{
    m->folder = checkpoint_part(m->job->out);
    m->claims = xcalloc(m->layout.count + 1, sizeof *m->claims);
    m->waiting = xcalloc(m->layout.count + 1, sizeof *m->waiting);
    for (int i = 0; i < m->layout.count; i++)
        m->claims[i].index = -1;
}

/* The folder bears its name already: is it what this job makes? */
static int check_finished(struct maker *m, struct error *e)
{
    int missing = 0, rc = open_journal(m, e);
    if (rc)
        return rc;
    if (m->journal.found == JOURNAL_SAME)
        take_claims(m, true);
    for (int i = 0; i < m->layout.count; i++)
        missing += m->claims[i].index < 0;
    journal_close(&m->journal);
    return missing ? in_the_way(m->job, e) : 0;
}

static int make_checkpoint(struct maker *m, struct error *e)
{
    begin(m);
    if (may_be_finished(m->job))
        return check_finished(m, e);
    int rc = open_files(m, e);
    rc = rc ? rc : open_journal(m, e);
    rc = rc ? rc : take_up(m, e);
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
