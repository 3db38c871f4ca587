#include "hub/offers.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"
#include "model/shard.h"

/* ------------------------------------------------------------------------- levels */

static const char *const plain_levels[] = {"BF16", "F16", "FP16", "F32", "FP32", "MXFP4", "NVFP4"};
static const char *const level_suffixes[] = {"_XXS", "_XXL", "_XS", "_XL", "_NL", "_K",
                                             "_S",   "_M",   "_L",  "_0",  "_1"};

/* Length of one of `words` at the beginning of the text; 0: none. */
static size_t match_word(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strncasecmp(text, words[i], strlen(words[i])) == 0)
            return strlen(words[i]);
    return 0;
}

/* "IQ4_XS", "Q4_K_M", "TQ1_0": a family, bits, and suffixes. */
static size_t match_level(const char *text)
{
    static const char *const families[] = {"IQ", "TQ", "Q"};
    size_t n = match_word(text, families, ARRAY_LENGTH(families)), more;
    if (!n || !isdigit((unsigned char)text[n]))
        return match_word(text, plain_levels, ARRAY_LENGTH(plain_levels));
    n++;
    while ((more = match_word(text + n, level_suffixes, ARRAY_LENGTH(level_suffixes))))
        n += more;
    return n;
}

/* The last one counts: names begin with the model's. */
char *offer_level(char out[static OFFER_LEVEL_SIZE], const char *name)
{
    out[0] = 0;
    for (const char *p = name; *p; p++) {
        size_t n = p == name || !isalnum((unsigned char)p[-1]) ? match_level(p) : 0;
        if (!n || n >= OFFER_LEVEL_SIZE || isalnum((unsigned char)p[n]))
            continue;
        for (size_t i = 0; i <= n; i++)
            out[i] = i < n ? (char)toupper((unsigned char)p[i]) : 0;
    }
    return out;
}

/* -------------------------------------------------------------------- GGUF models */

static bool is_gguf_model(const char *name)
{
    return fnmatch("*.gguf", name, FNM_CASEFOLD) == 0 && !strcasestr(name, "mmproj") &&
           !strcasestr(name, "imatrix");
}

/* Adds one file to the sum of an offer. */
static void add_part(struct offer *o, const struct remote_file *f, bool first)
{
    bool known = f && (f->etag || f->present);
    o->bytes = known && (first || o->bytes) ? o->bytes + f->bytes : 0;
    o->present = (first || o->present) && f && f->present;
}

static void add_offer(struct offers *s, const struct repository *r, const char *name)
{
    int number = 1, count = 1;
    char level[OFFER_LEVEL_SIZE];
    if (!shard_name(name, &number, &count))
        number = count = 1;
    if (number != 1)
        return;
    struct offer o = {.name = xstrdup(name), .level = xstrdup(offer_level(level, name)), .shards = count};
    for (int i = 1; i <= count; i++) {
        char *part = count > 1 ? shard_path(name, i, count) : xstrdup(name);
        add_part(&o, repository_file(r, part), i == 1);
        free(part);
    }
    array_push(s->items, s->count, s->capacity) = o;
}

static int compare_offers(const void *a, const void *b)
{
    const struct offer *x = a, *y = b;
    return x->bytes != y->bytes ? (x->bytes < y->bytes ? -1 : 1) : strcmp(x->name, y->name);
}

const char **offer_files(const struct offer *o, const struct repository *r, int *count)
{
    const char **list = xcalloc(o->shards + 1, sizeof *list);
    *count = 0;
    for (int i = 1; i <= o->shards; i++) {
        char *part = o->shards > 1 ? shard_path(o->name, i, o->shards) : xstrdup(o->name);
        const struct remote_file *f = repository_file(r, part);
        if (f)
            list[(*count)++] = f->name;
        free(part);
    }
    return list;
}

/* ------------------------------------------------------------------- checkpoints */

/* What a checkpoint's folder needs: its description, its tokenizer, its chat templates. */
static const char *const companions[] = {
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "tekken.json",
    "*.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates/*.jinja",
};

