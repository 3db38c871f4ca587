#include "model/model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/str.h"
#include "model/hf.h"
#include "model/hf_vocab.h"
#include "model/model_priv.h"
#include "model/shard.h"

/* --------------------------------------------------------- warnings and errors */

void model_warn(struct model *m, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = xvasprintf(fmt, ap);
    va_end(ap);
    text_make_printable(text);
    array_push(m->warnings, m->warning_count, m->warning_capacity) = text;
}

int model_bad_value(const struct model *m, const struct gguf_value *v, struct error *e, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (m->folder) /* the value stands in no file: config.json was read as such metadata */
        return error_set(e, ERROR_FAILED, "cannot read %s/config.json: what GGUF calls %.80s: %s; get the file again", m->path,
                         v->key, text);
    return error_set(e, ERROR_FAILED, "cannot read %s: offset %llu, %.80s: %s; the file is damaged, get it again",
                     m->shards[0].map.path, (unsigned long long)v->offset, v->key, text);
}

/* -------------------------------------------------------------------- shards */

/* split.no counts from 0 (llama.cpp, tools/gguf-split). */
static int check_shard(const struct gguf *g, int number, int count, struct error *e)
{
    int64_t no = -1, n = 0;
    gguf_integer(g, "split.no", &no);
    gguf_integer(g, "split.count", &n);
    if (no == number && n == count)
        return 0;
    return error_set(e, ERROR_FAILED, "cannot read %s: it says that it is shard %lld of %lld, its name says %d of %d; get all"
                     " shards again", g->map.path, (long long)no + 1, (long long)n, number + 1, count);
}

static int open_shard(struct model *m, const char *path, int flags, struct error *e)
{
    struct gguf *g = &m->shards[m->shard_count++]; /* counted at once: model_close also closes what failed */
    return gguf_open(g, path, flags, e);
}

static int open_set(struct model *m, const char *path, int count, int flags, struct error *e)
{
    m->shards = xcalloc(count, sizeof *m->shards);
    for (int i = 0; i < count; i++) {
        char *shard = shard_path(path, i + 1, count);
        int rc = open_shard(m, shard, flags, e);
        if (rc && !file_exists(shard))
            error_set(e, ERROR_FAILED, "cannot open %s: shard %d of %d is missing; get it too", shard, i + 1, count);
        else if (!rc)
            rc = check_shard(&m->shards[i], i, count, e);
        free(shard);
        if (rc)
            return rc;
    }
    return 0;
}

/* Opens `path`, and where that is one shard of several, all of them from the first. */
static int open_files(struct model *m, const char *path, int flags, struct error *e)
{
    int number, named_count;
    int64_t count = 1;
    m->shards = xcalloc(1, sizeof *m->shards);
    if (open_shard(m, path, flags, e))
        return e->code;
    gguf_integer(&m->shards[0], "split.count", &count);
    if (count <= 1)
        return 0;
    if (count > SHARDS_MAX)
        return error_set(e, ERROR_FAILED, "cannot read %s: split.count says %lld shards, at most %d can be", path,
                         (long long)count, SHARDS_MAX);
    if (!shard_name(path, &number, &named_count) || named_count != count)
        return error_set(e, ERROR_FAILED, "cannot open %s: it is one of %lld shards, but its name does not end in"
                         " -0000N-of-%05lld.gguf, so the others cannot be found; give it its name back", path,
                         (long long)count, (long long)count);
    gguf_close(&m->shards[0]);
    free(m->shards);
    m->shard_count = 0;
    return open_set(m, path, (int)count, flags, e);
}

/* What a folder's vocabulary has beyond GGUF cuts texts otherwise than any runtime of the file would. */
static int check_keys(const struct model *m, struct error *e)
{
    const struct gguf *g = &m->shards[0];
    for (uint64_t i = 0; i < g->value_count; i++)
        if (str_starts(g->values[i].key, HF_VOCAB_PRIVATE))
            return model_bad_value(m, &g->values[i], e, "such keys are quantwiz's own, for memory alone, and stand in no"
                                   " file");
    return 0;
}

static int open_gguf(struct model *m, const char *path, int flags, struct error *e)
{
    int rc = open_files(m, path, flags, e);
    return rc ? rc : check_keys(m, e);
}

/* ------------------------------------------------------------------- tensors */

