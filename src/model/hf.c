#include "model/hf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf_packed.h"
#include "model/hf_scales.h"
#include "model/hf_vocab.h"
#include "pack/pack.h"

static const char *number_format(const struct hf_tensor *t)
{
    if (t->source->packed)
        return t->source->parts[0].packed->scheme->format->title;
    return t->source->mxfp4 ? t->type->name : t->source->dtype->name;
}

const char *hf_file_type(const struct hf *h)
{
    const char *best = "none";
    int64_t most = 0;
    for (int i = 0; i < h->tensor_count; i++) {
        const char *name = number_format(&h->tensors[i]);
        int64_t elements = 0;
        for (int k = 0; k < h->tensor_count; k++) {
            const struct hf_tensor *t = &h->tensors[k];
            elements += strcmp(number_format(t), name) == 0 ? t->shape[0] * t->shape[1] * t->shape[2] : 0;
        }
        if (elements > most) {
            most = elements;
            best = name;
        }
    }
    return best;
}

/* general.file_type counts types so (llama.cpp, include/llama.h, enum llama_ftype). Other formats become F32.
 */
static uint32_t file_type(const struct hf *h)
{
    static const struct {
        const char *name;
        uint32_t file_type;
    } known[] = {{"F16", 1}, {"BF16", 32}, {"MXFP4", 38}};
    const char *name = hf_file_type(h);
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].file_type;
    return 0;
}

/* "7.2B", "8x7.2B": what an expert and all that they share have, in two digits or more (gguf-py, utility.py,
 * size_label). */
static void put_size_label(struct hf *h)
{
    static const struct { double over, unit; char letter; } units[] = {
        {1e12, 1e12, 'T'}, {1e9, 1e9, 'B'}, {1e6, 1e6, 'M'}, {-1, 1e3, 'K'}};
    double parameters = 0;
    long long experts = 0;
    char text[64], times[32] = "";
    for (int i = 0; i < h->tensor_count; i++) {
        const struct hf_tensor *t = &h->tensors[i];
        parameters += (double)(t->shape[0] * t->shape[1]);
        experts = t->dims == 3 ? t->shape[2] : experts;
    }
    int i = 0;
    while (parameters <= units[i].over)
        i++;
    double scaled = parameters / units[i].unit;
    if (experts)
        snprintf(times, sizeof times, "%lldx", experts);
    snprintf(text, sizeof text, "%s%.*f%c", times,
             scaled < 0.5   ? 2
             : scaled < 9.5 ? 1
                            : 0,
             scaled, units[i].letter);
    gguf_writer_text(h->writer, "general.size_label", text);
}

static void put_table(struct hf *h)
{
    put_size_label(h);
    gguf_writer_u32(h->writer, "general.file_type", file_type(h));
    for (int i = 0; i < h->tensor_count; i++)
        gguf_writer_tensor(h->writer, h->tensors[i].name, h->tensors[i].type, h->tensors[i].dims,
                           h->tensors[i].shape);
}

/* Files whose whole content says what the model is, beside the weights. */
static const char *const read_whole[] = {
    "config.json", "generation_config.json", "tokenizer.json", "tokenizer.model", "tekken.json",
    "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "chat_template.jinja", "chat_template.json",
};

static int check_plain(const struct hf *h, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(read_whole) && !rc; i++) {
        char *path = path_join(h->folder, read_whole[i]);
        if (file_exists(path) && !file_is_plain(path))
            rc = error_set(e, ERROR_FAILED, "cannot read %s: it is no plain file; get it again", path);
        free(path);
    }
    return rc;
}

static void map_read(struct hf *h)
{
    struct error ignored;
    h->read = xcalloc(ARRAY_LENGTH(read_whole), sizeof *h->read);
    for (size_t i = 0; i < ARRAY_LENGTH(read_whole); i++) {
        char *path = path_join(h->folder, read_whole[i]);
        if (file_exists(path) && file_map_open(&h->read[h->read_count], path, &ignored) == 0)
            h->read_count++;
        free(path);
    }
}

/* Rows of the embedding: the vocabulary is filled up to them. */
static int64_t vocabulary(const struct hf *h)
{
    for (int i = 0; i < h->tensor_count; i++)
        if (strcmp(h->tensors[i].name, "token_embd.weight") == 0)
            return h->tensors[i].shape[1];
    return 0;
}

static bool has_tokenizer(const struct hf *h)
{
    for (int i = 0; i < h->read_count; i++)
        if (str_starts(path_name(h->read[i].path), "tokenizer.") ||
            strcmp(path_name(h->read[i].path), "tekken.json") == 0)
            return true;
    return false;
}

/* Without a tokenizer the weights can be converted all the same: the model's warnings say so. */
static int put_vocabulary(struct hf *h, struct error *e)
{
    return has_tokenizer(h) ? hf_vocab_write(h->writer, h->folder, vocabulary(h), h->class->gguf, h->pre, e)
                            : 0;
}

static int read_folder(struct hf *h, struct error *e)
{
    if (check_plain(h, e) || hf_config_read(h, e) || hf_quantization_check(h, e) || hf_check(h, e) || hf_files_open(h, e) ||
        hf_packed_find(h, e))
        return e->code;
    h->writer = gguf_writer_new();
    if (hf_keys_write(h, e) || hf_rope_write(h, e) || hf_tensors_find(h, e))
        return e->code;
    put_table(h);
    map_read(h);
    return put_vocabulary(h, e);
}

int hf_open(struct hf **out, const char *folder, const char *pre, struct error *e)
{
    struct hf *h = xcalloc(1, sizeof *h);
    h->folder = arena_strdup(&h->arena, folder);
    h->pre = pre;
    int rc = read_folder(h, e);
    if (rc)
        hf_close(h);
    *out = rc ? NULL : h;
    return rc;
}

void hf_close(struct hf *h)
{
    if (!h)
        return;
    for (int i = 0; i < h->file_count; i++)
        safetensors_close(&h->files[i]);
    for (int i = 0; i < h->read_count; i++)
        file_map_close(&h->read[i]);
    json_decref(h->config);
    gguf_writer_free(h->writer);
    free(h->files);
    free(h->read);
    free(h->tensors);
    free(h->config_path);
    arena_done(&h->arena);
    free(h);
}

const void *hf_header(const struct hf *h, uint64_t *bytes)
{
    return gguf_writer_header(h->writer, bytes);
}
