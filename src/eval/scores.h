/* The figures of a perplexity run, gathered chunk by chunk.
 *
 * Perplexity is exp of the mean of -ln p over all scored tokens. Its interval and all others come from the standard
 * error of a mean. Neighbouring tokens share their context, so their errors are correlated, and the error that they
 * would have as independent numbers is too small; chunks are nearly independent. So from ENOUGH_CHUNKS on the error
 * is that of the chunks' means, with Student's t for their number; before that it is the tokens', and too optimistic.
 *
 * Base and model see the same tokens. The difference of their losses is taken chunk by chunk (token by token), which
 * removes what makes a text hard or easy, so that its interval is far narrower than either model's own. */
#ifndef EVAL_SCORES_H
#define EVAL_SCORES_H

#include "eval/divergence.h"
#include "eval/eval.h"
#include "eval/statistics.h"

/* ENOUGH_CHUNKS: see above. STOP_CHUNKS: an early stop is not considered before. STOP_WIDTH: and then an interval so
 * many times as wide must decide, because it is looked at after every chunk, which gives chance many chances. */
enum { ENOUGH_CHUNKS = 6, STOP_CHUNKS = 8, STOP_WIDTH = 2 };

/* One mean in both resolutions. */
struct score {
    struct moments tokens, chunks;
};

struct scores { /* zero it to start */
    bool has_base;
    struct score nll, nll_base, delta, kld; /* delta: nll - nll_base */
    struct sample klds;
    double same_top, squared_dp;            /* sums over tokens */
    double histogram[EVAL_HISTOGRAM];       /* counts */
};
/* rows[count]: the scored positions of one chunk. */
void scores_add(struct scores *s, const struct divergence *rows, int count);
/* Sets every figure that follows from the scores, and the verdict; leaves the others. */
void scores_figures(const struct scores *s, double max_loss, struct eval_figures *f);
/* True once more chunks would hardly change the verdict. */
bool scores_decided(const struct scores *s, double max_loss);
void scores_done(struct scores *s);

/* The bin of a divergence in eval_figures.kld_histogram. */
int scores_bin(double kld);

#endif
