#include "text/special.h"

#include <string.h>
#include <strings.h>

/* What a special token is for. A role's holder comes from the file's metadata, else it is the first token with one
 * of the texts below. */
enum role {
    SPECIAL_EOT, SPECIAL_EOM, SPECIAL_FIM_PRE, SPECIAL_FIM_SUF, SPECIAL_FIM_MID, SPECIAL_FIM_PAD, SPECIAL_FIM_REPO,
    SPECIAL_FIM_SEP, SPECIAL_ROLES, SPECIAL_NONE = SPECIAL_ROLES,
};

static const struct {
    const char *key, *old_key;
    bool ends; /* its holder ends generation */
} roles[SPECIAL_ROLES] = {
    [SPECIAL_EOT] = {"tokenizer.ggml.eot_token_id", NULL, true},
    [SPECIAL_EOM] = {"tokenizer.ggml.eom_token_id", NULL, true},
    [SPECIAL_FIM_PRE] = {"tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id", false},
    [SPECIAL_FIM_SUF] = {"tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id", false},
    [SPECIAL_FIM_MID] = {"tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id", false},
    [SPECIAL_FIM_PAD] = {"tokenizer.ggml.fim_pad_token_id", NULL, true},
    [SPECIAL_FIM_REPO] = {"tokenizer.ggml.fim_rep_token_id", NULL, true},
    [SPECIAL_FIM_SEP] = {"tokenizer.ggml.fim_sep_token_id", NULL, true},
};

/* The texts that llama.cpp knows (llama_vocab::impl::load). */
static const struct {
    const char *text;
    enum role role;
    bool ends;
} known[] = {
    {"<|eot_id|>", SPECIAL_EOT, true}, {"<|im_end|>", SPECIAL_EOT, true}, {"<|end|>", SPECIAL_EOT, true},
    {"<end_of_turn>", SPECIAL_EOT, true}, {"<|endoftext|>", SPECIAL_EOT, true}, {"<|end_of_text|>", SPECIAL_EOT, true},
    {"<EOT>", SPECIAL_EOT, true}, {"_<EOT>", SPECIAL_EOT, true}, {"[EOT]", SPECIAL_EOT, true},
    {"<\uFF5Cend\u2581of\u2581sentence\uFF5C>", SPECIAL_EOT, true}, {"<end_of_utterance>", SPECIAL_EOT, true},
    {"<|eom_id|>", SPECIAL_EOM, true},
    {"<|return|>", SPECIAL_NONE, true}, {"<|call|>", SPECIAL_NONE, true}, {"<|flush|>", SPECIAL_NONE, true},
    {"<|calls|>", SPECIAL_NONE, true}, {"</s>", SPECIAL_NONE, true}, {"[EOS]", SPECIAL_NONE, true},
    {"<eos>", SPECIAL_NONE, true}, {"<turn|>", SPECIAL_NONE, true},
    {"<|tool_response>", SPECIAL_NONE, true}, {"[e~[", SPECIAL_NONE, true},
    {"<|fim_prefix|>", SPECIAL_FIM_PRE}, {"<fim-prefix>", SPECIAL_FIM_PRE}, {"<fim_prefix>", SPECIAL_FIM_PRE},
    {"<\uFF5Cfim\u2581begin\uFF5C>", SPECIAL_FIM_PRE}, {"<PRE>", SPECIAL_FIM_PRE}, {"\u2581<PRE>", SPECIAL_FIM_PRE},
    {"<|code_prefix|>", SPECIAL_FIM_PRE}, {"<|prefix|>", SPECIAL_FIM_PRE},
    {"<|fim_suffix|>", SPECIAL_FIM_SUF}, {"<fim-suffix>", SPECIAL_FIM_SUF}, {"<fim_suffix>", SPECIAL_FIM_SUF},
    {"<\uFF5Cfim\u2581hole\uFF5C>", SPECIAL_FIM_SUF}, {"<SUF>", SPECIAL_FIM_SUF}, {"\u2581<SUF>", SPECIAL_FIM_SUF},
    {"<|code_suffix|>", SPECIAL_FIM_SUF}, {"<|suffix|>", SPECIAL_FIM_SUF},
    {"<|fim_middle|>", SPECIAL_FIM_MID}, {"<fim-middle>", SPECIAL_FIM_MID}, {"<fim_middle>", SPECIAL_FIM_MID},
    {"<\uFF5Cfim\u2581end\uFF5C>", SPECIAL_FIM_MID}, {"<MID>", SPECIAL_FIM_MID}, {"\u2581<MID>", SPECIAL_FIM_MID},
    {"<|code_middle|>", SPECIAL_FIM_MID}, {"<|middle|>", SPECIAL_FIM_MID},
    {"<|fim_pad|>", SPECIAL_FIM_PAD}, {"<fim-pad>", SPECIAL_FIM_PAD}, {"<fim_pad>", SPECIAL_FIM_PAD},
    {"<PAD>", SPECIAL_FIM_PAD}, {"[PAD]", SPECIAL_FIM_PAD},
    {"<|fim_repo|>", SPECIAL_FIM_REPO}, {"<|repo_name|>", SPECIAL_FIM_REPO}, {"<fim-repo>", SPECIAL_FIM_REPO},
    {"<REPO>", SPECIAL_FIM_REPO}, {"<reponame>", SPECIAL_FIM_REPO},
    {"<|file_sep|>", SPECIAL_FIM_SEP},
};

