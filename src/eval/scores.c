#include "eval/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The histogram starts at 10^-6, four bins to a power of ten. */
static const double BIN_START = -6, BINS_PER_DECADE = 4;

int scores_bin(double kld)
{
    double bin = kld > 0 ? floor((log10(kld) - BIN_START) * BINS_PER_DECADE) : 0;
    return bin < 0 ? 0 : bin >= EVAL_HISTOGRAM ? EVAL_HISTOGRAM - 1 : (int)bin;
}

/* Takes in one chunk's values of a score, of which `value` picks one. */
static void score_add(struct score *s, const struct divergence *rows, int count,
                      double (*value)(const struct divergence *))
{
    struct moments chunk = {0};
    for (int i = 0; i < count; i++) {
        moments_add(&s->tokens, value(&rows[i]));
        moments_add(&chunk, value(&rows[i]));
    }
    moments_add(&s->chunks, chunk.mean);
}

static double nll(const struct divergence *d) { return d->nll; }
static double nll_base(const struct divergence *d) { return d->nll_base; }
static double delta(const struct divergence *d) { return d->nll - d->nll_base; }
static double kld(const struct divergence *d) { return d->kld; }

static void add_differences(struct scores *s, const struct divergence *rows, int count)
{
    float *klds = xmalloc(count * sizeof *klds);
    for (int i = 0; i < count; i++) {
        double dp = exp(-rows[i].nll) - exp(-rows[i].nll_base);
        klds[i] = (float)rows[i].kld;
        s->same_top += rows[i].same_top;
        s->squared_dp += dp * dp;
        s->histogram[scores_bin(rows[i].kld)] += 1;
    }
    sample_add(&s->klds, klds, count);
    free(klds);
}

void scores_add(struct scores *s, const struct divergence *rows, int count)
{
    score_add(&s->nll, rows, count, nll);
    if (!s->has_base)
        return;
    score_add(&s->nll_base, rows, count, nll_base);
    score_add(&s->delta, rows, count, delta);
    score_add(&s->kld, rows, count, kld);
    add_differences(s, rows, count);
}

static double half_width(const struct score *s)
{
    return moments_half_width(s->chunks.count >= ENOUGH_CHUNKS ? &s->chunks : &s->tokens);
}

/* "accept" and "reject" where all of the interval around the loss lies on one side of the limit. */
static const char *verdict(const struct score *loss, double half, double max_loss)
{
    double limit = log1p(max_loss);
    if (loss->tokens.mean + half <= limit)
        return "accept";
    return loss->tokens.mean - half > limit ? "reject" : "undecided";
}

static void difference_figures(const struct scores *s, struct eval_figures *f)
{
    double n = s->nll.tokens.count, half = half_width(&s->delta);
    f->ppl_base = exp(s->nll_base.tokens.mean);
    f->delta_ln_ppl = s->delta.tokens.mean;
    f->delta_low = f->delta_ln_ppl - half;
    f->delta_high = f->delta_ln_ppl + half;
    half = half_width(&s->kld);
    f->kld_mean = s->kld.tokens.mean;
    f->kld_low = fmax(0, f->kld_mean - half);
    f->kld_high = f->kld_mean + half;
    f->kld_median = sample_quantile(&s->klds, 0.5);
    f->kld_p99 = sample_quantile(&s->klds, 0.99);
    f->kld_max = sample_quantile(&s->klds, 1);
    f->same_top = s->same_top / n;
    f->rms_dp = sqrt(s->squared_dp / n);
    for (int i = 0; i < EVAL_HISTOGRAM; i++)
        f->kld_histogram[i] = s->histogram[i] / n;
}

void scores_figures(const struct scores *s, double max_loss, struct eval_figures *f)
{
    double half = half_width(&s->nll);
    f->chunks = (int)s->nll.chunks.count;
    f->tokens = (int)s->nll.tokens.count;
    f->ppl = exp(s->nll.tokens.mean);
    f->ppl_low = exp(s->nll.tokens.mean - half);
    f->ppl_high = exp(s->nll.tokens.mean + half);
    f->has_base = s->has_base;
    if (!s->has_base)
        return;
    difference_figures(s, f);
    f->verdict = verdict(&s->delta, half_width(&s->delta), max_loss);
}

bool scores_decided(const struct scores *s, double max_loss)
{
    return s->has_base && s->delta.chunks.count >= STOP_CHUNKS &&
           strcmp(verdict(&s->delta, STOP_WIDTH * half_width(&s->delta), max_loss), "undecided") != 0;
}

void scores_done(struct scores *s)
{
    sample_done(&s->klds);
    *s = (struct scores){0};
}