static void add_tensors(struct model *m, const struct gguf *g)
{
    for (uint64_t i = 0; i < g->tensor_count; i++) {
        const struct gguf_tensor *from = &g->tensors[i];
        struct tensor *t = &m->tensors[m->tensor_count++];
        bool present = from->offset + from->bytes <= g->map.size;
        *t = (struct tensor){.name = from->name, .type = from->type, .dims = from->dims, .bytes = from->bytes,
                             .data = present ? g->map.data + from->offset : NULL};
        memcpy(t->shape, from->shape, sizeof t->shape);
        tensor_classify(t);
        m->parameters += tensor_elements(t);
        m->quantized = m->quantized || t->type->quantized;
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const struct tensor *const *)a)->name, (*(const struct tensor *const *)b)->name);
}

static int compare_roles(const void *a, const void *b)
{
    const struct tensor *x = *(const struct tensor *const *)a, *y = *(const struct tensor *const *)b;
    return x->layer != y->layer ? x->layer - y->layer : (int)x->role - (int)y->role;
}

static int index_names(struct model *m, struct error *e)
{
    m->by_name = arena_alloc(&m->arena, (m->tensor_count + 1) * sizeof *m->by_name);
    for (int i = 0; i < m->tensor_count; i++)
        m->by_name[i] = &m->tensors[i];
    qsort(m->by_name, m->tensor_count, sizeof *m->by_name, compare_names);
    for (int i = 1; i < m->tensor_count; i++)
        if (strcmp(m->by_name[i - 1]->name, m->by_name[i]->name) == 0)
            return error_set(e, ERROR_FAILED, "cannot read %s: the tensor %s is in two shards; get all shards again",
                             m->path, m->by_name[i]->name);
    return 0;
}

/* Also: a tensor of a layer that the metadata does not know belongs to none, so that others may use its layer as an
 * index. */
static void index_roles(struct model *m)
{
    m->by_role = arena_alloc(&m->arena, (m->tensor_count + 1) * sizeof *m->by_role);
    for (int i = 0; i < m->tensor_count; i++) {
        struct tensor *t = &m->tensors[i];
        if (t->layer >= m->hp.layers) {
            t->layer = -1;
            t->role = ROLE_OTHER;
        }
        if (t->role != ROLE_OTHER && !t->bias)
            m->by_role[m->role_count++] = t;
    }
    qsort(m->by_role, m->role_count, sizeof *m->by_role, compare_roles);
}

static int collect_tensors(struct model *m, struct error *e)
{
    uint64_t count = 0;
    int64_t expected;
    m->complete = true;
    for (int i = 0; i < m->shard_count; i++) {
        count += m->shards[i].tensor_count;
        m->complete = m->complete && m->shards[i].complete;
    }
    if (gguf_integer(&m->shards[0], "split.tensors.count", &expected) && m->shard_count > 1 && (uint64_t)expected != count)
        return error_set(e, ERROR_FAILED, "cannot read %s: split.tensors.count says %lld tensors, the %d shards hold %llu;"
                         " get all shards again", m->path, (long long)expected, m->shard_count, (unsigned long long)count);
    m->tensors = arena_alloc(&m->arena, (count + 1) * sizeof *m->tensors);
    for (int i = 0; i < m->shard_count; i++)
        add_tensors(m, &m->shards[i]);
    return index_names(m, e);
}

const struct tensor *model_tensor(const struct model *m, const char *name)
{
    const struct tensor wanted = {.name = name}, *key = &wanted;
    const struct tensor **t = bsearch(&key, m->by_name, m->tensor_count, sizeof *m->by_name, compare_names);
    return t ? *t : NULL;
}

enum source_inputs model_inputs(const struct model *m)
{
    enum source_inputs found = INPUTS_EXACT;
    for (int i = 0; i < m->tensor_count && found == INPUTS_EXACT; i++)
        found = m->tensors[i].source ? m->tensors[i].source->inputs : INPUTS_EXACT;
    return found;
}

const struct tensor *model_role(const struct model *m, enum tensor_role role, int layer)
{
    const struct tensor wanted = {.role = role, .layer = layer}, *key = &wanted;
    const struct tensor **t =
        m->role_count ? bsearch(&key, m->by_role, m->role_count, sizeof *m->by_role, compare_roles) : NULL;
    return t ? *t : NULL;
}

/* ----------------------------------------------------------- names, file type */

/* general.file_type. Numbers: llama.cpp, include/llama.h, enum llama_ftype. */
static const char *const file_types[] = {
    [0] = "F32", [1] = "F16", [2] = "Q4_0", [3] = "Q4_1", [7] = "Q8_0", [8] = "Q5_0", [9] = "Q5_1", [10] = "Q2_K",
    [11] = "Q3_K_S", [12] = "Q3_K_M", [13] = "Q3_K_L", [14] = "Q4_K_S", [15] = "Q4_K_M", [16] = "Q5_K_S",
    [17] = "Q5_K_M", [18] = "Q6_K", [19] = "IQ2_XXS", [20] = "IQ2_XS", [21] = "Q2_K_S", [22] = "IQ3_XS",
    [23] = "IQ3_XXS", [24] = "IQ1_S", [25] = "IQ4_NL", [26] = "IQ3_S", [27] = "IQ3_M", [28] = "IQ2_S",
    [29] = "IQ2_M", [30] = "IQ4_XS", [31] = "IQ1_M", [32] = "BF16", [36] = "TQ1_0", [37] = "TQ2_0", [38] = "MXFP4",
    [39] = "NVFP4",
};

