#include "run/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/finite.h"
#include "base/mem.h"
#include "run/bad_number.h"

struct reading {
    const struct layout *layout;
    const unsigned char **data; /* [file_count]: the mapped files; NULL: not there */
    const char *path;           /* of the output, for errors */
    bool decode;                /* and look at the numbers */
    char (*hashes)[HASH_TEXT];
};

static int read_slice(void *user, const struct slice *s, struct slice_buffers *b, struct slice_result *r,
                      struct error *e)
{
    struct reading *v = user;
    const struct layout *l = v->layout;
    const struct tensor_plan *p = &l->recipe->tensors[s->tensor];
    const unsigned char *at = v->data[layout_file(l, s->tensor)] + layout_offset(l, s->tensor);
    uint64_t bytes = quant_bytes(p->type, s->count);
    at += quant_bytes(p->type, s->first);
    hash_bytes(r->hash, at, bytes);
    if (v->decode && p->type->decode) {
        p->type->decode(at, b->x, s->count);
        int64_t bad = find_not_finite(b->x, s->count);
        struct tensor_place place = {v->path, p->tensor->name, (s->first + bad) / p->tensor->shape[0],
                                     (s->first + bad) % p->tensor->shape[0]};
        if (bad >= 0)
            return bad_number_error(&place, b->x[bad], e);
    }
    file_map_forget(at, bytes);
    return 0;
}

static int keep_hash(void *user, int tensor, const struct slice_result *r, double seconds, struct error *e)
{
    (void)seconds;
    (void)e;
    struct reading *v = user;
    memcpy(v->hashes[tensor], r->hash, HASH_TEXT);
    return 0;
}

static int read_tensors(struct reading *v, const struct slice_tensor *tensors, struct watch *w,
                        struct error *e)
{
    const struct slice_work work = {
        .tensors = tensors,
        .count = v->layout->count,
        .process = read_slice,
        .end = keep_hash,
        .user = v,
        .watch = w,
    };
    return slices_run(&work, e);
}

static char *name_file(const struct layout *l, const char *out, bool parts, int file)
{
    char *path = layout_path(l, out, file), *name = parts ? xasprintf("%s.part", path) : xstrdup(path);
    free(path);
    return name;
}

/* Maps what is there; a file that cannot be opened counts as not there. */
static struct file_map *map_files(const struct layout *l, const char *out, bool parts,
                                  const unsigned char **data)
{
    struct file_map *maps = xcalloc(l->file_count, sizeof *maps);
    struct error ignored = {0};
    for (int i = 0; i < l->file_count; i++) {
        char *name = name_file(l, out, parts, i);
        file_map_open(&maps[i], name, &ignored);
        data[i] = maps[i].data;
        free(name);
    }
    return maps;
}

static void unmap_files(const struct layout *l, struct file_map *maps)
{
    for (int i = 0; i < l->file_count; i++)
        file_map_close(&maps[i]);
    free(maps);
}

int verify_hashes(const struct layout *l, const char *out, bool parts, const bool *skip,
                  char (*hashes)[HASH_TEXT], struct watch *w, struct error *e)
{
    const unsigned char **data = xcalloc(l->file_count, sizeof *data);
    struct file_map *maps = map_files(l, out, parts, data);
    struct reading v = {.layout = l, .path = out, .data = data, .hashes = hashes};
    struct slice_tensor *tensors = xcalloc(l->count, sizeof *tensors);
    memcpy(tensors, l->slices, l->count * sizeof *tensors);
    for (int i = 0; i < l->count; i++) {
        bool beyond = layout_offset(l, i) + l->recipe->tensors[i].bytes > maps[layout_file(l, i)].size;
        tensors[i].skip = skip[i] || beyond;
        if (beyond && !skip[i])
            hashes[i][0] = 0;
    }
    int rc = read_tensors(&v, tensors, w, e);
    unmap_files(l, maps);
    free(data);
    free(tensors);
    return rc;
}

/* ---------------------------------------------------------------- whole files */

static int differs(const char *path, struct error *e, const char *tensor, const char *what)
{
    return error_set(e, ERROR_FAILED,
                     "%s is not what was written: %s%s%s; the disk or the memory may be failing,"
                     " so check both before trying again",
                     path, tensor ? tensor : "", tensor ? ": " : "", what);
}

static int check_header(const struct layout_file *f, const struct gguf *g, struct error *e)
{
    if (g->map.size != f->bytes)
        return differs(g->map.path, e, NULL, "its size");
    if (memcmp(g->map.data, f->header, f->header_bytes) != 0)
        return differs(g->map.path, e, NULL, "its header");
    return 0;
}

static int check_table(const struct layout *l, const struct model *m, const char *path, struct error *e)
{
    if (m->shard_count != l->file_count || m->tensor_count != l->count)
        return differs(path, e, NULL, "the number of its tensors");
    for (int i = 0; i < l->count; i++) {
        const struct tensor_plan *p = &l->recipe->tensors[i];
        const struct tensor *t = &m->tensors[i];
        const unsigned char *place = m->shards[layout_file(l, i)].map.data + layout_offset(l, i);
        if (strcmp(t->name, p->tensor->name) != 0 || t->type != p->type || t->bytes != p->bytes ||
            memcmp(t->shape, p->tensor->shape, sizeof t->shape) != 0 || t->data != place)
            return differs(path, e, p->tensor->name, "name, type, shape or place");
    }
    return 0;
}

static int check_bytes(const struct layout *l, const struct model *m, const char *path,
                       char (*const hashes)[HASH_TEXT], struct watch *w, struct error *e)
{
    char(*found)[HASH_TEXT] = xcalloc(l->count, sizeof *found);
    const unsigned char **data = xcalloc(l->file_count, sizeof *data);
    for (int i = 0; i < l->file_count; i++)
        data[i] = m->shards[i].map.data;
    struct reading v = {.layout = l, .path = path, .data = data, .decode = true, .hashes = found};
    int rc = read_tensors(&v, l->slices, w, e);
    for (int i = 0; !rc && i < l->count; i++)
        if (strcmp(found[i], hashes[i]) != 0)
            rc = differs(path, e, l->slices[i].name, "its bytes");
    free(found);
    free(data);
    return rc;
}

int verify_files(const struct layout *l, const char *out, bool parts, char (*const hashes)[HASH_TEXT],
                 struct watch *w, struct error *e)
{
    struct model *m;
    char *path = name_file(l, out, parts, 0);
    int rc = model_open(&m, path, 0, e);
    if (rc)
        error_context(e, "cannot read back what was written");
    for (int i = 0; !rc && i < l->file_count && i < m->shard_count; i++)
        rc = check_header(&l->files[i], &m->shards[i], e);
    rc = rc ? rc : check_table(l, m, path, e);
    rc = rc ? rc : check_bytes(l, m, path, hashes, w, e);
    model_close(m);
    free(path);
    return rc;
}
