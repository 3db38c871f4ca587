/* Which pre-tokenizer is it? GGUF names pre-tokenizers, tokenizer.json describes them: a row of steps, each
 * of which cuts the pieces of the one before. A step is a regular expression whose matches become words
 * (Split), a digit a word (Digits), or GPT-2's pattern (ByteLevel). The table below knows the rows that the
 * named models use.
 *
 * Whether words that are tokens as they stand are merged all the same (model.ignore_merges) tells Llama 3
 * from others with its pattern. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf_vocab_priv.h"

enum { STEPS_MOST = 6 };

/* Steps that are given by their types. */
static const char DIGITS[] = "\\p{N}";
static const char GPT2[] = "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

#define CONTRACTION "<'S>" /* English contractions in either case, however a pattern spells them */
#define SMALL_CONTRACTION "<'s>" /* in lower case alone */
#define LETTERS "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define OTHERS " ?[^\\s\\p{L}\\p{N}]+"
#define WORDS(digits) LETTERS "|" digits "|" OTHERS "[\\r\\n]*|" ENDS
#define GPT2_WORDS SMALL_CONTRACTION "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define ENDS "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(contraction, digits)                                                                          \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" contraction "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*"   \
    contraction "|" digits "|" OTHERS "[\\r\\n/]*|" ENDS

static const struct {
    const char *name, *whole_name; /* whole_name: with ignore_merges, where that has a name of its own */
    const char *steps[STEPS_MOST];
} table[] = {
    {"gpt-2", NULL, {GPT2_WORDS}},
    {"smollm", NULL, {"\\p{N}", GPT2_WORDS}},
    {"dbrx", "llama-bpe", {CONTRACTION "|" WORDS("\\p{N}{1,3}")}},
    {"qwen2", NULL, {CONTRACTION "|" WORDS("\\p{N}")}},
    {"minicpm5", NULL, {"\\p{N}{1,3}", CONTRACTION "|" WORDS("\\p{N}+")}},
    {"ufakzeka", NULL, {WORDS("\\p{N}")}},
    {"qwen35", NULL, {CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}|"
                      " ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" ENDS}},
    {"seed-coder", NULL, {CONTRACTION "|" LETTERS "|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" ENDS}},
    {"exaone-moe", NULL, {CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}|"
                          OTHERS "[\\r\\n/]?|" ENDS}},
    {"tekken", NULL, {CASED("", "\\p{N}")}},
    {"gpt-4o", NULL, {CASED(CONTRACTION "?", "\\p{N}{1,3}")}},
    {"deepseek-coder", NULL, {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+",
                              "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+", "\\p{N}"}},
    {"deepseek-v3", NULL, {"\\p{N}{1,3}", "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
                           "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
                           "[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" ENDS}},
};

/* ------------------------------------------------------------------ reading */

struct steps {
    char *texts[STEPS_MOST];
    int count;
    bool strange; /* something that is no such step, or too many */
};

/* The same pattern in one spelling. Of two spellings that begin alike the longer stands first. */
static char *normalized(struct hf_vocab *v, const char *pattern)
{
    static const struct { const char *spelled, *as; } spellings[] = {
        {"(?i:'s|'t|'re|'ve|'m|'ll|'d)", CONTRACTION},
        {"'(?i:[sdmt]|ll|ve|re)", CONTRACTION},
        {"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", CONTRACTION},
        {"'(?:[sdmt]|ll|ve|re)", SMALL_CONTRACTION},
        {"'s|'t|'re|'ve|'m|'ll|'d", SMALL_CONTRACTION},
        {"\\s*[\\r\\n]|", "\\s*[\\r\\n]+|"}, /* \s takes the line breaks before the last along */
        {"\\p{N}{1}", "\\p{N}"},
        {"++", "+"}, /* possessive: in the rows above nothing would be given back */
        {"?+", "?"},
        {"\r", "\\r"},
        {"\n", "\\n"},
    };
    struct str s = {0};
    while (*pattern) {
        size_t i = 0;
        while (i < ARRAY_LENGTH(spellings) && !str_starts(pattern, spellings[i].spelled))
            i++;
        if (i < ARRAY_LENGTH(spellings))
            str_add(&s, spellings[i].as);
        else
            str_add_char(&s, *pattern);
        pattern += i < ARRAY_LENGTH(spellings) ? strlen(spellings[i].spelled) : 1;
    }
    char *text = arena_strdup(&v->arena, s.data ? s.data : "");
    str_done(&s);
    return text;
}

