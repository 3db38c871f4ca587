#include "doctor/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/rulefile.h"
#include "doctor/checks.h"
#include "plan/estimate.h"

static const struct check *const tables[] = {file_checks, memory_checks, run_checks, runtime_checks, speed_checks};

static const struct check *check_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(tables); i++)
        for (const struct check *c = tables[i]; c->name; c++)
            if (strcmp(c->name, name) == 0)
                return c;
    return NULL;
}

const char *finding_name(enum finding f)
{
    static const char *const names[] = {"not", "found", "unknown"};
    return names[f];
}

/* ------------------------------------------------------------------- schema */

static bool is_check(const char *text)
{
    return check_named(text) != NULL;
}

static const struct schema_field cause_fields[] = {
    {"check", SCHEMA_TEXT, true, .valid = is_check, .expected = "a check that the program has (quantwiz doctor --all lists them)",
     .help = "what looks for it"},
    {"title", SCHEMA_TEXT, true, .help = "the cause, for people"},
    {"share", SCHEMA_NUMBER, false, .help = "of checks that compare: more than this share is too much"},
    {"tight", SCHEMA_NUMBER, false, .help = "and only where all of it takes more than this share of what may be used"},
    {"parameters_below", SCHEMA_NUMBER, false, .help = "only for models with fewer parameters"},
    {"bits_below", SCHEMA_NUMBER, false, .help = "fewer bits a weight are too few"},
    {"steps", SCHEMA_TEXTS, true, .help = "what to do, the likeliest first"},
    {"source", SCHEMA_TEXT, true, .help = "where that comes from"},
    {0},
};
static const struct schema_field symptom_fields[] = {
    {"name", SCHEMA_TEXT, true, .help = "a word for it, for --symptom"},
    {"title", SCHEMA_TEXT, true, .help = "what people notice"},
    {"causes", SCHEMA_MAPS, true, cause_fields, .help = "what may be the cause, the likeliest first"},
    {0},
};
const struct schema_field doctor_schema[] = {
    {"schema", SCHEMA_INTEGER, true, .help = "1"},
    {"symptoms", SCHEMA_MAPS, true, symptom_fields, .help = "what goes wrong"},
    {0},
};

/* ------------------------------------------------------------------ the patient */

static bool is_run(const char *path)
{
    return file_is_folder(path) && file_exists_in(path, "plan.yaml") &&
           (file_exists_in(path, "events.jsonl") || str_ends(path, ".quantwiz"));
}

static int admit_run(struct patient *p, const char *folder, struct error *e)
{
    int rc = plan_load_kept(&p->plan, folder, e);
    if (rc)
        return rc;
    run_state_init(&p->run, folder);
    rc = run_state_poll(&p->run, e);
    wishes_copy(&p->wishes, &p->plan->wishes);
    return rc < 0 ? rc : 0;
}

/* One that cannot be read is a finding, not an error. */
static void admit_model(struct patient *p, const char *path, const char *pre)
{
    if (model_open_as(&p->model, path, pre, MODEL_HEADER_ONLY, &p->model_error))
        p->model = NULL;
}

/* As the runtimes' lists name it. */
static const char *format_of(const struct patient *p)
{
    if (!p->model)
        return NULL;
    if (!p->model->folder)
        return "gguf";
    if (p->plan)
        return p->plan->format;
    return p->model->quantized || !p->row ? NULL : "safetensors";
}

/* Wishes that this machine or model cannot have are for other checks to find. */
static void estimate(struct patient *p)
{
    if (p->model && !estimates_make(&p->estimates, p->machine, p->model, &p->wishes, p->rules, &p->estimates_error))
        p->row = estimates_source(p->estimates);
}

static int admit(struct patient *p, const struct doctor_options *o, struct error *e)
{
    const struct machine_options machine = {.file = o->machine, .skip_bandwidth = true};
    bool run = o->path && is_run(o->path);
    if (o->path && !run && !file_exists(o->path))
        return error_set(e, ERROR_USAGE, "%s: there is no such run or model", o->path);
    p->watch = o->watch;
    int rc = rules_load(&p->rules, e);
    rc = rc ? rc : machine_detect(&p->machine, &machine, e);
    rc = rc || !run ? rc : admit_run(p, o->path, e);
    if (rc)
        return rc;
    if (!run && o->wishes)
        wishes_copy(&p->wishes, o->wishes);
    if (o->path)
        admit_model(p, run ? p->plan->out : o->path, run ? p->plan->source_pre : NULL);
    wishes_defaults(&p->wishes, p->machine, p->model);
    estimate(p);
    p->format = format_of(p);
    return 0;
}

