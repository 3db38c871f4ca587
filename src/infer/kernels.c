/* Compiled once per instruction set, with KERNELS naming the table that results. Sixteen floats at a time:
 * one register of AVX-512, two of AVX2, four of SSE or NEON; the compiler splits them. */
#include "infer/kernels.h"

#include <math.h>
#include <string.h>

#ifndef KERNELS
#define KERNELS kernels_generic
#endif
extern const struct kernels KERNELS;

enum { LANES = 16 };
typedef float vec __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t mask __attribute__((vector_size(LANES * sizeof(int32_t))));
typedef uint32_t bits __attribute__((vector_size(LANES * sizeof(uint32_t))));

static inline vec load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store(float *p, vec v)
{
    memcpy(p, &v, sizeof v);
}

static inline vec all(float f)
{
    return f - (vec){0};
}

/* The last n < LANES elements; the other lanes hold `fill`. */
static inline vec load_tail(const float *p, int64_t n, float fill)
{
    vec v = all(fill);
    memcpy(&v, p, n * sizeof *p);
    return v;
}

static inline void store_tail(float *p, int64_t n, vec v)
{
    memcpy(p, &v, n * sizeof *p);
}

static inline vec choose(mask m, vec yes, vec no)
{
    return (vec)((m & (mask)yes) | (~m & (mask)no));
}

static inline vec larger(vec a, vec b)
{
    return choose(a > b, a, b);
}

/* Halves are added up, and halves of the result, in double. */
static inline double sum(vec v)
{
    typedef double wide __attribute__((vector_size(LANES * sizeof(double))));
    wide w = __builtin_convertvector(v, wide);
    double s[LANES];
    memcpy(s, &w, sizeof s);
    for (int n = LANES / 2; n; n /= 2)
        for (int i = 0; i < n; i++)
            s[i] += s[i + n];
    return s[0];
}

/* exp(x) = 2^n · exp(r) with n = round(x / ln 2) and |r| <= ln 2 / 2. ln 2 is taken away in two parts, the
 * first of which is exact in its product with n. exp(r) = 1 + r + r²·q(r); q is a minimax polynomial whose
 * own error is 3e-9, so that rounding (3e-7 all told) is what remains. */
static inline vec exp_vec(vec x)
{
    const vec shift = all(0x1.8p23f); /* adding it leaves the integer part in the lowest bits */
    vec t = x * all(0x1.715476p0f) + shift;
    vec n = t - shift;
    vec r = x - n * all(0x1.62e4p-1f) - n * all(0x1.7f7d1cp-20f);
    vec q = all(0x1.6a23cep-10f);
    q = q * r + all(0x1.123a2p-7f);
    q = q * r + all(0x1.5558f2p-5f);
    q = q * r + all(0x1.555492p-3f);
    q = q * r + all(0x1.fffffcp-2f);
    vec p = r * r * q + r + all(1);
    vec power = (vec)(((bits)t << 23) + (bits)all(1));
    vec y = choose(x < all(-87), all(0), p * power);
    return choose(x > all(88), all(INFINITY), y);
}

static void exp_row(float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(x + i, exp_vec(load(x + i)));
    store_tail(x + i, n - i, exp_vec(load_tail(x + i, n - i, 0)));
}

static double sum_of_squares(const float *x, int64_t n)
{
    vec s = all(0), v;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        v = load(x + i);
        s += v * v;
    }
    v = load_tail(x + i, n - i, 0);
    return sum(s + v * v);
}

static void rms_norm(const float *x, const float *weight, float *y, int64_t n, double eps)
{
    float scale = (float)(1 / sqrt(sum_of_squares(x, n) / (double)n + eps));
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * scale * weight[i];
}

/* A NaN anywhere is lost here, but not in the sum of exponentials that follows. */
static float largest(const float *x, int64_t n)
{
    vec m = all(-INFINITY);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        m = larger(load(x + i), m);
    m = larger(load_tail(x + i, n - i, -INFINITY), m);
    float best = m[0];
    for (int k = 1; k < LANES; k++)
        best = m[k] > best ? m[k] : best;
    return best;
}

static void softmax(float *x, int64_t n)
{
    vec top = all(largest(x, n)), s = all(0), v;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        v = exp_vec(load(x + i) - top);
        s += v;
        store(x + i, v);
    }
    v = exp_vec(load_tail(x + i, n - i, -INFINITY) - top);
    store_tail(x + i, n - i, v);
    float scale = (float)(1 / sum(s + v));
    for (int64_t k = 0; k < n; k++)
        x[k] *= scale;
}

