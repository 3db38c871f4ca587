/* The tables of the manual, printed from the tables of the program: `make update-docs` puts them into README.md
 * and man/, and a test compares. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rulefile.h"
#include "base/str.h"
#include "cmd/args.h"
#include "doctor/doctor.h"
#include "model/architecture.h"
#include "model/hf_class.h"
#include "plan/plan_schema.h"
#include "plan/rules.h"
#include "run/events.h"
#include "ui/glossary.h"
#include "ui/key.h"
#include "ui/ui.h"

/* A sentence a line, as mdoc wants it. */
static void mdoc_text(const char *s)
{
    for (const char *start = s; *s; s++)
        if (*s == '\\')
            fputs("\\e", stdout);
        else if (*s == '-' && s[1] == '-')
            fputs("\\-", stdout);
        else if (*s == ' ' && s > start && strchr(".?!", s[-1]) && s[1])
            putchar('\n');
        else
            putchar(*s);
    putchar('\n');
}

/* Shown with its command: neither a wish nor taken by every command. */
static bool own_option(const struct command *c, const struct option_spec *o)
{
    for (const struct option_spec *p = common_options; p->name; p++)
        if (strcmp(p->name, o->name) == 0)
            return false;
    return !c->wishes || wish_find(o->name) < 0;
}

static void mdoc_option(const struct option_spec *o)
{
    printf(".It ");
    if (o->letter)
        printf("Fl %c , ", o->letter);
    printf("Fl \\-%s", o->name);
    printf(o->argument ? " Ar %s\n" : "\n", o->argument);
    mdoc_text(o->help);
}

static void mdoc_command(const struct command *c)
{
    struct option_list l = args_options(c);
    bool any = false;
    printf(".Ss quantwiz %s ", c->name);
    mdoc_text(c->usage);
    mdoc_text(c->summary);
    for (int i = 0; i < l.count; i++) {
        if (!own_option(c, &l.items[i]))
            continue;
        if (!any)
            puts(".Bl -tag -width Ds -compact");
        any = true;
        mdoc_option(&l.items[i]);
    }
    if (any)
        puts(".El");
    if (c->wishes)
        puts("Takes the wishes too.");
    free(l.items);
}

static int docs_commands(struct error *e)
{
    (void)e;
    for (int i = 0; commands[i]; i++)
        if (commands[i]->summary)
            mdoc_command(commands[i]);
    return 0;
}

static int docs_common(struct error *e)
{
    (void)e;
    for (const struct option_spec *o = common_options; o->name; o++)
        mdoc_option(o);
    return 0;
}

static int docs_wishes(struct error *e)
{
    (void)e;
    for (int i = 0; i < WISH_COUNT; i++) {
        const struct wish_spec *w = &wish_specs[i];
        printf(".It Fl \\-%s", w->name);
        if (w->bare)
            printf(" Ns Op =");
        for (int k = 0; w->choices && w->choices[k]; k++)
            printf(k ? " | Cm %s" : " Cm %s", w->choices[k]);
        if (!w->choices)
            printf(" Ar %s", w->unit && !strchr(w->unit, '/') ? w->unit : "value");
        putchar('\n');
        mdoc_text(w->help);
    }
    return 0;
}

static int docs_events(struct error *e)
{
    (void)e;
#define ROW(id, name, help) puts(".It Cm " name), mdoc_text(help);
    EVENT_KINDS(ROW)
#undef ROW
    return 0;
}

/* The levels as a Markdown table. */
static int docs_levels(struct error *e)
{
    struct arena a = {0};
    struct yaml *y, *list = NULL;
    int rc = rulefile_load(&y, "levels", &a, e);
    if (!rc)
        rc = yaml_child(y, "levels", true, YAML_LIST, &list, e);
    if (!rc)
        puts("| level | what it is |\n|---|---|");
    for (size_t i = 0; !rc && i < list->count; i++) {
        const char *name = NULL, *summary = "";
        rc = yaml_text(list->items[i], "name", true, &name, e);
        if (!rc && !(rc = yaml_text(list->items[i], "summary", false, &summary, e)))
            printf("| %s | %s |\n", name, summary);
    }
    arena_done(&a);
    return rc;
}

/* The classes of folders that can be read. */
static int docs_folders(struct error *e)
{
    const struct hf_class *c;
    (void)e;
    for (int i = 0; (c = hf_class_at(i)); i++) {
        const struct architecture *a = architecture_named(c->gguf);
        printf(".It %s\n%s%s\n", c->name, a->title, a->evaluated ? "" : " (converted, but not evaluated)");
    }
    return 0;
}

static void docs_key_table(const char *title, const struct page_key *keys)
{
    printf(".Ss %s\n.Bl -tag -width Ds -compact\n", title);
    for (const struct page_key *k = keys; k->help; k++) {
        printf(".It Ic \\&%s", key_name(k->key));
        if (k->also)
            printf(" , Ic \\&%s", key_name(k->also));
        putchar('\n');
        mdoc_text(k->help);
    }
    puts(".El");
}

static int docs_keys(struct error *e)
{
    (void)e;
    docs_key_table("Every page", ui_global_keys);
    for (int i = 0; i < PAGE_COUNT; i++)
        docs_key_table(pages[i]->name, pages[i]->keys);
    return 0;
}

/* The words that the help explains. */
static int docs_words(struct error *e)
{
    const char *meaning = NULL, *term;
    (void)e;
    for (int i = 0; (term = glossary_at(i, &meaning)); i++) {
        printf(".It %s\n", term);
        mdoc_text(meaning);
    }
    return 0;
}

static int docs_plan(struct error *e)
{
    (void)e;
    schema_manual(plan_schema(), stdout);
    return 0;
}

/* A section for each rule file whose schema stands in plan/. */
static int docs_rules(struct error *e)
{
    (void)e;
    for (const char *const *name = rulefile_names(); *name; name++) {
        const struct schema_field *fields = strcmp(*name, "troubleshooting") == 0 ? doctor_schema : rules_schema(*name);
        if (fields) {
            printf(".Sh %s.yaml\n", *name);
            schema_manual(fields, stdout);
        }
    }
    return 0;
}

static const struct topic {
    const char *name;
    int (*print)(struct error *e);
} topics[] = {
    {"commands", docs_commands}, {"common", docs_common}, {"wishes", docs_wishes},
    {"events", docs_events},     {"levels", docs_levels}, {"keys", docs_keys},
    {"words", docs_words},       {"plan", docs_plan},     {"rules", docs_rules},
    {"folders", docs_folders},
};

static int run(const struct args *a, struct error *e)
{
    for (size_t i = 0; i < ARRAY_LENGTH(topics); i++)
        if (strcmp(topics[i].name, args_operand(a, 0)) == 0)
            return topics[i].print(e);
    return error_set(e, ERROR_USAGE, "there is no generated table called '%s'", args_operand(a, 0));
}

/* Without a summary: left out of the help and the manual. */
const struct command cmd_docs = {
    .name = "docs", .usage = "TOPIC", .operands_min = 1, .operands_max = 1, .run = run,
};
