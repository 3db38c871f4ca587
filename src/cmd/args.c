#include "cmd/args.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/table.h"

struct given { const char *name, *value; };

struct args {
    struct given *given;
    int given_count, given_capacity;
    char **operands;
    int operand_count;
};

const struct option_spec common_options[] = {
    {"json", 0, NULL, "one JSON object on stdout instead of text"},
    {"threads", 't', "N", "threads to use (default: all that this process may use)"},
    {"machine", 0, "FILE", "replay another machine: hwloc XML, or quantwiz's own YAML"},
    {"help", 'h', NULL, "this help"},
    {0},
};

static bool listed(const struct option_list *l, const char *name)
{
    for (int i = 0; i < l->count; i++)
        if (strcmp(l->items[i].name, name) == 0)
            return true;
    return false;
}

static void list_add(struct option_list *l, struct option_spec o)
{
    if (!listed(l, o.name))
        array_push(l->items, l->count, l->capacity) = o;
}

static const char *wish_argument(const struct wish_spec *w)
{
    switch (w->type) {
    case WISH_BYTES: return "BYTES";
    case WISH_PERCENT: return "PERCENT";
    case WISH_PATH: return "FILE";
    case WISH_CHOICE: return "CHOICE";
    default: return "N";
    }
}

struct option_list args_options(const struct command *c)
{
    struct option_list l = {0};
    for (const struct option_spec *o = c->options; o && o->name; o++)
        list_add(&l, *o);
    for (int i = 0; c->wishes && i < WISH_COUNT; i++) {
        const struct wish_spec *w = &wish_specs[i];
        char letter = i == WISH_CTX ? 'c' : 0;
        list_add(&l, (struct option_spec){w->name, letter, wish_argument(w), w->help, w->bare});
    }
    for (const struct option_spec *o = common_options; o->name; o++)
        list_add(&l, *o);
    return l;
}

char *args_option_help(const struct command *c, const struct option_spec *o)
{
    int wish = c->wishes ? wish_find(o->name) : -1;
    const char *const *choices = wish >= 0 ? wish_specs[wish].choices : NULL;
    struct str help = {0};
    str_add(&help, o->help);
    for (int i = 0; choices && choices[i]; i++)
        str_addf(&help, "%s%s", i ? ", " : " (", choices[i]);
    if (choices)
        str_add_char(&help, ')');
    return str_take(&help);
}

void args_help(const struct command *c)
{
    struct option_list l = args_options(c);
    struct table t;
    printf("Usage: quantwiz %s %s\n\n%s\n\n", c->name, c->usage, c->summary ? c->summary : "");
    table_init(&t, "ll");
    for (int i = 0; i < l.count; i++) {
        const struct option_spec *o = &l.items[i];
        table_add(&t, "  %c%c%s --%s%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ', o->letter ? "," : " ",
                  o->name, !o->argument ? "" : o->optional ? "[=" : " ", o->argument ? o->argument : "",
                  o->optional ? "]" : "");
        char *help = args_option_help(c, o);
        table_add(&t, "%s", help);
        free(help);
    }
    table_print(&t, stdout, 0);
    table_done(&t);
    free(l.items);
}

int args_parse(struct args **out, const struct command *c, int argc, char **argv, bool *helped, struct error *e)
{
    struct option_list l = args_options(c);
    struct option *longs = xcalloc(l.count + 1, sizeof *longs);
    struct str shorts = {0};
    struct args *a = xcalloc(1, sizeof *a);
    int rc = 0, index, o;
    *out = NULL;
    *helped = false;
    str_add(&shorts, ":");
    for (int i = 0; i < l.count; i++) {
        int takes = !l.items[i].argument ? no_argument : l.items[i].optional ? optional_argument : required_argument;
        longs[i] = (struct option){l.items[i].name, takes, NULL, 1000 + i};
        if (l.items[i].letter)
            str_addf(&shorts, "%c%s", l.items[i].letter, l.items[i].argument ? ":" : "");
    }
    opterr = 0;
    optind = 0;
    while (!rc && (o = getopt_long(argc, argv, shorts.data, longs, &index)) != -1) {
        int at = o - 1000;
        for (int i = 0; o < 1000 && i < l.count; i++)
            if (l.items[i].letter == o)
                at = i;
        if (o == '?' || o == ':' || at < 0 || at >= l.count)
            rc = error_set(e, ERROR_USAGE, o == ':' ? "the option %s wants a value (quantwiz %s --help)"
                                                    : "there is no option %s (quantwiz %s --help lists them)",
                           argv[optind - 1], c->name);
        else if (strcmp(l.items[at].name, "help") == 0)
            *helped = true;
        else
            array_push(a->given, a->given_count, a->given_capacity) =
                (struct given){l.items[at].name, optarg ? optarg : ""};
    }
    a->operands = argv + optind;
    a->operand_count = argc - optind;
    if (!rc && !*helped && (a->operand_count < c->operands_min ||
                            (c->operands_max >= 0 && a->operand_count > c->operands_max)))
        rc = error_set(e, ERROR_USAGE, "usage: quantwiz %s %s", c->name, c->usage);
    if (*helped)
        args_help(c);
    free(l.items);
    free(longs);
    str_done(&shorts);
    if (rc)
        args_free(a);
    else
        *out = a;
    return rc;
}

void args_free(struct args *a)
{
    if (a)
        free(a->given);
    free(a);
}

const char *args_operand(const struct args *a, int i)
{
    return i < a->operand_count ? a->operands[i] : NULL;
}

int args_operand_count(const struct args *a)
{
    return a->operand_count;
}

const char *args_nth(const struct args *a, const char *option, int n)
{
    for (int i = 0; i < a->given_count; i++)
        if (strcmp(a->given[i].name, option) == 0 && n-- == 0)
            return a->given[i].value;
    return NULL;
}

const char *args_get(const struct args *a, const char *option)
{
    for (int i = a->given_count; i-- > 0;)
        if (strcmp(a->given[i].name, option) == 0)
            return a->given[i].value;
    return NULL;
}

bool args_has(const struct args *a, const char *option)
{
    return args_get(a, option) != NULL;
}

int args_int(const struct args *a, const char *option, int low, int high, int *value, struct error *e)
{
    const char *text = args_get(a, option);
    int64_t v;
    if (!text)
        return 0;
    if (!parse_int(text, low, high, &v))
        return error_set(e, ERROR_USAGE, "--%s: expected a whole number from %d to %d, found '%s'", option, low, high, text);
    *value = (int)v;
    return 0;
}

bool args_json(const struct args *a)
{
    return args_has(a, "json");
}

int args_wishes(const struct args *a, struct wishes *w, struct error *e)
{
    wishes_defaults(w, NULL, NULL);
    for (int i = 0; i < a->given_count; i++) {
        int id = wish_find(a->given[i].name);
        const char *value = a->given[i].value;
        if (id < 0)
            continue;
        if (wish_specs[id].bare && !*value)
            value = wish_specs[id].bare;
        if (wishes_set(w, id, value, e))
            return error_context(e, "--%s", a->given[i].name);
    }
    return 0;
}
