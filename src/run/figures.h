/* The evaluation's figures as JSON: the keys of `quantwiz eval --json`, one table for writing and for reading back. */
#ifndef RUN_FIGURES_H
#define RUN_FIGURES_H

#include <jansson.h>

#include "base/mem.h"
#include "eval/eval.h"

json_t *figures_json(const struct eval_figures *f);
/* Whatever is missing or null becomes NaN (0 where it counts); texts go into the arena. */
void figures_read(struct eval_figures *f, const json_t *j, struct arena *a);

json_t *task_json(const struct eval_task *t, int done);
/* As figures_read. */
void task_read(struct eval_task *t, const json_t *j, struct arena *a);
/* With the log-likelihood of each choice, for programs. */
json_t *item_json(const struct eval_item *i);
json_t *sample_json(const struct eval_sample *s);

/* What answering costs. */
void cost_read(struct eval_cost *c, const json_t *j);
/* The same of the model and with "base_" before the keys of its base. */
void costs_put(json_t *j, const struct eval_result *r);
void costs_read(struct eval_result *r, const json_t *j);

struct runtime_speed;
json_t *runtime_json(const struct runtime_speed *r);

/* A number, or NaN where it is missing or null. */
double figure_number(const json_t *j, const char *key);

#endif
