#include "run/layout.h"

#include <config.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/hf_vocab.h"
#include "model/shard.h"

/* Of all quantized types in a file; ggml.h, GGML_QNT_VERSION. */
enum { QUANTIZATION_VERSION = 2 };

static const char split_no[] = "split.no", split_count[] = "split.count",
                  split_tensors[] = "split.tensors.count";

/* The keys and kinds of llama-quantize (llama.cpp, tools/quantize). */
static void put_imatrix(struct gguf_writer *w, const struct recipe_imatrix *i)
{
    if (!i->file)
        return;
    gguf_writer_text(w, "quantize.imatrix.file", i->file);
    if (i->dataset)
        gguf_writer_text(w, "quantize.imatrix.dataset", i->dataset);
    gguf_writer_u32(w, "quantize.imatrix.entries_count", i->entries);
    if (i->chunks > 0)
        gguf_writer_u32(w, "quantize.imatrix.chunks_count", (uint32_t)i->chunks);
}

static void copy_metadata(struct gguf_writer *w, const struct model *m, const struct recipe *r)
{
    const struct gguf *g = &m->shards[0];
    for (uint64_t i = 0; i < g->value_count; i++)
        if (!str_starts(g->values[i].key, HF_VOCAB_PRIVATE))
            gguf_writer_copy(w, &g->values[i]);
    gguf_writer_remove(w, split_no);
    gguf_writer_remove(w, split_count);
    gguf_writer_remove(w, split_tensors);
    if (r->file_type < 0)
        return;
    gguf_writer_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
    gguf_writer_u32(w, "general.file_type", r->file_type);
    put_imatrix(w, &r->imatrix);
}

/* The kinds of the numbers are those that llama.cpp reads and writes. */
static void put_split(struct gguf_writer *w, const struct layout *l, int file)
{
    gguf_writer_u16(w, split_no, (uint16_t)file);
    gguf_writer_u16(w, split_count, (uint16_t)l->file_count);
    gguf_writer_i32(w, split_tensors, l->count);
}

/* ---------------------------------------------------------------------- cutting */

/* What a file would take with the tensors so far. */
struct filling {
    uint64_t header, data; /* bytes; the header without its padding */
    int tensors;
};

/* To the alignment of the first file, which is the only one that may differ from the usual 32. */
static uint64_t aligned(const struct layout *l, uint64_t bytes)
{
    int64_t alignment = 32;
    gguf_integer(&l->model->shards[0], "general.alignment", &alignment);
    return (bytes + alignment - 1) / alignment * alignment;
}

/* A row of the tensor table: name, dimensions, shape, type, offset. */
static uint64_t row_bytes(const struct tensor *t)
{
    return 8 + strlen(t->name) + 4 + 8 * (uint64_t)t->dims + 4 + 8;
}

static bool has_room(const struct layout *l, const struct filling *f, const struct tensor_plan *p,
                     const struct split *s)
{
    if (f->tensors == 0)
        return true;
    if (s->max_tensors && f->tensors >= s->max_tensors)
        return false;
    return !s->max_bytes ||
           aligned(l, f->header + row_bytes(p->tensor)) + f->data + aligned(l, p->bytes) <= s->max_bytes;
}

static uint64_t metadata_bytes(struct layout *l)
{
    uint64_t bytes;
    struct gguf_writer *w = gguf_writer_new();
    copy_metadata(w, l->model, l->recipe);
    put_split(w, l, 0);
    gguf_writer_header(w, &bytes);
    gguf_writer_free(w);
    return bytes;
}

static struct layout_file *begin_file(struct layout *l, int first)
{
    l->files = xrealloc(l->files, (l->file_count + 1) * sizeof *l->files);
    l->files[l->file_count] = (struct layout_file){.first = first};
    return &l->files[l->file_count++];
}

