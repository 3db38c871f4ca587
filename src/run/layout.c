#include "run/layout.h"

#include <config.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/hf_vocab.h"

/* Of all quantized types in a file; ggml.h, GGML_QNT_VERSION. */
enum { QUANTIZATION_VERSION = 2 };

static void copy_metadata(struct gguf_writer *w, const struct model *m, int file_type)
{
    static const char *const of_shards[] = {"split.no", "split.count", "split.tensors.count"};
    const struct gguf *g = &m->shards[0];
    for (uint64_t i = 0; i < g->value_count; i++)
        if (!str_starts(g->values[i].key, HF_VOCAB_PRIVATE))
            gguf_writer_copy(w, &g->values[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(of_shards); i++)
        gguf_writer_remove(w, of_shards[i]);
    gguf_writer_u32(w, "general.quantization_version", QUANTIZATION_VERSION);
    gguf_writer_u32(w, "general.file_type", file_type);
}

/* A source file counts as changed when its size, its header or its time of modification did: reading all of it
 * again would take as long as half the work. */
static void add_source(struct str *s, const struct model_file *f)
{
    struct stat st = {0};
    char hash[HASH_TEXT];
    stat(f->path, &st);
    str_addf(s, "%s %" PRIu64 " %lld.%09ld\n", hash_bytes(hash, f->header, f->header_bytes), f->bytes,
             (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void take_fingerprint(struct layout *l)
{
    struct str s = {0};
    char hash[HASH_TEXT];
    str_addf(&s, "%s\n%s\n", PACKAGE_STRING, hash_bytes(hash, l->header, l->header_bytes));
    for (int i = 0; i < l->model->file_count; i++)
        add_source(&s, &l->model->files[i]);
    hash_bytes(l->fingerprint, s.data, s.length);
    str_done(&s);
}

void layout_make(struct layout *l, const struct model *m, const struct recipe *r)
{
    *l = (struct layout){.model = m, .recipe = r, .writer = gguf_writer_new(), .count = r->count};
    l->slices = xcalloc(r->count, sizeof *l->slices);
    copy_metadata(l->writer, m, r->file_type);
    for (int i = 0; i < r->count; i++) {
        const struct tensor *t = r->tensors[i].tensor;
        gguf_writer_tensor(l->writer, t->name, r->tensors[i].type, t->dims, t->shape);
        l->slices[i] = (struct slice_tensor){.name = t->name, .row = t->shape[0], .elements = tensor_elements(t)};
    }
    l->header = gguf_writer_header(l->writer, &l->header_bytes);
    l->bytes = gguf_writer_size(l->writer);
    take_fingerprint(l);
}

void layout_done(struct layout *l)
{
    gguf_writer_free(l->writer);
    free(l->slices);
    *l = (struct layout){0};
}

uint64_t layout_offset(const struct layout *l, int tensor)
{
    return gguf_writer_offset(l->writer, tensor);
}
