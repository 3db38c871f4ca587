/* The checks, a table for each thing that they look at (private to src/doctor). A check says what it saw in words with
 * figures; one that cannot see anything says so, and why. */
#ifndef DOCTOR_CHECKS_H
#define DOCTOR_CHECKS_H

#include "doctor/doctor.h"
#include "machine/machine.h"
#include "model/model.h"
#include "plan/plan.h"
#include "plan/rules.h"
#include "plan/runtime.h"
#include "run/run_state.h"

struct patient {
    struct machine *machine;
    struct model *model;           /* the artefact of a run, or what was named; NULL: */
    struct error model_error;      /* why it cannot be read; code 0: none was named */
    struct plan *plan;             /* of a run; NULL: no run was named */
    struct run_state run;
    struct rules *rules;
    struct wishes wishes;          /* how it is served */
    struct estimates *estimates;   /* NULL without a model, or: */
    struct error estimates_error;  /* why what it takes cannot be told */
    const struct estimate *row;    /* of the model as it is */
    const char *format;            /* "gguf", "awq", as rules/runtimes.yaml has it; NULL: not known */
    struct watch *watch;
};

/* One check at work. */
struct look {
    const struct patient *p;
    const struct yaml *cause;      /* its row of the rules, with what it is measured by */
    char detail[320];
};
/* Sets the detail and returns the finding. */
enum finding look_say(struct look *l, enum finding f, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

enum need { NEEDS_MODEL = 1, NEEDS_RUN = 2, NEEDS_ESTIMATE = 4 };
struct check {
    const char *name;
    unsigned needs;                /* without these it is not asked: the finding is unknown */
    enum finding (*look)(struct look *l);
};
/* Each ends with {0}. */
extern const struct check file_checks[], memory_checks[], run_checks[], runtime_checks[], speed_checks[];

#endif
