#include "run/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "run/finite.h"

struct reading {
    const struct layout *layout;
    const char *path;
    const unsigned char *data;       /* the mapped file */
    bool decode;                     /* and look at the numbers */
    char (*hashes)[HASH_TEXT];
};

static int read_slice(void *user, const struct slice *s, struct slice_buffers *b, struct slice_result *r,
                      struct error *e)
{
    struct reading *v = user;
    const struct tensor_plan *p = &v->layout->recipe->tensors[s->tensor];
    const unsigned char *at = v->data + layout_offset(v->layout, s->tensor) + quant_bytes(p->type, s->first);
    uint64_t bytes = quant_bytes(p->type, s->count);
    hash_bytes(r->hash, at, bytes);
    if (v->decode && p->type->decode) {
        p->type->decode(at, b->x, s->count);
        int64_t bad = find_not_finite(b->x, s->count);
        if (bad >= 0)
            return not_finite_error(p->tensor, v->path, s->first + bad, b->x[bad], e);
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

static int read_tensors(struct reading *v, const struct slice_tensor *tensors, struct watch *w, struct error *e)
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

int verify_hashes(const struct layout *l, const char *path, const bool *skip, char (*hashes)[HASH_TEXT],
                  struct watch *w, struct error *e)
{
    struct file_map map;
    int rc = file_map_open(&map, path, e);
    if (rc)
        return rc;
    struct reading v = {.layout = l, .path = path, .data = map.data, .hashes = hashes};
    struct slice_tensor *tensors = xcalloc(l->count, sizeof *tensors);
    memcpy(tensors, l->slices, l->count * sizeof *tensors);
    for (int i = 0; i < l->count; i++) {
        bool beyond = layout_offset(l, i) + l->recipe->tensors[i].bytes > map.size;
        tensors[i].skip = skip[i] || beyond;
        if (beyond && !skip[i])
            hashes[i][0] = 0;
    }
    rc = read_tensors(&v, tensors, w, e);
    free(tensors);
    file_map_close(&map);
    return rc;
}

/* ---------------------------------------------------------------- whole files */

static int differs(const char *path, struct error *e, const char *tensor, const char *what)
{
    return error_set(e, ERROR_FAILED, "%s is not what was written: %s%s%s; the disk or the memory may be failing,"
                     " so check both before trying again", path, tensor ? tensor : "", tensor ? ": " : "", what);
}

static int check_table(const struct layout *l, const struct model *m, const char *path, struct error *e)
{
    const struct gguf *g = &m->shards[0];
    if (g->map.size != l->bytes)
        return differs(path, e, NULL, "its size");
    if (memcmp(g->map.data, l->header, l->header_bytes) != 0)
        return differs(path, e, NULL, "its header");
    if (m->tensor_count != l->count)
        return differs(path, e, NULL, "the number of its tensors");
    for (int i = 0; i < l->count; i++) {
        const struct tensor_plan *p = &l->recipe->tensors[i];
        const struct tensor *t = &m->tensors[i];
        if (strcmp(t->name, p->tensor->name) != 0 || t->type != p->type || t->bytes != p->bytes ||
            memcmp(t->shape, p->tensor->shape, sizeof t->shape) != 0 || t->data != g->map.data + layout_offset(l, i))
            return differs(path, e, p->tensor->name, "name, type, shape or place");
    }
    return 0;
}

static int check_bytes(const struct layout *l, const struct model *m, const char *path, char (*const hashes)[HASH_TEXT],
                       struct watch *w, struct error *e)
{
    char (*found)[HASH_TEXT] = xcalloc(l->count, sizeof *found);
    struct reading v = {.layout = l, .path = path, .data = m->shards[0].map.data, .decode = true, .hashes = found};
    int rc = read_tensors(&v, l->slices, w, e);
    for (int i = 0; !rc && i < l->count; i++)
        if (strcmp(found[i], hashes[i]) != 0)
            rc = differs(path, e, l->slices[i].name, "its bytes");
    free(found);
    return rc;
}

int verify_file(const struct layout *l, const char *path, char (*const hashes)[HASH_TEXT], struct watch *w,
                struct error *e)
{
    struct model *m;
    int rc = model_open(&m, path, 0, e);
    if (rc)
        return error_context(e, "cannot read back what was written");
    rc = check_table(l, m, path, e);
    if (!rc)
        rc = check_bytes(l, m, path, hashes, w, e);
    model_close(m);
    return rc;
}
