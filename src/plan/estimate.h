/* What each candidate costs and gives on this machine under these wishes. Formulas: quantwiz(1), "Estimates";
 * constants: rules/runtimes.yaml. */
#ifndef PLAN_ESTIMATE_H
#define PLAN_ESTIMATE_H

#include "base/error.h"
#include "machine/machine.h"
#include "model/model.h"
#include "plan/rules.h"
#include "plan/wishes.h"

enum verdict { VERDICT_FITS, VERDICT_SPLIT /* part on the CPU */, VERDICT_TOO_BIG, VERDICT_UNKNOWN };
const char *verdict_name(enum verdict v);        /* "fits", "split", "too big", "unknown" */

struct estimate_reason {
    char sign;                /* '+' favours, '-' against, 'x' forbids, '?' asks whether it is needed, 'i' tells */
    char *text;
    const char *rule;         /* "decisions.yaml:41" */
};

struct sayings {
    struct estimate_reason *items;
    int count, capacity;
};

/* A change of the wishes, or of the level: lever.h. */
struct lever {
    const char *name;         /* "kv-q8_0" */
    const char *where;        /* "levers.yaml:12" */
    const char *text;         /* "KV cache in q8_0 (--kv-type q8_0): 544.0 MiB less; then Q4_K_M fits" */
    int wish;                 /* that it sets to `value`; -1: `value` is a level to take instead */
    const char *value;
    int64_t gain_bytes;       /* less of the memory that the wanted level lacks */
    double tokens_per_s;      /* of what then runs; NaN: unknown, or nothing does */
    int gpu_layers, layers;   /* of what then runs */
    double loss;              /* how much more perplexity, a fraction; NaN: unknown */
    double level_loss;        /* expected of what then runs; NaN: unknown, or nothing does */
    bool lossy;               /* that is more than was wished for */
    const struct level *level;/* what then runs; NULL: still nothing */
    bool enough;              /* it helps alone */
    bool together;            /* where none does: with the others that say so */
};
enum lever_goal {
    LEVERS_NONE,
    LEVERS_FIT_ANY,           /* nothing fits */
    LEVERS_FIT_BETTER,        /* something does, but nothing that is favoured more; of what helps alone */
    LEVERS_FIT_ROW,           /* a row that the person has chosen does not */
    LEVERS_SPEED,             /* the recommended row is slower than wished for */
};
struct levers {
    enum lever_goal goal;
    const struct level *wanted;
    struct lever *items;      /* the cheapest first */
    int count;
};
struct mixture;               /* mixture.h */
struct recipe;                /* recipe.h */
struct recipe_walk;

struct estimate {             /* one row */
    const struct level *level;
    const struct mixture *mix;         /* of types, instead of a level's; NULL: none. Borrowed */
    double bits_per_weight;
    uint64_t file_bytes, weights_bytes, kv_bytes, compute_bytes, overhead_bytes, total_bytes;
    uint64_t gpu_bytes, cpu_bytes;     /* the total, by where it lies */
    uint64_t reclaimable_bytes;        /* of cpu_bytes: file pages that may go, since the runtime copied them */
    int layers;                        /* blocks and the output layer, as llama.cpp counts */
    int gpu_layers;                    /* of these on GPUs; where it is too big, those that would fit */
    int *layers_on_gpu;                /* [gpu_count] */
    double tokens_per_s, prefill_tokens_per_s; /* NaN: unknown */
    double expected_loss;              /* fraction (0.004); NaN: unknown */
    const char *kernel;                /* of the runtime, that will multiply its weights; NULL: of GGUF, or unknown */
    const char *loss_from;             /* "published, LLaMA-1-7B" or "the checkpoint itself"; NULL: unknown */
    int fallbacks;
    enum verdict verdict;
    bool forbidden, recommended, is_source;    /* is_source: the checkpoint as it is */
    bool unproven;                             /* the rules do not know whether it runs: not recommended either */
    bool asked;                                /* for by name: estimates_make_with */
    double *points;                    /* [rules.decision_count] that each decision gives it, or takes from it */
    double score;                      /* their sum */
    struct estimate_reason *reasons;
    int reason_count, reason_capacity;
};