/* The type that holds the most elements; NULL without tensors. */
static const struct quant_type *main_type(const struct model *m)
{
    const struct quant_type *best = NULL, *t;
    uint64_t most = 0;
    for (int i = 0; (t = quant_type_at(i)); i++) {
        uint64_t elements = 0;
        for (int k = 0; k < m->tensor_count; k++)
            elements += m->tensors[k].type == t ? tensor_elements(&m->tensors[k]) : 0;
        if (elements > most) {
            most = elements;
            best = t;
        }
    }
    return best;
}

/* Converters leave general.file_type at F16 or so when a tool quantizes later: then the tensors are believed. */
static const char *file_type_name(const struct model *m)
{
    const struct quant_type *most = main_type(m);
    int64_t stored = -1;
    gguf_integer(&m->shards[0], "general.file_type", &stored);
    const char *name = stored >= 0 && (size_t)stored < ARRAY_LENGTH(file_types) ? file_types[stored] : NULL;
    const struct quant_type *named = name ? quant_type_named(name) : NULL;
    bool contradicted = most && named && named != most && (!named->quantized || !most->quantized);
    if (name && !contradicted)
        return name;
    return most ? most->name : "none";
}

/* A text from the file, made fit for a terminal: its first 200 bytes without control characters. */
static char *printable(struct model *m, const char *text)
{
    char *copy = arena_strndup(&m->arena, text, 200);
    text_make_printable(copy);
    return copy;
}

char *model_path_name(const char *path)
{
    static const char prefix[] = "models--";
    char *full = path_absolute(path), *snapshots = path_folder(full), *repository = path_folder(snapshots);
    const char *name = path_name(full);
    if (strcmp(path_name(snapshots), "snapshots") == 0 && str_starts(path_name(repository), prefix)) {
        name = path_name(repository) + strlen(prefix);
        for (const char *dashes; (dashes = strstr(name, "--"));)
            name = dashes + 2;
    }
    char *copy = xstrdup(name);
    free(full);
    free(snapshots);
    free(repository);
    return copy;
}

static int read_names(struct model *m, struct error *e)
{
    struct gguf *g = &m->shards[0];
    const char *arch = gguf_text(g, "general.architecture"), *name = gguf_text(g, "general.name");
    if (!arch || !*arch || strlen(arch) > 64)
        return error_set(e, ERROR_FAILED, "cannot read %s: its metadata lacks general.architecture, so it holds no model",
                         m->path);
    m->arch_name = printable(m, arch);
    m->arch = architecture_named(arch);
    m->name = printable(m, name && *name ? name : path_name(m->path));
    m->file_type = arena_strdup(&m->arena, m->folder ? hf_file_type(m->folder) : file_type_name(m));
    return 0;
}

/* --------------------------------------------------------- a checkpoint folder */

/* The folder as the GGUF file that it stands for: its header alone. */
static int open_folder(struct model *m, struct error *e)
{
    uint64_t bytes;
    if (hf_open(&m->folder, m->path, m->pre, e))
        return e->code;
    const void *header = hf_header(m->folder, &bytes);
    m->shards = xcalloc(1, sizeof *m->shards);
    m->shard_count = 1;
    return gguf_parse(&m->shards[0], header, bytes, m->path, GGUF_HEADER_ONLY, e);
}

/* Tensors are in the order of the header. */
static void attach_sources(struct model *m)
{
    for (int i = 0; i < m->tensor_count; i++) {
        m->tensors[i].source = m->folder->tensors[i].source;
        m->tensors[i].data = source_direct(m->tensors[i].source);
    }
    m->complete = true;
}

/* ---------------------------------------------------------------------- files */

static void add_file(struct model *m, const struct file_map *map, uint64_t header)
{
    m->files[m->file_count++] = (struct model_file){map->path, map->data, header < map->size ? header : map->size, map->size};
}

