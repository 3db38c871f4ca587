#include "run/checkpoint_maker.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "pack/pack.h"

/* ------------------------------------------------------------------ listening */

static const struct quantize_listener *listener(const struct maker *m)
{
    static const struct quantize_listener nobody;
    return m->job->listener ? m->job->listener : &nobody;
}

void maker_tell_stage(const struct maker *m, const char *stage)
{
    if (listener(m)->stage)
        listener(m)->stage(listener(m)->user, stage);
}

static void note(const struct maker *m, const char *text)
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

void maker_tell_begin(const struct maker *m, int i)
{
    struct quantize_tensor t = describe(m, i, NAN, false);
    if (listener(m)->begin)
        listener(m)->begin(listener(m)->user, &t, i, m->layout.count);
}

void maker_tell_end(const struct maker *m, int i, double seconds, bool reused)
{
    struct quantize_tensor t = describe(m, i, seconds, reused);
    if (listener(m)->end)
        listener(m)->end(listener(m)->user, &t, i, m->layout.count);
}

/* ---------------------------------------------------------------------- folder */

char *maker_path(const struct maker *m, const char *name)
{
    return path_join(m->folder, name);
}

char *maker_part(const struct maker *m, int file)
{
    return xasprintf("%s/%s.part", m->folder, m->layout.files[file].name);
}

int maker_open_files(struct maker *m, struct error *e)
{
    int rc = 0;
    if (mkdir(m->folder, 0777) != 0 && errno != EEXIST)
        return error_errno(e, "cannot make the folder %s", m->folder);
    m->files = xcalloc(m->layout.file_count, sizeof *m->files);
    for (; !rc && m->open_files < m->layout.file_count; m->open_files += !rc) {
        char *path = maker_path(m, m->layout.files[m->open_files].name);
        rc = file_out_open(&m->files[m->open_files], path, true, e);
        free(path);
    }
    return rc;
}

int maker_open_journal(struct maker *m, struct error *e)
{
    char *path = m->job->journal ? xstrdup(m->job->journal) : maker_path(m, "journal");
    int rc = journal_open(&m->journal, path, m->layout.fingerprint, m->job->resume, e);
    m->have_journal = !rc;
    free(path);
    if (!rc && m->journal.found == JOURNAL_OTHER && m->job->resume)
        note(m, "the unfinished checkpoint was made from other inputs: starting again");
    return rc;
}

void maker_remove_folder(const char *folder)
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

void maker_hash(const struct checkpoint_layout *l, const struct checkpoint_item *item, unsigned char *const *parts,
                char hash[static HASH_TEXT])
{
    char all[PACK_PARTS_MAX * (HASH_TEXT - 1) + HASH_TEXT];
    for (int i = 0; i < item->parts; i++)
        hash_bytes(all + i * (HASH_TEXT - 1), parts[i], checkpoint_part_bytes(l, item, i));
    hash_bytes(hash, all, (size_t)item->parts * (HASH_TEXT - 1));
}

bool maker_find_parts(const struct checkpoint_layout *l, const struct checkpoint_item *item, const struct file_map *map,
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
    if (!maker_find_parts(&m->layout, item, map, parts))
        return false;
    maker_hash(&m->layout, item, parts, found);
    return strcmp(found, hash) == 0;
}

/* `finished`: the output's files, else its parts. */
static struct file_map *map_files(const struct maker *m, bool finished)
{
    struct file_map *maps = xcalloc(m->layout.file_count, sizeof *maps);
    struct error ignored;
    for (int i = 0; i < m->layout.file_count; i++) {
        char *path = finished ? path_join(m->job->out, m->layout.files[i].name) : maker_part(m, i);
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
        maker_tell_end(m, c->index, NAN, true);
    }
    if (kept < m->journal.count) {
        char *text = xasprintf("%d of %d weights in the journal are not on disk as written: making them again",
                               m->journal.count - kept, m->journal.count);
        note(m, text);
        free(text);
    }
    unmap_files(m, maps);
}

int maker_take_up(struct maker *m, struct error *e)
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

int maker_check_finished(struct maker *m, struct error *e)
{
    int missing = 0, rc = maker_open_journal(m, e);
    if (rc)
        return rc;
    if (m->journal.found == JOURNAL_SAME)
        take_claims(m, true);
    for (int i = 0; i < m->layout.count; i++)
        missing += m->claims[i].index < 0;
    journal_close(&m->journal);
    return missing ? checkpoint_in_the_way(m->job, e) : 0;
}