/* Which tensors go into which file. */
static void cut(struct layout *l, const struct split *s)
{
    enum { SPLIT_KEYS_BYTES = 128 }; /* the header of a later shard, its tensor table aside */
    struct filling f = {.header = metadata_bytes(l)};
    struct layout_file *file = begin_file(l, 0);
    for (int i = 0; i < l->count; i++) {
        const struct tensor_plan *p = &l->recipe->tensors[i];
        if (!has_room(l, &f, p, s)) {
            f = (struct filling){.header = SPLIT_KEYS_BYTES};
            file = begin_file(l, i);
        }
        file->count++;
        f.tensors++;
        f.header += row_bytes(p->tensor);
        f.data += aligned(l, p->bytes);
    }
}

/* ---------------------------------------------------------------------- headers */

static void make_header(struct layout *l, int number)
{
    struct layout_file *f = &l->files[number];
    f->writer = gguf_writer_new();
    if (number == 0)
        copy_metadata(f->writer, l->model, l->recipe);
    if (l->file_count > 1)
        put_split(f->writer, l, number);
    for (int i = f->first; i < f->first + f->count; i++) {
        const struct tensor *t = l->recipe->tensors[i].tensor;
        gguf_writer_tensor(f->writer, t->name, l->recipe->tensors[i].type, t->dims, t->shape);
    }
    f->header = gguf_writer_header(f->writer, &f->header_bytes);
    f->bytes = gguf_writer_size(f->writer);
    l->bytes += f->bytes;
}

/* A source file counts as changed when its size, its header or its time of modification did: reading all of
 * it again would take as long as half the work. */
static void add_source(struct str *s, const struct model_file *f)
{
    struct stat st = {0};
    char hash[HASH_TEXT];
    stat(f->path, &st);
    str_addf(s, "%s %" PRIu64 " %lld.%09ld\n", hash_bytes(hash, f->header, f->header_bytes), f->bytes,
             (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

void layout_add_source(struct str *s, const struct model *m)
{
    for (int i = 0; i < m->file_count; i++)
        add_source(s, &m->files[i]);
}

static void take_fingerprint(struct layout *l)
{
    struct str s = {0};
    char hash[HASH_TEXT];
    str_addf(&s, "%s\n", PACKAGE_STRING);
    for (int i = 0; i < l->file_count; i++)
        str_addf(&s, "%s\n", hash_bytes(hash, l->files[i].header, l->files[i].header_bytes));
    layout_add_source(&s, l->model);
    hash_bytes(l->fingerprint, s.data, s.length);
    str_done(&s);
}

void layout_make(struct layout *l, const struct model *m, const struct recipe *r, const struct split *split)
{
    static const struct split none;
    *l = (struct layout){.model = m, .recipe = r, .count = r->count};
    l->slices = xcalloc(r->count, sizeof *l->slices);
    for (int i = 0; i < r->count; i++) {
        const struct tensor *t = r->tensors[i].tensor;
        l->slices[i] =
            (struct slice_tensor){.name = t->name, .row = t->shape[0], .elements = tensor_elements(t)};
    }
    cut(l, split ? split : &none);
    for (int i = 0; i < l->file_count; i++)
        make_header(l, i);
    take_fingerprint(l);
}

void layout_done(struct layout *l)
{
    for (int i = 0; i < l->file_count; i++)
        gguf_writer_free(l->files[i].writer);
    free(l->files);
    free(l->slices);
    *l = (struct layout){0};
}

int layout_file(const struct layout *l, int tensor)
{
    int low = 0, high = l->file_count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (l->files[middle].first <= tensor)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

uint64_t layout_offset(const struct layout *l, int tensor)
{
    const struct layout_file *f = &l->files[layout_file(l, tensor)];
    return gguf_writer_offset(f->writer, tensor - f->first);
}

char *layout_path(const struct layout *l, const char *out, int file)
{
    return l->file_count > 1 ? shard_path(out, file + 1, l->file_count) : xstrdup(out);
}