static void add_step(struct hf_vocab *v, struct steps *s, const char *regex)
{
    array_push(v->rules.splits, v->rules.split_count, v->rules.split_capacity) = regex;
    if (s->count < STEPS_MOST)
        s->texts[s->count++] = normalized(v, regex);
    else
        s->strange = true;
}

/* A split whose matches are words: they are isolated, or all else, which is nothing, is removed. */
static bool isolates(const json_t *step)
{
    const char *behavior = hf_json_text(step, "behavior");
    bool inverted = hf_json_true(step, "invert");
    return behavior && ((strcmp(behavior, "Isolated") == 0 && !inverted) ||
                        (strcmp(behavior, "Removed") == 0 && inverted));
}

static void read_step(struct hf_vocab *v, const json_t *step, struct steps *s)
{
    const char *type = hf_json_text(step, "type");
    const char *regex = hf_json_text(json_object_get(step, "pattern"), "Regex");
    if (hf_json_true(step, "add_prefix_space")) /* GGUF cannot say it for byte-level BPE */
        s->strange = true;
    if (type && strcmp(type, "Split") == 0 && regex && isolates(step))
        add_step(v, s, regex);
    else if (type && strcmp(type, "Digits") == 0 && hf_json_true(step, "individual_digits"))
        add_step(v, s, DIGITS);
    else if (type && strcmp(type, "ByteLevel") == 0 && !json_is_false(json_object_get(step, "use_regex")))
        add_step(v, s, GPT2);
    else if (!type || strcmp(type, "ByteLevel") != 0)
        s->strange = true;
}

static struct steps read_steps(struct hf_vocab *v)
{
    const json_t *pre = json_object_get(v->tokenizer, "pre_tokenizer");
    const json_t *list = json_object_get(pre, "pretokenizers");
    struct steps s = {0};
    json_t *step;
    size_t i;
    json_array_foreach(list, i, step)
        read_step(v, step, &s);
    if (!list)
        read_step(v, pre, &s);
    return s;
}

/* --------------------------------------------------------------- recognizing */

static bool equal(const struct steps *s, const char *const *steps)
{
    for (int i = 0; i < STEPS_MOST; i++)
        if (i >= s->count ? steps[i] != NULL : !steps[i] || strcmp(steps[i], s->texts[i]) != 0)
            return false;
    return true;
}

static const char *unknown(const struct hf_vocab *v, const char *part, struct error *e)
{
    char *shown = json_dumps(json_object_get(v->tokenizer, part), JSON_COMPACT | JSON_ENCODE_ANY);
    error_set(e, ERROR_FAILED, "%s/tokenizer.json has a %s that no name in GGUF is known for: %.600s; where you "
              "know one that llama.cpp cuts words alike for, give it with --pre NAME ('llama-bpe', 'qwen2', "
              "'gpt-2', ...)", v->folder, part, shown ? shown : "none");
    free(shown);
    return NULL;
}

const char *hf_pretokenizer_name(struct hf_vocab *v, struct error *e)
{
    struct steps s = read_steps(v);
    if (v->rules.strange)
        return unknown(v, "normalizer", e);
    for (size_t i = 0; !s.strange && i < ARRAY_LENGTH(table); i++)
        if (equal(&s, table[i].steps))
            return v->rules.whole_words && table[i].whole_name ? table[i].whole_name : table[i].name;
    return unknown(v, "pre_tokenizer", e);
}