static bool is_companion(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(companions); i++)
        if (fnmatch(companions[i], name, FNM_PATHNAME) == 0)
            return true;
    return false;
}

/* The same weights may lie there several times: as one file, as shards, as the maker's own "consolidated"
 * files, as variants ("model.fp16.safetensors"). One set is enough, in transformers' order: one file, shards,
 * anything else. */
static const struct weights {
    const char *sign; /* the set is there where this file is */
    const char *pattern, *index;
} weight_sets[] = {
    {"model.safetensors", "model.safetensors", NULL},
    {"model.safetensors.index.json", "model-*-of-*.safetensors", "model.safetensors.index.json"},
    {NULL, "*.safetensors", NULL},
};

static const struct weights *find_weights(const struct repository *r)
{
    const struct weights *w = weight_sets;
    while (w->sign && !repository_file(r, w->sign))
        w++;
    return w;
}

static bool is_weights(const char *name, const struct weights *w)
{
    return fnmatch(w->pattern, name, FNM_PATHNAME) == 0 && fnmatch("consolidated*", name, 0) != 0 &&
           fnmatch("adapter_*", name, 0) != 0;
}

const char **checkpoint_files(const struct repository *r, int *count)
{
    const char **list = xcalloc(r->count + 1, sizeof *list);
    const struct weights *w = find_weights(r);
    *count = 0;
    for (int i = 0; i < r->count; i++) /* the small ones first: what is wrong with them is known early */
        if (is_companion(r->files[i].name) || (w->index && strcmp(w->index, r->files[i].name) == 0))
            list[(*count)++] = r->files[i].name;
    for (int i = 0; i < r->count; i++)
        if (is_weights(r->files[i].name, w))
            list[(*count)++] = r->files[i].name;
    return list;
}

static bool all_present(const struct repository *r)
{
    int count;
    const char **names = checkpoint_files(r, &count);
    bool present = true;
    for (int i = 0; i < count; i++)
        present = present && repository_file(r, names[i])->present;
    free(names);
    return present;
}

static void look_for_checkpoint(struct offers *o, const struct repository *r)
{
    const struct weights *w = find_weights(r);
    bool weights = false;
    for (int i = 0; i < r->count; i++) {
        const char *name = r->files[i].name;
        bool here = is_weights(name, w);
        weights = weights || here;
        o->checkpoint_bytes += here ? r->files[i].bytes : 0;
        o->pickles = o->pickles || fnmatch("*.bin", name, 0) == 0 || fnmatch("*.pt", name, 0) == 0 ||
                     fnmatch("*.pth", name, 0) == 0;
    }
    o->checkpoint_present = all_present(r);
    o->checkpoint = weights && repository_file(r, "config.json");
    o->pickles = o->pickles && !weights;
}

/* ---------------------------------------------------------------------- together */

void offers_collect(struct offers *o, const struct repository *r)
{
    *o = (struct offers){0};
    for (int i = 0; i < r->count; i++)
        if (is_gguf_model(r->files[i].name))
            add_offer(o, r, r->files[i].name);
    if (o->count)
        qsort(o->items, o->count, sizeof *o->items, compare_offers);
    look_for_checkpoint(o, r);
}

void offers_done(struct offers *o)
{
    for (int i = 0; i < o->count; i++) {
        free(o->items[i].name);
        free(o->items[i].level);
    }
    free(o->items);
    *o = (struct offers){0};
}

const struct offer *offers_find(const struct offers *o, const char *wanted)
{
    const struct offer *of_level = NULL;
    int found = 0;
    for (int i = 0; i < o->count; i++) {
        const struct offer *x = &o->items[i];
        if (strcasecmp(x->name, wanted) == 0 || strcasecmp(path_name(x->name), wanted) == 0)
            return x;
        if (strcasecmp(x->level, wanted) == 0) {
            of_level = x;
            found++;
        }
    }
    return found == 1 ? of_level : NULL;
}
