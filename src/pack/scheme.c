#include "pack/scheme.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "pack/pack.h"
#include "quant/half.h"

/* A name without marks, what it stands for, and the marks that it can have. */
static const struct level {
    const char *name;
    struct scheme scheme;
    const char *marks;      /* of `marks` below, by their letters */
} levels[] = {
    {"gptq-int2", {.format = &pack_gptq, .bits = 2, .group = 128, .symmetric = true}, "gac"},
    {"gptq-int3", {.format = &pack_gptq, .bits = 3, .group = 128, .symmetric = true}, "gac"},
    {"gptq-int4", {.format = &pack_gptq, .bits = 4, .group = 128, .symmetric = true}, "gac"},
    {"gptq-int8", {.format = &pack_gptq, .bits = 8, .group = 128, .symmetric = true}, "gac"},
    {"awq-int4", {.format = &pack_awq, .bits = 4, .group = 128}, "gs"},
    {"nf4", {.format = &pack_nf4, .bits = 4, .group = 64, .symmetric = true, .double_quant = true}, "1"},
    {"fp4", {.format = &pack_fp4, .bits = 4, .group = 64, .symmetric = true, .double_quant = true}, "1"},
    {"bnb-int8", {.format = &pack_bnb_int8, .bits = 8, .symmetric = true}, ""},
    {"fp8", {.format = &pack_fp8, .bits = 8, .symmetric = true}, ""},
    {"w8a8", {.format = &pack_w8a8, .bits = 8, .symmetric = true}, "o"},
    {"w4a16", {.format = &pack_w4a16, .bits = 4, .group = 128, .symmetric = true}, "ga"},
};

static const int groups[] = {32, 64, 128};

/* ------------------------------------------------------------------------ marks */

static void mark_asym(struct scheme *s)
{
    s->symmetric = false;
}

static void mark_sym(struct scheme *s)
{
    s->symmetric = true;
}

static void mark_act(struct scheme *s)
{
    s->act_order = true;
}

static void mark_single(struct scheme *s)
{
    s->double_quant = false;
}

static void mark_smooth(struct scheme *s)
{
    s->smooth = true;
}

static const struct {
    char letter;
    const char *text;
    void (*set)(struct scheme *s);
} marks[] = {
    {'a', "asym", mark_asym}, {'s', "sym", mark_sym}, {'c', "act", mark_act}, {'1', "single", mark_single},
    {'o', "smooth", mark_smooth},
};

static bool set_group(struct scheme *s, const char *text)
{
    char name[16];
    if (strcmp(text, "grow") == 0) {
        s->group = 0;
        return true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(groups); i++) {
        snprintf(name, sizeof name, "g%d", groups[i]);
        if (strcmp(text, name) == 0) {
            s->group = groups[i];
            return true;
        }
    }
    return false;
}

static bool set_mark(struct scheme *s, const struct level *l, const char *text)
{
    for (size_t i = 0; i < ARRAY_LENGTH(marks); i++)
        if (strcmp(marks[i].text, text) == 0 && strchr(l->marks, marks[i].letter)) {
            marks[i].set(s);
            return true;
        }
    return strchr(l->marks, 'g') && set_group(s, text);
}

/* ------------------------------------------------------------------------ names */

static const struct level *level_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++) {
        size_t n = strlen(levels[i].name);
        if (strncmp(name, levels[i].name, n) == 0 && (name[n] == 0 || name[n] == '-'))
            return &levels[i];
    }
    return NULL;
}

bool scheme_is_name(const char *name)
{
    static const char *const families[] = {"gptq", "awq", "nf4", "fp4", "bnb", "fp8", "w8a8", "w4a16"};
    for (size_t i = 0; i < ARRAY_LENGTH(families); i++) {
        size_t n = strlen(families[i]);
        if (strncmp(name, families[i], n) == 0 && (name[n] == 0 || name[n] == '-'))
            return true;
    }
    return false;
}

const char *scheme_level_at(int i)
{
    return i >= 0 && (size_t)i < ARRAY_LENGTH(levels) ? levels[i].name : NULL;
}

static int unknown_level(const char *name, struct error *e)
{
    struct str known = {0};
    if (strcmp(name, "awq-int8") == 0 || str_starts(name, "awq-int8-"))
        return error_set(e, ERROR_USAGE, "'%.40s': vLLM and transformers load AWQ with 4 bits only; take gptq-int8 or"
                         " w8a8", name);
    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++)
        str_addf(&known, "%s%s", i ? ", " : "", levels[i].name);
    error_set(e, ERROR_USAGE, "'%.40s' is no format of a checkpoint folder; known are %s", name, known.data);
    str_done(&known);
    return e->code;
}

