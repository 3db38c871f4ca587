/* With logits a of the base and b of the model, shifted so that the largest of each is 0,
 *
 *     p_i = exp(a_i) / A    A = Σ exp(a_i)        q_i = exp(b_i) / B    B = Σ exp(b_i)
 *     Σ p ln(p / q) = Σ exp(a_i) (a_i - b_i) / A  -  ln A + ln B
 *
 * in one pass over both rows. The shift keeps the first term small, so that its rounding does not drown a small
 * divergence. */
#include "eval/divergence.h"

#include <math.h>

#include "infer/kernels.h"

enum { PIECE = 1024 }; /* exponentials at a time: they stay in the first-level cache */

static float largest(const float *x, int n)
{
    float most = x[0];
#pragma omp simd reduction(max : most)
    for (int i = 1; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

static int first_of(const float *x, int n, float value)
{
    for (int i = 0; i < n; i++)
        if (x[i] == value)
            return i;
    return -1;
}

static void shift(const float *x, float by, float *out, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = x[i] - by;
}

struct sums { double a, b, weighted; };

/* a and b: shifted logits of up to PIECE tokens. */
static void add_piece(struct sums *s, const float *a, const float *b, int n)
{
    float exp_a[PIECE], exp_b[PIECE];
    double sum_a = 0, sum_b = 0, weighted = 0;
    shift(a, 0, exp_a, n);
    shift(b, 0, exp_b, n);
    kernels()->exp(exp_a, n);
    kernels()->exp(exp_b, n);
#pragma omp simd reduction(+ : sum_a, sum_b, weighted)
    for (int i = 0; i < n; i++) {
        sum_a += exp_a[i];
        sum_b += exp_b[i];
        weighted += (double)exp_a[i] * ((double)a[i] - b[i]);
    }
    s->a += sum_a;
    s->b += sum_b;
    s->weighted += weighted;
}

static struct sums add_up(const float *base, float top_base, const float *logits, float top, int vocab)
{
    struct sums s = {0};
    float a[PIECE], b[PIECE];
    for (int at = 0; at < vocab; at += PIECE) {
        int n = vocab - at < PIECE ? vocab - at : PIECE;
        shift(base + at, top_base, a, n);
        shift(logits + at, top, b, n);
        add_piece(&s, a, b, n);
    }
    return s;
}

struct divergence divergence_at(const float *logits, const float *base, int vocab, int32_t target)
{
    struct divergence d = {.nll_base = NAN, .kld = NAN};
    if (!base) {
        d.nll = kernels()->log_sum_exp(logits, vocab) - logits[target];
        return d;
    }
    float top = largest(logits, vocab), top_base = largest(base, vocab);
    struct sums s = add_up(base, top_base, logits, top, vocab);
    d.nll = log(s.b) - ((double)logits[target] - top);
    d.nll_base = log(s.a) - ((double)base[target] - top_base);
    d.kld = fmax(0, s.weighted / s.a - log(s.a) + log(s.b));
    d.same_top = first_of(logits, vocab, top) == first_of(base, vocab, top_base);
    return d;
}
