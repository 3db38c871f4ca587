/* make_folder IN.gguf FOLDER [PARTS]: the checkpoint folder that a Llama GGUF file with a byte-level
 * vocabulary could have come from: config.json, safetensors (in so many parts, with an index) and
 * tokenizer.json. Weights of F16 stay as they are; so what is made of the folder must equal what is made of
 * the file. */
#include "tests/unit/unit.h"

#include <jansson.h>
#include <unistd.h>

#include "base/file.h"
#include "model/model.h"
#include "tests/unit/folder_build.h"

static struct error e;

static const struct { const char *gguf, *stored;
} names[] = {
    {"attn_norm", "input_layernorm"}, {"ffn_norm", "post_attention_layernorm"},
    {"attn_q", "self_attn.q_proj"},   {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},   {"attn_output", "self_attn.o_proj"},
    {"ffn_gate", "mlp.gate_proj"},    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
};

/* free() it. */
static char *stored_name(const struct tensor *t)
{
    if (strcmp(t->name, "token_embd.weight") == 0)
        return xstrdup("model.embed_tokens.weight");
    if (strcmp(t->name, "output_norm.weight") == 0)
        return xstrdup("model.norm.weight");
    if (strcmp(t->name, "output.weight") == 0)
        return xstrdup("lm_head.weight");
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char *gguf = xasprintf("blk.%d.%s.weight", t->layer, names[i].gguf);
        bool is = strcmp(gguf, t->name) == 0;
        free(gguf);
        if (is)
            return xasprintf("model.layers.%d.%s.weight", t->layer, names[i].stored);
    }
    die("%s is no tensor of a Llama", t->name);
}

/* ---------------------------------------------------------------------- weights */

/* The numbers as stored: rows of the heads' first halves before those of their second. */
static void *stored_rows(const struct tensor *t, int heads)
{
    uint64_t row = quant_bytes(t->type, t->shape[0]);
    unsigned char *rows = xmalloc(t->bytes);
    memcpy(rows, t->data, t->bytes);
    int64_t n = heads ? t->shape[1] / heads : 0;
    for (int64_t r = 0; heads && r < t->shape[1]; r++) {
        int64_t k = r % n;
        memcpy(rows + (r - k + k % 2 * (n / 2) + k / 2) * row, t->data + r * row, row);
    }
    return rows;
}

static void add(struct stored_file *f, const struct model *m, const struct tensor *t, const char *name)
{
    const struct layer_shape *l = &m->hp.layer[0];
    int heads = t->role == ROLE_ATTN_Q ? l->heads : t->role == ROLE_ATTN_K ? l->kv_heads : 0;
    int64_t shape[2] = {t->dims == 1 ? t->shape[0] : t->shape[1], t->shape[0]};
    void *rows = stored_rows(t, heads);
    stored_add(f, name, t->type->name, t->dims, shape, rows, t->bytes);
    free(rows);
}

static void put_weights(const struct model *m, const char *folder, int parts)
{
    json_t *map = json_object();
    for (int p = 0; p < parts; p++) {
        struct stored_file f = {0};
        char *file = parts == 1 ? xstrdup("model.safetensors")
                                : xasprintf("model-%05d-of-%05d.safetensors", p + 1, parts);
        for (int i = m->tensor_count * p / parts; i < m->tensor_count * (p + 1) / parts; i++) {
            char *name = stored_name(&m->tensors[i]);
            add(&f, m, &m->tensors[i], name);
            json_object_set_new(map, name, json_string(file));
            free(name);
        }
        folder_stored(folder, file, &f);
        free(file);
    }
    json_t *index = json_pack("{s:{},s:o}", "metadata", "weight_map", map);
    char *text = json_dumps(index, 0);
    if (parts > 1)
        folder_text(folder, "model.safetensors.index.json", text);
    free(text);
    json_decref(index);
}

/* ----------------------------------------------------------------- config, tokenizer */

static void put_config(const struct model *m, const char *folder)
{
    const struct hparams *hp = &m->hp;
    const struct layer_shape *l = &hp->layer[0];
    json_t *j = json_pack(
        "{s:[s],s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:f,s:f,s:i,s:b}", "architectures", "LlamaForCausalLM",
        "model_type", "llama", "hidden_size", hp->embd, "intermediate_size", l->ffn, "num_hidden_layers",
        hp->layers, "num_attention_heads", l->heads, "num_key_value_heads", l->kv_heads, "head_dim",
        l->key_length, "max_position_embeddings", hp->context, "rms_norm_eps", hp->norm_eps, "rope_theta",
        hp->rope_base, "vocab_size", hp->vocab, "tie_word_embeddings", !model_tensor(m, "output.weight"));
    char *text = json_dumps(j, JSON_INDENT(1));
    folder_text(folder, "config.json", text);
    free(text);
    json_decref(j);
}

/* The texts of an array, as a list. */
static json_t *texts(const struct model *m, const char *key)
{
    const struct gguf_value *v = gguf_find(&m->shards[0], key);
    json_t *list = json_array();
    const unsigned char *at = v ? v->data : NULL;
    for (uint64_t i = 0; v && i < v->count; i++) {
        uint64_t length;
        const char *text = gguf_next_string(&at, &length);
        json_array_append_new(list, json_stringn(text, length));
    }
    return list;
}

static void put_tokenizer(const struct model *m, const struct gguf_value *types, const char *folder)
{
    json_t *tokens = texts(m, "tokenizer.ggml.tokens"), *vocab = json_object(), *added = json_array(), *token;
    size_t i;
    json_array_foreach(tokens, i, token) {
        json_object_set_new(vocab, json_string_value(token), json_integer((json_int_t)i));
        if (gguf_item(types, i) == 3) /* control */
            json_array_append_new(added, json_pack("{s:i,s:O,s:b,s:b,s:b,s:b,s:b}", "id", (int)i, "content",
                                                   token, "special", 1, "single_word", 0, "lstrip", 0,
                                                   "rstrip", 0, "normalized", 0));
    }
    json_t *j = json_pack("{s:s,s:o,s:n,s:{s:s,s:b,s:b,s:b},s:n,s:{s:s},s:{s:s,s:o,s:o}}", "version", "1.0",
                          "added_tokens", added, "normalizer", "pre_tokenizer", "type", "ByteLevel",
                          "add_prefix_space", 0, "trim_offsets", 1, "use_regex", 1, "post_processor",
                          "decoder", "type", "ByteLevel", "model", "type", "BPE", "vocab", vocab, "merges",
                          texts(m, "tokenizer.ggml.merges"));
    char *text = json_dumps(j, 0);
    folder_text(folder, "tokenizer.json", text);
    free(text);
    json_decref(j);
    json_decref(tokens);
}

int main(int argc, char **argv)
{
    struct model *m;
    if (argc != 3 && argc != 4)
        die("usage: make_folder IN.gguf FOLDER [PARTS]");
    if (model_open(&m, argv[1], 0, &e) || file_make_folder(argv[2], &e))
        die("%s", e.text);
    put_config(m, argv[2]);
    put_weights(m, argv[2], argc == 4 ? atoi(argv[3]) : 1);
    const struct gguf_value *types = gguf_find(&m->shards[0], "tokenizer.ggml.token_type");
    if (types)
        put_tokenizer(m, types, argv[2]);
    model_close(m);
    return 0;
}