/* Parts of OpenAI's "harmony" chat format; text between them is for people, so they are printed. */
static const char *const harmony[] = {"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"};

static int32_t find(const struct vocab *v, const char *text)
{
    return vocab_find(v, text, strlen(text));
}

static bool ends(const struct vocab *v, const char *text)
{
    int32_t id = find(v, text);
    return id >= 0 && v->tokens[id].kind & TOKEN_ENDS;
}

static int32_t first_known(const struct vocab *v, enum role r)
{
    int32_t first = -1;
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        int32_t id = known[i].role == r ? find(v, known[i].text) : -1;
        if (id >= 0 && (first < 0 || id < first))
            first = id;
    }
    return first;
}

static void fill_role(struct vocab *v, const struct gguf *g, enum role r)
{
    int64_t id = -1;
    bool said = gguf_integer(g, roles[r].key, &id) || (roles[r].old_key && gguf_integer(g, roles[r].old_key, &id));
    if (!said || id < 0 || id >= v->count) {
        id = first_known(v, r);
        if (id >= 0)
            v->tokens[id].kind |= TOKEN_CONTROL;
    }
    if (id >= 0 && roles[r].ends)
        v->tokens[id].kind |= TOKEN_ENDS;
}

/* Some formats have one of these tokens for another purpose. */
static void exceptions(struct vocab *v)
{
    bool calls = ends(v, "<|call|>") || ends(v, "<|calls|>");
    if (calls && (ends(v, "<|return|>") || ends(v, "<|flush|>")) && ends(v, "<|end|>"))
        v->tokens[find(v, "<|end|>")].kind = TOKEN_USER;
    if (ends(v, "<|tool_response>") && ends(v, "</s>"))
        v->tokens[find(v, "</s>")].kind = TOKEN_NORMAL;
}

void special_mark(struct vocab *v, const struct gguf *g)
{
    for (int r = 0; r < SPECIAL_ROLES; r++)
        fill_role(v, g, r);
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        int32_t id = known[i].ends ? find(v, known[i].text) : -1;
        if (id >= 0)
            v->tokens[id].kind |= TOKEN_ENDS | TOKEN_CONTROL;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(harmony); i++)
        if (find(v, harmony[i]) >= 0)
            v->tokens[find(v, harmony[i])].kind = TOKEN_USER;
    if (v->eos >= 0)
        v->tokens[v->eos].kind |= TOKEN_ENDS;
    exceptions(v);
}

static void set_kind(struct vocab *v, const char *text, unsigned kind, bool on)
{
    int32_t id = find(v, text);
    if (id >= 0)
        v->tokens[id].kind = on ? v->tokens[id].kind | kind : v->tokens[id].kind & ~kind;
}

void special_strip(struct vocab *v, struct gguf *g)
{
    const char *name = gguf_text(g, "general.name"), *pre = gguf_text(g, "tokenizer.ggml.pre");
    if (pre && (strstr(pre, "jina-v2-de") || strstr(pre, "jina-v2-es") || strstr(pre, "jina-v2-code"))) {
        set_kind(v, "<mask>", TOKEN_LSTRIP, true);
    } else if (name && (strcasestr(name, "phi-3") || strcasestr(name, "phi3"))) {
        for (int i = 0; i < v->count; i++)
            if (v->tokens[i].kind & (TOKEN_CONTROL | TOKEN_USER | TOKEN_UNKNOWN))
                v->tokens[i].kind |= TOKEN_RSTRIP;
        set_kind(v, "</s>", TOKEN_RSTRIP, true);
        set_kind(v, "<unk>", TOKEN_RSTRIP, false);
        set_kind(v, "<s>", TOKEN_RSTRIP, false);
        set_kind(v, "<|endoftext|>", TOKEN_RSTRIP, false);
    } else if (name && strcasestr(name, "modern-bert")) {
        set_kind(v, "[MASK]", TOKEN_LSTRIP, true);
    }
}
