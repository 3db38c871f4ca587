#include "run/checkpoint_layout.h"

#include <config.h>
#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "plan/checkpoint.h"
#include "run/layout.h"

/* ------------------------------------------------------------------ what is kept */

struct skips {
    regex_t *patterns;
    int count;
};

static int compile_skips(struct skips *s, const char *const *texts, int count, struct error *e)
{
    char why[128];
    s->patterns = xcalloc(count + 1, sizeof *s->patterns);
    for (; s->count < count; s->count++) {
        int rc = regcomp(&s->patterns[s->count], texts[s->count], REG_EXTENDED | REG_NOSUB);
        if (!rc)
            continue;
        regerror(rc, &s->patterns[s->count], why, sizeof why);
        return error_set(e, ERROR_USAGE, "--skip: '%s' is no regular expression: %s", texts[s->count], why);
    }
    return 0;
}

static bool is_skipped(const struct skips *s, const char *name)
{
    for (int i = 0; i < s->count; i++)
        if (regexec(&s->patterns[i], name, 0, NULL, 0) == 0)
            return true;
    return false;
}

static void skips_done(struct skips *s)
{
    for (int i = 0; i < s->count; i++)
        regfree(&s->patterns[i]);
    free(s->patterns);
}

static bool is_linear(const struct stored_weight *w)
{
    return w->count && checkpoint_takes(w->pieces[0].tensor);
}

/* ---------------------------------------------------------------------- refusing */

static int refuse_joined(const struct checkpoint_layout *l, const struct stored_tensor *t, struct error *e)
{
    return error_set(e, ERROR_FAILED, "%s: the tensor %s holds several weights in one, which no %s checkpoint does, and"
                     " readers have no names for them one by one; make a GGUF file of it", l->model->path, t->name,
                     l->scheme.format->title);
}

static bool all_fit(const struct checkpoint_layout *l, const struct scheme *s)
{
    for (int i = 0; i < l->count; i++)
        if (l->items[i].quantized &&
            !scheme_fits(s, l->items[i].weight->stored->shape[0], l->items[i].weight->stored->shape[1], NULL))
            return false;
    return true;
}

/* ": gptq-int4-g64, gptq-int4-g32 divide all of them" */
static void add_what_fits(const struct checkpoint_layout *l, struct str *text)
{
    static const int groups[] = {128, 64, 32, 0};
    int count = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(groups) && l->scheme.group; i++) {
        struct scheme other = l->scheme;
        char name[SCHEME_NAME];
        other.group = groups[i];
        if (!all_fit(l, &other))
            continue;
        scheme_name(&other, name);
        str_addf(text, "%s%s", count++ ? ", " : "; these would do: ", name);
    }
    str_add(text, count ? "; or --skip what does not fit" : "; --skip leaves them as they are");
}

static int refuse_misfits(const struct checkpoint_layout *l, struct error *e)
{
    struct str text = {0};
    int count = 0;
    const char *why;
    char name[SCHEME_NAME];
    for (int i = 0; i < l->count; i++) {
        const struct stored_tensor *t = l->items[i].weight->stored;
        if (!l->items[i].quantized || scheme_fits(&l->scheme, t->shape[0], t->shape[1], &why))
            continue;
        if (count++ < 2)
            str_addf(&text, "%s %s (%" PRId64 " rows of %" PRId64 "): %s", count > 1 ? ";" : "", t->name, t->shape[0],
                     t->shape[1], why);
    }
    if (!count)
        return 0;
    scheme_name(&l->scheme, name);
    add_what_fits(l, &text);
    error_set(e, ERROR_USAGE, "%s cannot be made of %s: %d of %d weights cannot be stored so:%s", name, l->model->path,
              count, l->quantized, text.data);
    str_done(&text);
    return e->code;
}

/* ------------------------------------------------------------------------- items */

static const char *module_of(struct checkpoint_layout *l, const char *name)
{
    size_t n = strlen(name) - (str_ends(name, ".weight") ? strlen(".weight") : 0);
    return arena_strndup(&l->arena, name, n);
}

