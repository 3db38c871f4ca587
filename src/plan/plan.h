/* plan.yaml: everything that a run needs and nothing else. Schema: quantwiz-plan(5).
 * Relative paths in a plan start at the plan's own folder. */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "base/error.h"
#include "base/mem.h"
#include "infer/decoder.h"
#include "plan/estimate.h"
#include "plan/recipe.h"
#include "plan/record.h"
#include "text/calibration.h"

/* What a plan may be changed in: a variant of it, or the quality gate's next step. NULLs and zeros: as in the plan. */
struct plan_change {
    const char *name;              /* of artefact and run, behind the model's; NULL: by what changes */
    const char *level, *method, *imatrix;
    struct calibration calibration;/* text CALIBRATION_NONE: without one */
    bool pure;
};
#define CALIBRATION_NONE "none"

enum { PLAN_ATTEMPTS = 4 };          /* where nobody said more */
struct plan_gate {
    bool automatic;                /* over the wish, the next step is taken and not only proposed */
    int attempts;                  /* runs in all, at most */
    const char *after, *why;       /* the run that this one is the next step after, and why it; NULL: it is the first */
};

/* How the list of types was found; for the document. */
struct plan_mix {
    const char *by;                /* "measured", or a preset of rules/mixes.yaml; NULL: there was no mix */
    uint64_t limit_bytes;          /* that the file could take */
    double predicted_kld;          /* NaN: not measured */
};

struct plan {
    const char *file;              /* where it was read from or will be written; NULL: memory only */
    const char *source;            /* the checkpoint */
    const char *source_hub;        /* where it can be fetched: "hf:ORG/NAME@COMMIT:FILE"; NULL: it was not on the hub */
    const char *source_hash;       /* fingerprint; NULL: not pinned */
    const char *source_pre;        /* see model_open_as; NULL: recognized */
    const char *level;             /* "Q5_K_M", "awq-int4-g128" */
    const char *format;            /* "gguf", or of a checkpoint folder: "awq" */
    const char *kernel;            /* of the runtime, that will multiply the folder's weights; NULL: of GGUF, or unknown */
    const char *out;               /* the artefact's final path: a file, or a folder */
    const char *run_folder;        /* NAME.quantwiz */
    int threads;                   /* 0: all */
    bool pure, strict;
    const struct quant_type *output_type, *embedding_type;
    struct recipe_override *overrides;
    int override_count;
    struct plan_mix mix;
    struct recipe_pin *tensors;    /* types of single tensors by name, which go before all else */
    int tensor_count;
    const char *const *skip;       /* of a checkpoint folder: regular expressions; modules that stay as they are */
    int skip_count;
    const char *imatrix;           /* NULL: none */
    struct calibration calibration;/* its text; NULL there: none */
    const char *method;            /* "feedback", or "nearest"; NULL: feedback where there is a text */
    struct wishes wishes;
    /* evaluation */
    bool evaluate;
    const char *no_evaluation;     /* why plan_make left it out; NULL: it did not */
    const char *eval_text, *eval_tasks, *eval_prompts; /* NULL: built in / none */
    int eval_context, eval_chunks;
    double max_loss;
    enum activations activations;
    bool stop_early;               /* once the gate is decided */
    bool runtime_speed;            /* the runtime's own benchmark is run, where it is on the PATH */
    struct plan_gate gate;
    struct plan_change *variants;  /* [variant_count]: the plan is several; 0: it is itself alone */
    int variant_count;
    /* for the document */
    const char *machine_summary;   /* YAML of the machine in brief */
    const char **rationale;        /* reasons, a line each */
    int rationale_count;
    struct plan_record record;     /* what it was decided from */
    struct arena arena;
};
/* An empty plan with the defaults of the evaluation. */
struct plan *plan_new(void);
/* From what the wizard or `quantwiz plan` has decided: row `row` of the estimates. */
int plan_make(struct plan **out, const struct machine *m, const struct model *model, const struct wishes *w,
              const struct estimates *s, int row, const char *out_folder, struct error *e);
/* Whether the level is a format of checkpoint folders. */
bool plan_makes_folder(const struct plan *p);
/* Whether a text can help to make this level: weights are rounded to whole numbers, so that later ones can make good
 * what earlier ones lost. */
bool plan_takes_text(const struct level *l);
bool plan_rounds_to_nearest(const struct plan *p);
/* The text to evaluate on, which is the plan's or comes with the program; NULL: that is not installed. free() it. */
char *plan_evaluated_text(const struct plan *p);
/* A plan with a change made, for a run of its own beside the plan's: other artefact, other folder, no variants. `why`:
 * its rationale. Borrows from `p`, which must outlive it, unless it is saved and loaded again. */
int plan_with(struct plan **out, const struct plan *p, const struct plan_change *c, const char *why, struct error *e);
/* Another variant: what `v` makes, of the same model; a mix only where it is `p` itself. */
void plan_add_variant(struct plan *p, const struct plan *v);
/* Names the folder of a plan with variants: "dir/MODEL-compare.quantwiz". */
void plan_name_series(struct plan *p);
int plan_load(struct plan **out, const char *path, struct error *e);
/* The list of tensors of a plan, or of any file that has one, alone; it lives in the arena. */
int plan_load_tensors(struct recipe_pin **tensors, int *count, const char *path, struct arena *a, struct error *e);
/* The YAML that plan_save writes; free() it. */
char *plan_text(const struct plan *p);
int plan_save(const struct plan *p, const char *path, struct error *e);
/* Saves it in its run's folder, which holds all that a report or another host needs. */
int plan_keep(const struct plan *p, struct error *e);
/* The plan that a run's folder holds. */
int plan_load_kept(struct plan **out, const char *run_folder, struct error *e);
void plan_free(struct plan *p);
/* The command that makes the same file, as a shell reads it; `quantwiz run` of the saved plan evaluates it as well.
 * free() it. */
char *plan_command(const struct plan *p);

#endif