static void discharge(struct patient *p)
{
    estimates_free(p->estimates);
    model_close(p->model);
    if (p->plan)
        run_state_done(&p->run);
    plan_free(p->plan);
    machine_free(p->machine);
    rules_free(p->rules);
    wishes_done(&p->wishes);
}

/* ---------------------------------------------------------------------- looking */

enum finding look_say(struct look *l, enum finding f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(l->detail, sizeof l->detail, fmt, ap);
    va_end(ap);
    text_make_printable(l->detail);
    return f;
}

static const char *missing(const struct patient *p, unsigned needs)
{
    if ((needs & NEEDS_RUN) && !p->plan)
        return "no run was named";
    if ((needs & (NEEDS_MODEL | NEEDS_ESTIMATE)) && !p->model)
        return p->model_error.code ? "the model cannot be read" : "no model was named";
    if ((needs & NEEDS_ESTIMATE) && !p->row)
        return p->estimates_error.code ? p->estimates_error.text : "what it takes is not known";
    return NULL;
}

static struct cause examine(const struct patient *p, const struct yaml *row, struct arena *a)
{
    struct look l = {.p = p, .cause = row};
    const struct check *check = check_named(checked_text(row, "check"));
    const char *lacks = missing(p, check->needs);
    enum finding f = lacks ? look_say(&l, FINDING_UNKNOWN, "%s", lacks) : check->look(&l);
    return (struct cause){
        .check = check->name,
        .title = arena_strdup(a, checked_text(row, "title")),
        .finding = f,
        .asked = !lacks,
        .detail = arena_strdup(a, l.detail),
        .steps = checked_texts(row, "steps", a),
        .source = checked_text(row, "source"),
    };
}

bool cause_matters(const struct cause *c)
{
    return c->asked && c->finding != FINDING_NOT;
}

static struct symptom examine_symptom(struct diagnosis *d, const struct patient *p, const struct yaml *row)
{
    const struct yaml *causes = yaml_get(row, "causes");
    struct symptom s = {.name = checked_text(row, "name"), .title = checked_text(row, "title"), .count = (int)causes->count,
                        .lacks = ""};
    s.causes = arena_alloc(&d->arena, causes->count * sizeof *s.causes);
    for (int i = 0; i < s.count; i++) {
        struct cause *c = &s.causes[i];
        *c = examine(p, causes->items[i], &d->arena);
        d->found += c->finding == FINDING_FOUND;
        d->unknown += c->finding == FINDING_UNKNOWN;
        s.clean += c->finding == FINDING_NOT;
        s.idle += !c->asked;
        s.lacks = c->asked ? s.lacks : c->detail;
    }
    return s;
}

static int examine_all(struct diagnosis *d, const struct patient *p, struct error *e)
{
    struct yaml *file;
    int rc = rulefile_load_checked(&file, "troubleshooting", doctor_schema, &d->arena, e);
    const struct yaml *rows = rc ? NULL : yaml_get(file, "symptoms");
    d->symptoms = rows ? arena_alloc(&d->arena, rows->count * sizeof *d->symptoms) : NULL;
    for (size_t i = 0; rows && i < rows->count; i++)
        d->symptoms[d->count++] = examine_symptom(d, p, rows->items[i]);
    return rc || !interrupt_pending() ? rc : interrupt_error(e);
}

int doctor_examine(struct diagnosis *d, const struct doctor_options *o, struct error *e)
{
    struct patient p = {0};
    *d = (struct diagnosis){0};
    int rc = admit(&p, o, e);
    if (!rc) {
        d->subject = arena_strdup(&d->arena, o->path ? o->path : p.machine->name ? p.machine->name : "this machine");
        rc = examine_all(d, &p, e);
    }
    discharge(&p);
    return rc;
}

void diagnosis_done(struct diagnosis *d)
{
    arena_done(&d->arena);
    *d = (struct diagnosis){0};
}