/* The files behind a model: GGUF's, or of a folder what is read whole and the weights. */
static void list_files(struct model *m)
{
    const struct hf *h = m->folder;
    m->files = arena_alloc(&m->arena, (h ? h->read_count + h->file_count : m->shard_count) * sizeof *m->files);
    for (int i = 0; !h && i < m->shard_count; i++)
        add_file(m, &m->shards[i].map, m->shards[i].data_offset);
    for (int i = 0; h && i < h->read_count; i++)
        add_file(m, &h->read[i], h->read[i].size);
    m->file_bytes = 0;
    m->weight_files = h ? h->file_count : m->shard_count;
    for (int i = 0; h && i < h->file_count; i++)
        add_file(m, &h->files[i].map, h->files[i].data_offset);
    for (int i = 0; i < m->file_count; i++)
        m->file_bytes += m->files[i].bytes;
}

/* ------------------------------------------------------------------- opening */

static int gguf_flags(int flags)
{
    return flags & MODEL_HEADER_ONLY ? GGUF_HEADER_ONLY : 0;
}

/* All but the files' opening. */
static int understand(struct model *m, int flags, struct error *e)
{
    if (collect_tensors(m, e))
        return e->code;
    if (m->folder)
        attach_sources(m);
    m->complete = m->complete && !(flags & MODEL_WITHOUT_DATA);
    list_files(m);
    if (read_names(m, e) || hparams_read(m, e) || shapes_check(m, e))
        return e->code;
    index_roles(m);
    warnings_collect(m);
    if (m->folder)
        hf_warn(m->folder, m);
    return 0;
}

static struct model *new_model(const char *path)
{
    struct model *m = xcalloc(1, sizeof *m);
    m->path = arena_strdup(&m->arena, path);
    return m;
}

/* Hands the model over, or closes it where something failed. */
static int finish(struct model **out, struct model *m, int rc)
{
    *out = rc ? NULL : m;
    if (rc)
        model_close(m);
    return rc;
}

int model_open(struct model **out, const char *path, int flags, struct error *e)
{
    return model_open_as(out, path, NULL, flags, e);
}

int model_open_as(struct model **out, const char *path, const char *pre, int flags, struct error *e)
{
    char *expanded = path_expand(path);
    struct model *m = new_model(expanded);
    free(expanded);
    m->pre = pre ? arena_strdup(&m->arena, pre) : NULL;
    int rc = file_is_folder(m->path) ? open_folder(m, e) : open_gguf(m, m->path, gguf_flags(flags), e);
    return finish(out, m, rc ? rc : understand(m, flags, e));
}

int model_parse(struct model **out, const void *bytes, uint64_t size, const char *name, int flags, struct error *e)
{
    struct model *m = new_model(name);
    m->shards = xcalloc(1, sizeof *m->shards);
    m->shard_count = 1;
    int rc = gguf_parse(&m->shards[0], bytes, size, name, gguf_flags(flags), e);
    return finish(out, m, rc ? rc : understand(m, flags, e));
}

void model_close(struct model *m)
{
    if (!m)
        return;
    for (int i = 0; i < m->shard_count; i++)
        gguf_close(&m->shards[i]);
    hf_close(m->folder);
    for (int i = 0; i < m->warning_count; i++)
        free(m->warnings[i]);
    free(m->warnings);
    free(m->shards);
    arena_done(&m->arena);
    free(m);
}

void model_fingerprint(const struct model *m, char out[static 65])
{
    struct str text = {0};
    for (int i = 0; i < m->file_count; i++) {
        const struct model_file *f = &m->files[i];
        char hash[HASH_TEXT];
        str_addf(&text, "%s %llu\n", hash_bytes(hash, f->header, f->header_bytes), (unsigned long long)f->bytes);
    }
    hash_bytes(out, text.data, text.length);
    str_done(&text);
}

/* ------------------------------------------------------------------------ forks */

static const struct tensor **forked(const struct model *m, struct tensor *tensors, const struct tensor **order, int count)
{
    const struct tensor **copy = xcalloc(count + 1, sizeof *copy);
    for (int i = 0; i < count; i++)
        copy[i] = tensors + (order[i] - m->tensors);
    return copy;
}

struct model *model_fork(const struct model *m)
{
    struct model *f = xmalloc(sizeof *f);
    *f = *m;
    f->tensors = xcalloc(m->tensor_count + 1, sizeof *f->tensors);
    memcpy(f->tensors, m->tensors, m->tensor_count * sizeof *f->tensors);
    f->by_name = forked(m, f->tensors, m->by_name, m->tensor_count);
    f->by_role = forked(m, f->tensors, m->by_role, m->role_count);
    return f;
}

void model_fork_free(struct model *f)
{
    if (!f)
        return;
    free(f->tensors);
    free(f->by_name);
    free(f->by_role);
    free(f);
}
