/* What may be wrong with a quantized model, or with a run: the causes that rules/troubleshooting.yaml knows for each
 * symptom, looked for on this machine and in this file. */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

#include "base/error.h"
#include "base/mem.h"
#include "base/schema.h"
#include "base/watch.h"
#include "plan/wishes.h"

enum finding { FINDING_NOT, FINDING_FOUND, FINDING_UNKNOWN /* it could not be checked */ };
const char *finding_name(enum finding f);  /* "not", "found", "unknown" */

struct cause {
    const char *check, *title;     /* "no-chat-template", for people */
    enum finding finding;
    bool asked;                    /* false: what it looks at was not named, or cannot be read */
    const char *detail;            /* what was seen, or why nothing could be; never NULL */
    const char *const *steps;      /* what to do, NULL-terminated */
    const char *source;
};
struct symptom {
    const char *name, *title;
    struct cause *causes;
    int count;
    int clean, idle;               /* of them: looked for and not found; not asked */
    const char *lacks;             /* why a cause was not asked; "": all were */
};
/* Whether there is more to say of it than that it was not found, or not asked. */
bool cause_matters(const struct cause *c);
struct diagnosis {
    const char *subject;           /* what was looked at: the run's folder, the model's path, or the machine's name */
    struct symptom *symptoms;
    int count;
    int found, unknown;            /* causes */
    struct arena arena;
};

struct doctor_options {
    const char *path;              /* of a run or of a model; NULL: the machine alone */
    const char *machine;           /* a file that describes another one; NULL: this one */
    const struct wishes *wishes;   /* how the model is served; a run's are those of its plan. NULL: defaults */
    struct watch *watch;
};
/* ERROR_USAGE where there is no such path. Free with diagnosis_done whatever is returned. */
int doctor_examine(struct diagnosis *d, const struct doctor_options *o, struct error *e);
void diagnosis_done(struct diagnosis *d);

/* Of rules/troubleshooting.yaml. */
extern const struct schema_field doctor_schema[];

#endif