static double log_sum_exp(const float *x, int64_t n)
{
    float top = largest(x, n);
    vec s = all(0);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        s += exp_vec(load(x + i) - all(top));
    s += exp_vec(load_tail(x + i, n - i, -INFINITY) - all(top));
    return log(sum(s)) + top;
}

static inline vec silu(vec x)
{
    return x / (all(1) + exp_vec(-x));
}

/* x/2 · (1 + tanh u) = x / (1 + exp(-2u)) with u = sqrt(2/π) · (x + 0.044715 x³) */
static inline vec gelu(vec x)
{
    vec u = all(0.79788456080286536f) * (x + all(0.044715f) * x * x * x);
    return x / (all(1) + exp_vec(all(-2) * u));
}

static void gate_silu(float *gate, const float *up, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(gate + i, silu(load(gate + i)) * load(up + i));
    store_tail(gate + i, n - i, silu(load_tail(gate + i, n - i, 0)) * load_tail(up + i, n - i, 0));
}

static void gate_gelu(float *gate, const float *up, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(gate + i, gelu(load(gate + i)) * load(up + i));
    store_tail(gate + i, n - i, gelu(load_tail(gate + i, n - i, 0)) * load_tail(up + i, n - i, 0));
}

/* A NaN stays one: every comparison with it is false. */
static inline vec clamped(vec gate, vec up)
{
    vec limit = all(7);
    gate = choose(gate > limit, limit, gate);
    up = choose(up > limit, limit, choose(up < -limit, -limit, up));
    return gate / (all(1) + exp_vec(all(-1.702f) * gate)) * (up + all(1));
}

static void gate_clamped(float *gate, const float *up, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(gate + i, clamped(load(gate + i), load(up + i)));
    store_tail(gate + i, n - i, clamped(load_tail(gate + i, n - i, 0), load_tail(up + i, n - i, 0)));
}

/* tanh u = 1 - 2 / (exp(2u) + 1) */
static inline vec cap_vec(vec x, vec cap)
{
    return cap * (all(1) - all(2) / (exp_vec(all(2) * x / cap) + all(1)));
}

static void soft_cap(float *x, float cap, int64_t n)
{
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        store(x + i, cap_vec(load(x + i), all(cap)));
    store_tail(x + i, n - i, cap_vec(load_tail(x + i, n - i, 0), all(cap)));
}

static void add(float *y, const float *x, float scale, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += scale * x[i];
}

/* Four sums side by side keep the adders busy. */
static float dot(const float *a, const float *b, int64_t n)
{
    vec s0 = all(0), s1 = s0, s2 = s0, s3 = s0;
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        s0 += load(a + i) * load(b + i);
        s1 += load(a + i + LANES) * load(b + i + LANES);
        s2 += load(a + i + 2 * LANES) * load(b + i + 2 * LANES);
        s3 += load(a + i + 3 * LANES) * load(b + i + 3 * LANES);
    }
    for (; i + LANES <= n; i += LANES)
        s0 += load(a + i) * load(b + i);
    s1 += load_tail(a + i, n - i, 0) * load_tail(b + i, n - i, 0);
    return (float)sum((s0 + s1) + (s2 + s3));
}

static void rotate_adjacent(float *x, const float *cosine, const float *sine, int64_t pairs)
{
    for (int64_t i = 0; i < pairs; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cosine[i] - b * sine[i];
        x[2 * i + 1] = a * sine[i] + b * cosine[i];
    }
}

static void rotate_halves(float *x, const float *cosine, const float *sine, int64_t pairs)
{
    float *y = x + pairs;
    for (int64_t i = 0; i < pairs; i++) {
        float a = x[i], b = y[i];
        x[i] = a * cosine[i] - b * sine[i];
        y[i] = a * sine[i] + b * cosine[i];
    }
}

const struct kernels KERNELS = {
    .rms_norm = rms_norm,
    .softmax = softmax,
    .log_sum_exp = log_sum_exp,
    .gate_silu = gate_silu,
    .gate_gelu = gate_gelu,
    .gate_clamped = gate_clamped,
    .soft_cap = soft_cap,
    .add = add,
    .dot = dot,
    .rotate_adjacent = rotate_adjacent,
    .rotate_halves = rotate_halves,
    .exp = exp_row,
};
