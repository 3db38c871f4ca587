/* tekken.json, Mistral's own file: {"config": {"pattern", "default_vocab_size",
 * "default_num_special_tokens"}, "vocab": [{"rank", "token_bytes" in base64}, …], "special_tokens": [{"rank",
 * "token_str"}, …]}; the tokens' numbers are their ranks behind the special ones. It is put into the form of
 * a tokenizer.json.
 *
 * There are no merges in it: of the adjacent tokens whose bytes together are a token, those with the
 * lowest rank are joined first. So a token's merge joins the two that are left when its bytes were joined
 * by lower ranks alone. Format: https://github.com/mistralai/mistral-common (tokens/tokenizers/tekken.py). */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/str.h"
#include "model/hf_vocab_priv.h"

enum { TOKEN_MOST = 1024, SPECIAL_MOST = 1 << 16 }; /* bytes of a token, special tokens */

/* Of files that list none. */
static const char *const old_special[] = {
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]",
    "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
};

static int broken(const struct hf_vocab *v, const char *what, struct error *e)
{
    return error_set(e, ERROR_FAILED, "cannot read %s/tekken.json: %s; download the file again", v->folder, what);
}

/* -------------------------------------------------------------------- letters */

/* GPT-2's letter for a byte (text/bpe.c): itself where it prints in Latin-1; the others follow from U+0100
 * on. */
static unsigned letter_of(unsigned byte)
{
    enum { BEFORE_DEL = ' ' + 1, BEFORE_SOFT_HYPHEN = BEFORE_DEL + 0xA0 - 0x7F + 1 };
    return byte <= ' '                   ? 0x100 + byte
         : byte >= 0x7F && byte <= 0xA0  ? 0x100 + BEFORE_DEL + byte - 0x7F
         : byte == 0xAD                  ? 0x100 + BEFORE_SOFT_HYPHEN
                                         : byte;
}

struct spelling { /* a token in letters */
    char text[2 * TOKEN_MOST + 1];
    uint16_t ends[TOKEN_MOST]; /* of the letters */
    size_t bytes;
};

static void spell(struct spelling *s, const unsigned char *bytes, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned c = letter_of(bytes[i]);
        if (c >= 0x80)
            s->text[n++] = (char)(0xC0 | c >> 6);
        s->text[n++] = (char)(c >= 0x80 ? 0x80 | (c & 0x3F) : c);
        s->ends[i] = (uint16_t)n;
    }
    s->text[n] = 0;
    s->bytes = count;
}

/* --------------------------------------------------------------------- merges */

static int64_t number_of(const json_t *vocab, const char *text, size_t length)
{
    return hf_json_integer(json_object_getn(vocab, text, length));
}

/* Of the pairs of adjacent parts the one that joins first, below `limit`; -1: none can. */
static int best_pair(const struct spelling *s, const json_t *vocab, const uint16_t *parts, int count, int64_t limit)
{
    int best = -1;
    for (int i = 0; i + 1 < count; i++) {
        size_t from = i ? parts[i - 1] : 0;
        int64_t number = number_of(vocab, s->text + from, parts[i + 1] - from);
        if (number >= 0 && number < limit) {
            limit = number;
            best = i;
        }
    }
    return best;
}

/* Where the token's text is cut in two, or 0 where its bytes do not come down to two parts. */
static size_t find_cut(const struct spelling *s, const json_t *vocab, int64_t number)
{
    uint16_t parts[TOKEN_MOST]; /* their ends */
    int count = (int)s->bytes, pair = 0;
    memcpy(parts, s->ends, s->bytes * sizeof *parts);
    while (count > 2 && (pair = best_pair(s, vocab, parts, count, number)) >= 0) {
        memmove(parts + pair, parts + pair + 1, (count - pair - 1) * sizeof *parts);
        count--;
    }
    return count == 2 ? parts[0] : 0;
}

/* --------------------------------------------------------------------- reading */