static int unknown_mark(const struct level *l, const char *mark, struct error *e)
{
    struct str known = {0};
    if (strchr(l->marks, 'g'))
        str_add(&known, "-g32, -g64, -g128, -grow");
    for (size_t i = 0; i < ARRAY_LENGTH(marks); i++)
        if (strchr(l->marks, marks[i].letter))
            str_addf(&known, "%s-%s", known.length ? ", " : "", marks[i].text);
    error_set(e, ERROR_USAGE, "'%s-%.20s': %s takes %s", l->name, mark, l->name,
              known.length ? known.data : "no further marks");
    str_done(&known);
    return e->code;
}

int scheme_parse(struct scheme *s, const char *name, struct error *e)
{
    const struct level *l = level_of(name);
    if (!l)
        return unknown_level(name, e);
    *s = l->scheme;
    for (const char *at = name + strlen(l->name); *at;) {
        char mark[24];
        size_t n = strcspn(++at, "-");
        snprintf(mark, sizeof mark, "%.*s", (int)n, at);
        if (!set_mark(s, l, mark))
            return unknown_mark(l, mark, e);
        at += n;
    }
    return 0;
}

static const struct level *level_for(const struct scheme *s)
{
    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++)
        if (levels[i].scheme.format == s->format && levels[i].scheme.bits == s->bits)
            return &levels[i];
    die("a scheme of %s with %d bits has no name", s->format->name, s->bits);
}

void scheme_name(const struct scheme *s, char out[static SCHEME_NAME])
{
    const struct level *l = level_for(s);
    const struct scheme *d = &l->scheme;
    char group[16] = "";
    if (s->group != d->group)
        snprintf(group, sizeof group, s->group ? "-g%d" : "-grow", s->group);
    snprintf(out, SCHEME_NAME, "%s%s%s%s%s%s", l->name, group,
             s->symmetric == d->symmetric ? "" : s->symmetric ? "-sym" : "-asym", s->act_order ? "-act" : "",
             s->double_quant == d->double_quant ? "" : "-single", s->smooth ? "-smooth" : "");
}

/* ----------------------------------------------------------------------- shapes */

uint64_t scheme_bytes(const struct scheme *s, int64_t rows, int64_t columns)
{
    struct packed p;
    uint64_t bytes = 0;
    packed_init(&p, s, rows, columns);
    for (int i = 0; i < p.count; i++)
        bytes += pack_part_bytes(&p.parts[i]);
    return bytes;
}

bool scheme_fits(const struct scheme *s, int64_t rows, int64_t columns, const char **why)
{
    const char *text = NULL;
    bool over_ends = s->format == &pack_nf4 || s->format == &pack_fp4; /* of rows: their blocks run on */
    if (s->group && !over_ends && columns % scheme_group(s, columns))
        text = "its row length is no multiple of the group";
    else if (s->format->column_multiple && columns % s->format->column_multiple(s))
        text = "its row length does not fill the words that codes are packed into";
    else if (s->format->row_multiple && rows % s->format->row_multiple(s))
        text = "its number of rows does not fill the words that codes are packed into";
    if (why)
        *why = text;
    return !text;
}

int64_t scheme_group(const struct scheme *s, int64_t columns)
{
    return s->group ? s->group : columns;
}

int64_t scheme_groups(const struct scheme *s, int64_t columns)
{
    int64_t group = scheme_group(s, columns);
    return group ? (columns + group - 1) / group : 0;
}

/* Halves hold GPTQ's and AWQ's; what compressed-tensors has follows the checkpoint. */
float scheme_round_scale(const struct scheme *s, float scale)
{
    bool half = s->format == &pack_gptq || s->format == &pack_awq || (s->format == &pack_w4a16 && !s->bf16);
    if (!half)
        return s->bf16 ? bf16_to_float(bf16_from_float(scale)) : scale;
    float rounded = half_to_float(half_from_float(scale));
    return rounded > 0 ? rounded : 0x1p-24f;
}

int scheme_least_zero(const struct scheme *s)
{
    return s->format == &pack_gptq && s->symmetric ? 1 : 0;
}