static int make_item(struct checkpoint_layout *l, const struct stored_weight *w, const struct skips *skips, bool narrow,
                     struct error *e)
{
    struct checkpoint_item *item = &l->items[l->count++];
    const struct stored_tensor *t = w->stored;
    *item = (struct checkpoint_item){.weight = w, .module = module_of(l, t->name), .parts = 1};
    item->quantized = is_linear(w) && !is_skipped(skips, item->module);
    item->dtype = checkpoint_kept(w, narrow, l->scheme.bf16);
    item->bytes = (uint64_t)t->elements * item->dtype->bytes;
    if (!item->quantized)
        return 0;
    if (t->dims != 2 || !str_ends(t->name, ".weight") || !w->source)
        return refuse_joined(l, t, e);
    packed_init(&item->packed, &l->scheme, t->shape[0], t->shape[1]);
    item->parts = item->packed.count;
    item->bytes = scheme_bytes(&l->scheme, t->shape[0], t->shape[1]);
    l->quantized++;
    return 0;
}

static int make_items(struct checkpoint_layout *l, const struct skips *skips, struct error *e)
{
    const struct tensor *embeddings = model_role(l->model, ROLE_TOKEN_EMBD, -1);
    const struct dtype *d = embeddings ? embeddings->source->dtype : NULL;
    l->scheme.bf16 = d && strcmp(d->name, "BF16") == 0;
    l->items = xcalloc(l->stored.count + 1, sizeof *l->items);
    for (int i = 0; i < l->stored.count; i++)
        if (make_item(l, &l->stored.items[i], skips, d && d->bytes > 2, e))
            return e->code;
    if (!l->quantized)
        return error_set(e, ERROR_USAGE, "%s: no weight is left to quantize", l->model->path);
    return refuse_misfits(l, e);
}

/* ------------------------------------------------------------------------- files */

static void add_tensors(struct checkpoint_layout *l, struct checkpoint_item *item)
{
    struct safetensors_writer *w = l->files[item->file].writer;
    const struct stored_tensor *t = item->weight->stored;
    if (!item->quantized)
        item->first = safetensors_writer_add(w, t->name, item->dtype, t->dims, t->shape);
    for (int i = 0; i < item->parts && item->quantized; i++) {
        const struct pack_part *p = &item->packed.parts[i];
        char *name = xasprintf("%s%s", item->module, p->suffix);
        int at = safetensors_writer_add(w, name, dtype_named(p->dtype), p->dims, p->shape);
        item->first = i ? item->first : at;
        free(name);
    }
}

static void begin_file(struct checkpoint_layout *l)
{
    l->files = xrealloc(l->files, (l->file_count + 1) * sizeof *l->files);
    l->files[l->file_count++] = (struct checkpoint_file){.writer = safetensors_writer_new()};
}

static void fill_files(struct checkpoint_layout *l, uint64_t most)
{
    double bits = 0, numbers = 0;
    begin_file(l);
    for (int i = 0; i < l->count; i++) {
        struct checkpoint_item *item = &l->items[i];
        struct checkpoint_file *f = &l->files[l->file_count - 1];
        if (f->data_bytes && f->data_bytes + item->bytes > most) {
            begin_file(l);
            f = &l->files[l->file_count - 1];
        }
        item->file = l->file_count - 1;
        f->data_bytes += item->bytes;
        add_tensors(l, item);
        bits += 8.0 * (double)item->bytes;
        numbers += (double)item->weight->stored->elements;
    }
    l->bits_per_weight = bits / numbers;
    for (int i = 0; i < l->file_count; i++) {
        l->files[i].name = l->file_count == 1 ? xstrdup("model.safetensors")
                                              : xasprintf("model-%05d-of-%05d.safetensors", i + 1, l->file_count);
        l->bytes += safetensors_writer_size(l->files[i].writer);
    }
}

/* ------------------------------------------------------------------------ config */

/* Matrices that stay, by the names of their modules; among them what readers would expect to be quantized. */
static struct pack_kept kept_modules(struct checkpoint_layout *l)
{
    const char **names = arena_alloc(&l->arena, (l->count + 1) * sizeof *names);
    const char **skipped = arena_alloc(&l->arena, (l->count + 1) * sizeof *skipped);
    struct pack_kept kept = {.names = names, .skipped = skipped};
    names[kept.count++] = "lm_head";
    for (int i = 0; i < l->count; i++) {
        const struct checkpoint_item *item = &l->items[i];
        bool matrix = item->weight->stored->dims == 2 && str_ends(item->weight->stored->name, ".weight");
        bool embeddings = item->weight->count && item->weight->pieces[0].tensor->role == ROLE_TOKEN_EMBD;
        if (item->quantized || !matrix || embeddings || strcmp(item->module, "lm_head") == 0)
            continue;
        names[kept.count++] = item->module;
        if (is_linear(item->weight))
            skipped[kept.skipped_count++] = item->module;
    }
    return kept;
}

