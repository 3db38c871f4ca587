/* What the person wants: one table of questions (name, prompt, type, choices, default, help) from which the
 * form, the command line, the manual and the checks are made. */
#ifndef PLAN_WISHES_H
#define PLAN_WISHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/yaml.h"

enum wish_id { /* order of the form and of the table */
    WISH_FIT, WISH_RUNTIME, WISH_BUDGET, WISH_CTX, WISH_KV_TYPE, WISH_PARALLEL, WISH_TENSOR_PARALLEL, WISH_MIN_SPEED,
    WISH_MAX_LOSS, WISH_USE_CASE, WISH_CALIBRATION, WISH_MIX, WISH_FILE_BUDGET, WISH_PRIORITY,
    WISH_FLASH_ATTENTION, WISH_MICRO_BATCH, WISH_COUNT,
};
enum fit { FIT_GPU, FIT_CPU, FIT_SPLIT };
enum mix_choice { MIX_NO, MIX_MEASURED /* the others are presets: rules/mixes.yaml */ };
enum wish_type { WISH_CHOICE, WISH_BYTES, WISH_INTEGER, WISH_NUMBER, WISH_PERCENT, WISH_PATH };

struct wish_spec {
    const char *name;            /* option name, plan key: "kv-type" */
    const char *prompt;          /* form label: "KV cache type" */
    enum wish_type type;
    const char *const *choices;  /* WISH_CHOICE: NULL-terminated */
    int64_t low, high;           /* WISH_INTEGER */
    const char *preset;          /* the default where neither machine nor model knows better; NULL: no wish */
    const char *unit;            /* shown behind the value, or NULL */
    const char *bare;            /* what the option without a value means; NULL: it needs one */
    const char *help;            /* one or two sentences: what it means and what it changes */
};
extern const struct wish_spec wish_specs[WISH_COUNT];
int wish_find(const char *name); /* -1: none */

/* One wish's value; `set` false: the default stands, and `from` says where that came from. */
struct wish_value {
    bool set;
    int choice;                  /* index into choices */
    double number;               /* bytes, integer, number or fraction; NaN: no wish */
    const char *text;            /* path; NULL: none */
    const char *from;            /* "default", "machine", "model", "use case: code", "entered", "plan" */
};
struct wishes {
    struct wish_value value[WISH_COUNT];
    struct arena arena;
};

struct machine;
struct model;
/* Defaults for this machine and model (either may be NULL); values that the person set stay. Call it again
 * when a wish changes: the budget's default follows `fit`. */
void wishes_defaults(struct wishes *w, const struct machine *m, const struct model *model);
void wishes_done(struct wishes *w);
/* Sets one from text as typed or given on the command line; the error says what is expected. "" unsets. */
int wishes_set(struct wishes *w, enum wish_id id, const char *text, struct error *e);
/* As a person reads it, without the unit: "8192", "10.0 GiB", "2 %", "none"; `out` or the wish's own text. */
const char *wishes_show(const struct wishes *w, enum wish_id id, char out[static 64]);
/* As wishes_set reads it back to the same value: what plans and command lines hold. NULL: no wish. */
const char *wishes_text(const struct wishes *w, enum wish_id id, char out[static 64]);
const char *wishes_choice(const struct wishes *w, enum wish_id id); /* the chosen word */
enum fit wishes_fit(const struct wishes *w);
bool wishes_given(const struct wishes *w, enum wish_id id);         /* there is a value, set or by default */
/* A copy with an arena of its own. */
void wishes_copy(struct wishes *to, const struct wishes *from);

#endif
