/* The numbers of a tensor, wherever they are: decoded from the mapped file, or put together by its source. */
#include "base/file.h"
#include "model/model.h"

int64_t tensor_elements(const struct tensor *t)
{
    return t->shape[0] * t->shape[1] * t->shape[2] * t->shape[3];
}

bool tensor_present(const struct tensor *t)
{
    return t->data || t->source;
}

bool tensor_readable(const struct tensor *t)
{
    return tensor_present(t) && t->type->decode;
}

void tensor_read(const struct tensor *t, int64_t first, int64_t count, float *x)
{
    if (t->data)
        t->type->decode(t->data + quant_bytes(t->type, first), x, count);
    else
        source_read(t->source, first, count, x);
}

const void *tensor_blocks(const struct tensor *t, int64_t first, int64_t count, void *room)
{
    if (t->data)
        return t->data + quant_bytes(t->type, first);
    source_blocks(t->source, first, count, room);
    return room;
}

void tensor_ahead(const struct tensor *t, int64_t first, int64_t count)
{
    int64_t all = tensor_elements(t);
    if (first >= all)
        return;
    if (count > all - first)
        count = all - first;
    if (t->data)
        file_map_ahead(t->data + quant_bytes(t->type, first), quant_bytes(t->type, count));
    else
        source_ahead(t->source, first, count);
}

void tensor_forget(const struct tensor *t, int64_t first, int64_t count)
{
    if (t->data)
        file_map_forget(t->data + quant_bytes(t->type, first), quant_bytes(t->type, count));
    else
        source_forget(t->source, first, count);
}

/* The shard of GGUF whose map holds the tensor's data. */
static const char *path_of_data(const struct model *m, const struct tensor *t)
{
    for (int i = 0; i < m->shard_count; i++) {
        const struct file_map *map = &m->shards[i].map;
        if (t->data >= map->data && t->data < map->data + map->size)
            return map->path;
    }
    return m->path;
}

struct tensor_place tensor_place(const struct model *m, const struct tensor *t, int64_t element)
{
    struct tensor_place p = {.name = t->name, .row = element / t->shape[0], .column = element % t->shape[0]};
    if (!t->source) {
        p.path = path_of_data(m, t);
        return p;
    }
    const struct source_part *part = source_place(t->source, element, &p.row, &p.column);
    p.path = part->path ? part->path : m->path;
    p.name = part->name;
    return p;
}