/* Both of its names, here and in the part about the language model. */
static void set_dtype(json_t *config, const char *name)
{
    static const char *const keys[] = {"torch_dtype", "dtype"};
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++)
        if (json_object_get(config, keys[i]))
            json_object_set_new(config, keys[i], json_string(name));
}

static int make_config(struct checkpoint_layout *l, struct error *e)
{
    const struct pack_kept kept = kept_modules(l);
    const char *dtype = l->scheme.bf16 ? "bfloat16" : "float16";
    if (stored_config(l->model, &l->config, e))
        return e->code;
    set_dtype(l->config, dtype);
    set_dtype(json_object_get(l->config, "text_config"), dtype);
    json_object_set_new(l->config, "quantization_config", l->scheme.format->config(&l->scheme, &kept));
    return 0;
}

json_t *checkpoint_index(const struct checkpoint_layout *l)
{
    json_t *map = json_object();
    uint64_t total = 0;
    for (int i = 0; i < l->count; i++) {
        const struct checkpoint_item *item = &l->items[i];
        total += item->bytes;
        for (int k = 0; k < item->parts; k++) {
            char *name = item->quantized ? xasprintf("%s%s", item->module, item->packed.parts[k].suffix)
                                         : xstrdup(item->weight->stored->name);
            json_object_set_new(map, name, json_string(l->files[item->file].name));
            free(name);
        }
    }
    json_t *index = json_pack("{s:{s:I}, s:o}", "metadata", "total_size", (json_int_t)total, "weight_map", map);
    if (l->file_count > 1)
        return index;
    json_decref(index);
    return NULL;
}

static void take_fingerprint(struct checkpoint_layout *l)
{
    struct str s = {0};
    char hash[HASH_TEXT], *config = json_dumps(l->config, JSON_COMPACT);
    str_addf(&s, "%s\n%s\n", PACKAGE_STRING, config);
    for (int i = 0; i < l->file_count; i++) {
        uint64_t bytes;
        const void *header = safetensors_writer_header(l->files[i].writer, &bytes);
        str_addf(&s, "%s\n", hash_bytes(hash, header, bytes));
    }
    layout_add_source(&s, l->model);
    hash_bytes(l->fingerprint, s.data, s.length);
    free(config);
    str_done(&s);
}

/* ------------------------------------------------------------------------- whole */

int checkpoint_layout_make(struct checkpoint_layout *l, const struct model *m, const struct scheme *s,
                           const char *const *skip, int skip_count, uint64_t file_bytes, struct error *e)
{
    struct skips skips = {0};
    *l = (struct checkpoint_layout){.model = m, .scheme = *s};
    int rc = stored_weights_of(m, &l->stored, e);
    rc = rc ? rc : compile_skips(&skips, skip, skip_count, e);
    rc = rc ? rc : make_items(l, &skips, e);
    skips_done(&skips);
    if (rc)
        return rc;
    fill_files(l, file_bytes);
    if (make_config(l, e))
        return e->code;
    take_fingerprint(l);
    return 0;
}

void checkpoint_layout_done(struct checkpoint_layout *l)
{
    for (int i = 0; i < l->file_count; i++) {
        safetensors_writer_free(l->files[i].writer);
        free(l->files[i].name);
    }
    free(l->files);
    free(l->items);
    json_decref(l->config);
    stored_weights_done(&l->stored);
    arena_done(&l->arena);
    *l = (struct checkpoint_layout){0};
}

uint64_t checkpoint_offset(const struct checkpoint_layout *l, const struct checkpoint_item *item, int part)
{
    return safetensors_writer_offset(l->files[item->file].writer, item->first + part);
}

uint64_t checkpoint_part_bytes(const struct checkpoint_layout *l, const struct checkpoint_item *item, int part)
{
    return safetensors_writer_bytes(l->files[item->file].writer, item->first + part);
}