struct estimates {
    struct estimate *rows;             /* largest first */
    int count;
    int recommended;                   /* index, -1: nothing fits */
    int context;
    int prompt_tokens;                 /* of a typical prompt with its answer in this use case */
    const char *kv_type;
    uint64_t gpu_budget, cpu_budget;   /* what may be used */
    bool gpu_budget_known, cpu_budget_known;
    double source_bits;                /* bits per weight of the checkpoint */
    char *headline;                    /* what to do: "keep F16: a model of 4.6M is small as it is" */
    struct sayings warnings;           /* the anti-patterns that apply (rules/warnings.yaml) */
    struct sayings doubts;             /* why not to quantize at all (rules/necessity.yaml) */
    struct levers levers;              /* what else could be changed, where nothing fits or a wish is missed */
    struct arena arena;
};

/* `w` has its defaults (wishes_defaults). Fast enough to call on every key press: a 70B model takes a
 * millisecond or two. `machine` may be NULL: nothing is known of it. */
int estimates_make(struct estimates **out, const struct machine *m, const struct model *model,
                   const struct wishes *w, const struct rules *r, struct error *e);
/* The same, with a row for this level as well, even where it is no candidate (NULL: none). ERROR_USAGE where there is
 * no such level, or the model cannot become it. */
int estimates_make_with(struct estimates **out, const struct machine *m, const struct model *model,
                        const struct wishes *w, const struct rules *r, const char *level, struct error *e);
/* The same without levers, which are tried by it. */
int estimates_try(struct estimates **out, const struct machine *m, const struct model *model, const struct wishes *w,
                  const struct rules *r, const char *level, struct error *e);
/* The same, with a row for a mix, whose level is the mix's own; it was asked for, so it is recommended unless it is too
 * big. */
int estimates_make_mix(struct estimates **out, const struct machine *m, const struct model *model,
                       const struct wishes *w, const struct rules *r, const char *level, const struct mixture *mix,
                       struct error *e);
const struct estimate *estimates_mix(const struct estimates *s); /* NULL: none */
/* Of a mix alone: whether it fits, and the memory that it takes. */
int estimate_fit_of_mix(enum verdict *verdict, uint64_t *total_bytes, const struct machine *m, const struct model *model,
                        const struct wishes *w, const struct rules *r, const struct mixture *mix, struct error *e);
void estimates_free(struct estimates *s);
/* Of the total, what must fit in the memory where the row is to lie: the RAM, or the VRAM. */
uint64_t estimate_needs(const struct estimate *row, bool cpu);
/* Neither forbidden nor unproven, whether it fits or not. */
bool estimate_usable(const struct estimate *row);
/* Usable, and it fits as far as that is known. */
bool estimate_runs(const struct estimate *row);
/* Whether any row is usable. */
bool estimates_usable(const struct estimates *s);
/* The recommended row, that of a level, and that of the checkpoint as it is; NULL: none. */
const struct estimate *estimates_winner(const struct estimates *s);
const struct estimate *estimates_row(const struct estimates *s, const struct level *level);
const struct estimate *estimates_source(const struct estimates *s);
/* Adds a reason to a list of reasons; `text` and `rule` live in the estimates' arena or in the rules. */
void reason_add(struct estimate_reason **list, int *count, int *capacity, char sign, char *text,
                const char *rule);

/* The types of a row of GGUF: of its level, of a mix, or the checkpoint's own. */
int estimate_recipe(const struct estimate *row, const struct recipe_walk *w, struct recipe *r, struct error *e);

/* The arithmetic of a row with this model's numbers in it: lines for a pane, in the estimates' arena. */
const char **estimate_explain(struct estimates *s, int row, const struct machine *m,
                              const struct model *model, const struct wishes *w, const struct rules *r,
                              int *count);

#endif
