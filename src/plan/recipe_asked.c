#include "plan/recipe_asked.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------------- pins */

static bool follow_pins(const struct recipe_options *o, struct tensor_plan *p)
{
    for (int i = 0; i < o->pin_count; i++)
        if (strcmp(o->pins[i].name, p->tensor->name) == 0) {
            p->wanted = o->pins[i].type;
            p->why = "listed by name";
            return true;
        }
    return false;
}

static const char *why_not_pinned(const struct recipe_walk *w, const char *name)
{
    for (int i = 0; i < w->model->tensor_count; i++)
        if (strcmp(w->model->tensors[i].name, name) == 0)
            return w->tensors[i].kept;
    return "the model has no tensor of this name";
}

static int check_pins(const struct recipe_walk *w, const struct recipe_options *o, struct error *e)
{
    for (int i = 0; i < o->pin_count; i++) {
        const char *why = why_not_pinned(w, o->pins[i].name);
        if (why)
            return error_set(e, ERROR_USAGE, "the list of tensors has %s for %s, which cannot be: %s",
                             o->pins[i].type->name, o->pins[i].name, why);
    }
    return 0;
}

/* ------------------------------------------------------------------ options */

static bool follow_options(const struct recipe_walk *w, const struct recipe_options *o,
                           const struct walk_tensor *t, struct tensor_plan *p)
{
    const struct quant_type *type = NULL;
    if (t->embedding && o->embedding_type)
        type = o->embedding_type;
    else if (t->role != NO_ROLE && t->role == w->rules->book->output)
        type = o->output_type;
    if (!type)
        return false;
    p->wanted = type;
    p->why = "asked for by an option";
    return true;
}

/* ----------------------------------------------------------------- patterns */

struct asked_pattern { pcre2_code *code; const struct quant_type *type; bool used; };

static int compile_pattern(struct asked_pattern *c, const struct recipe_override *o, struct error *e)
{
    int code;
    PCRE2_SIZE at;
    PCRE2_UCHAR message[128];
    c->type = o->type;
    c->code = pcre2_compile((PCRE2_SPTR)o->pattern, PCRE2_ZERO_TERMINATED, 0, &code, &at, NULL);
    if (c->code)
        return 0;
    pcre2_get_error_message(code, message, sizeof message);
    return error_set(e, ERROR_USAGE, "the tensor pattern '%s' is no regular expression: %s at character %zu",
                     o->pattern, (char *)message, (size_t)at);
}

static bool matches(const pcre2_code *code, const char *name)
{
    pcre2_match_data *d = pcre2_match_data_create(1, NULL);
    int rc = pcre2_match(code, (PCRE2_SPTR)name, strlen(name), 0, 0, d, NULL);
    pcre2_match_data_free(d);
    return rc >= 0;
}

static bool follow_patterns(const struct asked *a, struct tensor_plan *p)
{
    for (int i = 0; i < a->options->override_count; i++)
        if (matches(a->patterns[i].code, p->tensor->name)) {
            a->patterns[i].used = true;
            p->wanted = a->patterns[i].type;
            p->why = "asked for by a tensor pattern";
            return true;
        }
    return false;
}

/* --------------------------------------------------------------------- whole */

int asked_init(struct asked *a, const struct recipe_walk *w, const struct recipe_options *o, struct error *e)
{
    *a = (struct asked){w, o, xcalloc(o->override_count, sizeof *a->patterns)};
    int rc = check_pins(w, o, e);
    for (int i = 0; !rc && i < o->override_count; i++)
        rc = compile_pattern(&a->patterns[i], &o->overrides[i], e);
    return rc;
}

void asked_done(struct asked *a)
{
    for (int i = 0; i < a->options->override_count; i++)
        pcre2_code_free(a->patterns[i].code);
    free(a->patterns);
}

bool asked_follow(const struct asked *a, const struct walk_tensor *t, struct tensor_plan *p)
{
    return follow_pins(a->options, p) || follow_options(a->walk, a->options, t, p) || follow_patterns(a, p);
}

int asked_check_used(const struct asked *a, struct error *e)
{
    for (int i = 0; i < a->options->override_count; i++)
        if (!a->patterns[i].used)
            return error_set(e, ERROR_USAGE,
                             "the tensor pattern '%s' fits no tensor that can be quantized, or only ones "
                             "that an earlier pattern took",
                             a->options->overrides[i].pattern);
    return 0;
}
