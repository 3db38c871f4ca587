/* What a decision was made from, kept in its plan for the document: the figures of the row that was chosen, and those of
 * each other one, with why it was not. */
#ifndef PLAN_RECORD_H
#define PLAN_RECORD_H

#include "base/schema.h"
#include "base/yaml.h"
#include "plan/estimate.h"

/* As struct estimate has them; NaN: unknown. */
struct plan_estimate {
    const char *verdict;           /* NULL: the plan was made without estimates */
    double bits_per_weight;
    double weights_bytes, kv_bytes, compute_bytes, overhead_bytes, total_bytes, gpu_bytes, cpu_bytes;
    double tokens_per_s, prefill_tokens_per_s, expected_loss;
    double layers, gpu_layers;
};
extern const struct plan_estimate plan_estimate_unknown;
struct plan_alternative {
    const char *level, *why;
    const char *kernel;            /* as the plan's */
    struct plan_estimate estimate;
};
struct plan_record {
    struct plan_estimate estimate;
    struct plan_alternative *alternatives; /* largest first */
    int alternative_count;
};

/* Row `row` was chosen. All texts are copied into the arena. */
void record_make(struct plan_record *r, const struct estimates *s, int row, struct arena *a);
/* The alternative of this name; NULL: none. */
const struct plan_alternative *record_find(const struct plan_record *r, const char *level);
/* Of a plan that has left `from`, whose estimate this fills in, for the level `to`: that one's row is the chosen one now,
 * and what was left is among the alternatives. Borrows the texts. */
void record_step(struct plan_record *r, struct plan_alternative from, const char *to, struct arena *a);
/* The alternative of this name, where it is too big and what was chosen is not; NULL: it is not, or nobody knows. */
const struct plan_alternative *record_too_big(const struct plan_record *r, const char *level);
/* The keys "estimate" and "alternatives" of plan.yaml; the texts that are read stay in the tree. */
void record_put(const struct plan_record *r, struct yaml_writer *w);
void record_read(struct plan_record *r, const struct yaml *plan, struct arena *a);
extern const struct schema_field record_estimate_fields[], record_alternative_fields[];

#endif
