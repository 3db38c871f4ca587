/* Which pre-tokenizer is it? GGUF names pre-tokenizers, tokenizer.json describes them: a row of steps, each of which
 * cuts the pieces of the one before. A step is a regular expression whose matches become words (Split), a digit a
 * word (Digits), or GPT-2's pattern (ByteLevel). The table below knows the rows that the named models use.
 *
 * Whether words that are tokens as they stand are merged all the same (model.ignore_merges) tells Llama 3 from others
 * with its pattern. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/hf_vocab_priv.h"

enum { STEPS_MOST = 4 };

/* Steps that are no regular expression. */
static const char DIGITS[] = "digits", GPT2[] = "gpt2";

#define CONTRACTION "<'s>" /* English contractions, however a pattern spells them */
#define WORDS(digits) CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" ENDS
#define ENDS "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(contraction, digits)                                                                          \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" contraction "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*"   \
    contraction "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" ENDS

static const struct {
    const char *name, *whole_name; /* whole_name: with ignore_merges, where that has a name of its own */
    const char *steps[STEPS_MOST];
} table[] = {
    {"gpt-2", NULL, {GPT2}},
    {"smollm", NULL, {DIGITS, GPT2}},
    {"dbrx", "llama-bpe", {WORDS("\\p{N}{1,3}")}},
    {"qwen2", NULL, {WORDS("\\p{N}")}},
    {"tekken", NULL, {CASED("", "\\p{N}")}},
    {"gpt-4o", NULL, {CASED(CONTRACTION "?", "\\p{N}{1,3}")}},
};

/* ------------------------------------------------------------------ reading */

struct steps {
    char *texts[STEPS_MOST];
    int count;
    bool strange; /* something that is no such step, or too many */
};

/* The same pattern in one spelling. */
static char *normalized(struct hf_vocab *v, const char *pattern)
{
    static const char *const spellings[] = {
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'(?i:[sdmt]|ll|ve|re)", "'(?:[sdmt]|ll|ve|re)",
        "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])",
    };
    struct str s = {0};
    while (*pattern) {
        size_t skip = 0;
        for (size_t i = 0; i < ARRAY_LENGTH(spellings) && !skip; i++)
            skip = str_starts(pattern, spellings[i]) ? strlen(spellings[i]) : 0;
        if (skip)
            str_add(&s, CONTRACTION);
        else
            str_add_char(&s, *pattern);
        pattern += skip ? skip : 1;
    }
    char *text = arena_strdup(&v->arena, s.data ? s.data : "");
    str_done(&s);
    return text;
}

static void add_step(struct steps *s, char *text)
{
    if (s->count < STEPS_MOST)
        s->texts[s->count++] = text;
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
    const char *type = hf_json_text(step, "type"), *regex = hf_json_text(json_object_get(step, "pattern"), "Regex");
    if (type && strcmp(type, "Split") == 0 && regex && isolates(step))
        add_step(s, normalized(v, regex));
    else if (type && strcmp(type, "Digits") == 0 && hf_json_true(step, "individual_digits"))
        add_step(s, (char *)DIGITS);
    else if (type && strcmp(type, "ByteLevel") == 0 && !json_is_false(json_object_get(step, "use_regex")))
        add_step(s, (char *)GPT2);
    else if (!type || strcmp(type, "ByteLevel") != 0)
        s->strange = true;
}

static struct steps read_steps(struct hf_vocab *v)
{
    const json_t *pre = json_object_get(v->tokenizer, "pre_tokenizer"), *list = json_object_get(pre, "pretokenizers");
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

const char *hf_pretokenizer_name(struct hf_vocab *v, struct error *e)
{
    bool whole = hf_json_true(json_object_get(v->tokenizer, "model"), "ignore_merges");
    struct steps s = read_steps(v);
    for (size_t i = 0; !s.strange && i < ARRAY_LENGTH(table); i++)
        if (equal(&s, table[i].steps))
            return whole && table[i].whole_name ? table[i].whole_name : table[i].name;
    char *shown = json_dumps(json_object_get(v->tokenizer, "pre_tokenizer"), JSON_COMPACT | JSON_ENCODE_ANY);
    error_set(e, ERROR_FAILED, "%s/tokenizer.json cuts words in a way that no GGUF name is known for; where you know "
              "one that llama.cpp cuts alike, give it with --pre NAME ('llama-bpe', 'qwen2', 'gpt-2', …). Its "
              "pre_tokenizer: %s", v->folder, shown ? shown : "none");
    free(shown);
    return NULL;
}
