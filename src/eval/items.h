/* Questions with their right answers, a JSON object a line, in the layouts in which the usual ones are published, as
 * what a model is asked: how likely it finds each of some continuations of a context, or what it writes after a prompt.
 *
 *     mmlu        question, subject, choices [4 texts], answer (index)            acc
 *     arc         question, choices {text [], label []}, answerKey                acc_norm
 *     hellaswag   activity_label, ctx_a, ctx_b or ctx, endings [], label          acc_norm
 *     winogrande  sentence with "_", option1, option2, answer "1" or "2"          acc
 *     choice      question, choices [texts], answer (index)                       acc_norm
 *     written     question or prompt, answer (text)                               exact_match
 *
 * Contexts and continuations are put together as the evaluation harness does (EleutherAI/lm-evaluation-harness, the
 * YAML files and utils.py of these tasks, no examples before the question), so that figures compare. */
#ifndef EVAL_ITEMS_H
#define EVAL_ITEMS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/mem.h"

enum { ITEM_CHOICES = 26 };

struct item {
    int count, answer;             /* choices, and the right one; count 0: something is to be written */
    const char *contexts[ITEM_CHOICES], *continuations[ITEM_CHOICES];
    int characters[ITEM_CHOICES];  /* of the choice itself */
    const char *prompt, *expected; /* where it is to be written, */
    const char *stop;              /* up to this text */
};

struct item_layout {
    const char *name, *metric;     /* the figure that is customary for it */
    const char *keys;              /* that an object of it has, in words for people */
};

struct items {
    const char *name;              /* the file's, without its ending */
    const struct item_layout *layout;
    struct item *items;
    int count, capacity;
    struct arena arena;
};

/* All lines of a file have one layout, that of the first. Free with items_done whatever is returned. */
int items_read(struct items *list, const char *path, struct error *e);
void items_done(struct items *list);

/* The files that a path stands for: itself, or of a folder all that end in .jsonl, by name. Free the list and each. */
int items_files(const char *path, char ***files, int *count, struct error *e);

/* Whether what a model wrote is the expected answer: its first line, or, where the expected answer is what stands after
 * "####" (GSM8K's layout), its last number. Case, blanks and full stops around do not count. */
bool item_matches(const struct item *item, const char *written);

#endif
