/* quantwiz doctor [RUN | MODEL] */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/watch.h"
#include "cmd/cmd.h"
#include "doctor/doctor.h"

static const struct option_spec options[] = {
    {"symptom", 0, "NAME", "only this one: gibberish, out-of-memory, slow, will-not-load, broke-off"},
    {"all", 0, NULL, "show what was looked for and not found, too"},
    {0},
};

/* ---------------------------------------------------------------------- printing */

static json_t *cause_json(const struct cause *c)
{
    json_t *j = json_object(), *steps = json_array();
    for (const char *const *s = c->steps; s && *s; s++)
        json_array_append_new(steps, json_text(*s));
    json_object_set_new(j, "check", json_text(c->check));
    json_object_set_new(j, "title", json_text(c->title));
    json_object_set_new(j, "finding", json_text(finding_name(c->finding)));
    json_object_set_new(j, "detail", json_text(c->detail));
    json_object_set_new(j, "steps", steps);
    json_object_set_new(j, "source", json_text(c->source));
    return j;
}

static bool is_wanted(const struct symptom *s, const char *symptom)
{
    return !symptom || strcmp(symptom, s->name) == 0;
}

static json_t *symptom_json(const struct symptom *s)
{
    json_t *j = json_object(), *causes = json_array();
    for (int i = 0; i < s->count; i++)
        json_array_append_new(causes, cause_json(&s->causes[i]));
    json_object_set_new(j, "name", json_text(s->name));
    json_object_set_new(j, "title", json_text(s->title));
    json_object_set_new(j, "causes", causes);
    return j;
}

static void print_json(const struct diagnosis *d, const char *symptom)
{
    json_t *j = json_object(), *symptoms = json_array();
    for (int i = 0; i < d->count; i++)
        if (is_wanted(&d->symptoms[i], symptom))
            json_array_append_new(symptoms, symptom_json(&d->symptoms[i]));
    json_object_set_new(j, "subject", json_text(d->subject));
    json_object_set_new(j, "found", json_integer(d->found));
    json_object_set_new(j, "unknown", json_integer(d->unknown));
    json_object_set_new(j, "symptoms", symptoms);
    json_print(stdout, j, 0);
}

static void print_cause(const struct cause *c)
{
    static const char marks[] = {[FINDING_NOT] = 'v', [FINDING_FOUND] = 'x', [FINDING_UNKNOWN] = '?'};
    printf("  %c %s: %s\n", marks[c->finding], c->title, c->detail);
    for (const char *const *s = c->steps; c->finding == FINDING_FOUND && s && *s; s++)
        printf("      - %s\n", *s);
}

static void print_symptom(const struct symptom *s, bool all)
{
    printf("%s\n", s->title);
    for (int i = 0; i < s->count; i++)
        if (all || cause_matters(&s->causes[i]))
            print_cause(&s->causes[i]);
    if (s->clean && !all)
        printf("  v %d of %d causes were looked for and not found\n", s->clean, s->count);
    if (s->idle && !all)
        printf("  ? %d of %d could not be looked for: %s\n", s->idle, s->count, s->lacks);
    putchar('\n');
}

static int check_symptom(const struct diagnosis *d, const char *symptom, struct error *e)
{
    for (int i = 0; i < d->count; i++)
        if (is_wanted(&d->symptoms[i], symptom))
            return 0;
    return error_set(e, ERROR_USAGE, "--symptom: rules/troubleshooting.yaml knows none called '%s'", symptom);
}

static int count_found(const struct diagnosis *d, const char *symptom)
{
    int found = 0;
    for (int i = 0; i < d->count; i++)
        for (int k = 0; is_wanted(&d->symptoms[i], symptom) && k < d->symptoms[i].count; k++)
            found += d->symptoms[i].causes[k].finding == FINDING_FOUND;
    return found;
}

/* Found causes are what a script wants to branch on. */
static int tell(const struct diagnosis *d, const struct args *a, struct error *e)
{
    const char *symptom = args_get(a, "symptom");
    int rc = check_symptom(d, symptom, e);
    if (rc)
        return rc;
    if (args_json(a))
        print_json(d, symptom);
    for (int i = 0; i < d->count && !args_json(a); i++)
        if (is_wanted(&d->symptoms[i], symptom))
            print_symptom(&d->symptoms[i], args_has(a, "all"));
    int found = count_found(d, symptom);
    return found ? error_set(e, ERROR_FAILED, "%s: %d %s found", d->subject, found, found == 1 ? "cause was" : "causes were") : 0;
}

static int run(const struct args *a, struct error *e)
{
    struct diagnosis d;
    struct wishes wishes = {0};
    struct progress p;
    const struct doctor_options o = {.path = args_operand(a, 0), .machine = args_get(a, "machine"), .wishes = &wishes,
                                     .watch = &p.watch};
    int rc = args_wishes(a, &wishes, e);
    if (rc) {
        wishes_done(&wishes);
        return rc;
    }
    interrupt_catch();
    progress_init(&p, args_json(a));
    rc = doctor_examine(&d, &o, e);
    progress_done(&p);
    rc = rc ? rc : tell(&d, a, e);
    diagnosis_done(&d);
    wishes_done(&wishes);
    return rc;
}

const struct command cmd_doctor = {
    .name = "doctor",
    .usage = "[RUN | MODEL] [--symptom NAME] [--all]",
    .summary = "what may be wrong with a model or a run: the causes of gibberish, of too little memory, of slowness, of files"
               " that do not load, looked for on this machine and in this file; exit status 1 where one was found",
    .options = options,
    .wishes = true,
    .operands_min = 0,
    .operands_max = 1,
    .run = run,
};