static int spell_item(const struct hf_vocab *v, const json_t *item, struct spelling *s, struct error *e)
{
    unsigned char bytes[TOKEN_MOST];
    const char *text = hf_json_text(item, "token_bytes");
    size_t length = text ? strlen(text) : 0;
    size_t count = length <= TOKEN_MOST ? base64_bytes(bytes, text ? text : "", length) : 0;
    if (count == 0)
        return broken(v, "a token has no token_bytes, or they are not base64, or too many", e);
    spell(s, bytes, count);
    return 0;
}

static int put_tokens(const struct hf_vocab *v, const json_t *list, int64_t first, int64_t count,
                      json_t *vocab, json_t *merges, struct error *e)
{
    struct spelling s;
    int rc = 0;
    for (int64_t i = 0; !rc && i < count; i++) {
        if ((rc = spell_item(v, json_array_get(list, i), &s, e)))
            break;
        int64_t number = first + i;
        size_t cut = s.bytes > 1 ? find_cut(&s, vocab, number) : 0;
        json_object_set_new(vocab, s.text, json_integer(number));
        if (cut)
            json_array_append_new(merges, json_pack("[s#s]", s.text, (int)cut, s.text + cut));
    }
    return rc;
}

static json_t *special_tokens(const json_t *listed, int64_t count)
{
    json_t *out = json_array();
    for (int64_t i = 0; i < count; i++) {
        const char *text = hf_json_text(json_array_get(listed, i), "token_str");
        char *name = text ? xstrdup(text)
                   : !listed && i < (int64_t)ARRAY_LENGTH(old_special) ? xstrdup(old_special[i])
                                                                      : xasprintf("<SPECIAL_%lld>", (long long)i);
        json_array_append_new(out, json_pack("{s:I,s:s,s:b}", "id", (json_int_t)i, "content", name, "special", 1));
        free(name);
    }
    return out;
}

static int64_t count_of(const json_t *config, const char *key)
{
    int64_t n = hf_json_integer(json_object_get(config, key));
    return n <= INT32_MAX ? n : -1;
}

static int convert(struct hf_vocab *v, const json_t *tekken, struct error *e)
{
    const json_t *config = json_object_get(tekken, "config"), *list = json_object_get(tekken, "vocab");
    int64_t special = count_of(config, "default_num_special_tokens");
    int64_t size = count_of(config, "default_vocab_size");
    const char *pattern = hf_json_text(config, "pattern");
    if (!pattern || special < 0 || special > SPECIAL_MOST || size < special ||
        size - special > (int64_t)json_array_size(list))
        return broken(v, "config does not say how words are cut, or not how many tokens there are", e);
    json_t *vocab = json_object(), *merges = json_array();
    v->tokenizer = json_pack("{s:{s:s,s:b,s:o,s:o},s:o,s:{s:[{s:s,s:{s:s},s:s},{s:s,s:b}]}}",
        "model", "type", "BPE", "ignore_merges", 1, "vocab", vocab, "merges", merges,
        "added_tokens", special_tokens(json_object_get(tekken, "special_tokens"), special),
        "pre_tokenizer", "pretokenizers",
            "type", "Split", "pattern", "Regex", pattern, "behavior", "Isolated",
            "type", "ByteLevel", "use_regex", 0);
    return put_tokens(v, list, special, size - special, vocab, merges, e);
}

int hf_tekken_read(struct hf_vocab *v, struct error *e)
{
    json_t *tekken;
    int rc = hf_json_load(&tekken, v->folder, "tekken.json", e);
    if (rc || !tekken)
        return rc;
    rc = convert(v, tekken, e);
    if (!v->tokenizer_config)
        v->tokenizer_config = json_pack("{s:s,s:s,s:s,s:s,s:b}", "bos_token", "<s>", "eos_token", "</s>",
                                        "unk_token", "<unk>", "pad_token", "<pad>", "add_bos_token", 1);
    json_decref(tekken);
    return rc;
}
