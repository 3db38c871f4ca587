/* Whether a model still writes language: broken weights write in loops, or predict something else altogether. */
#ifndef EVAL_COHERENCE_H
#define EVAL_COHERENCE_H

#include "base/mem.h"
#include "eval/eval.h"

/* From where on output counts as incoherent. */
struct coherence_limits {
    double repeated;       /* share of an answer that repeats what stands in it before */
    double base_repeated;  /* of the base's answer: from here on that of the model does not count */
    double answers;        /* share of the answers that repeat themselves */
    double same_top;       /* share of positions with the base's likeliest token: below */
    double kld_mean;       /* divergence from the base: above */
};

/* Share of a text's characters that end a run of COHERENCE_RUN characters that stands before in the text; 0 where the
 * text is shorter than two such runs. By characters, so that languages without blanks count like others. */
enum { COHERENCE_RUN = 12 };
double coherence_repeated(const char *text);

/* What gives the output away as incoherent, in words, in the arena; NULL: nothing, or there is no base. */
const char *coherence_fault(const struct eval_result *r, const struct coherence_limits *l, struct arena *a);

#endif
