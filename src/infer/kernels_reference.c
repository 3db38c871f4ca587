#include <math.h>

#include "infer/kernels.h"

static void exp_row(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)exp(x[i]);
}

static void rms_norm(const float *x, const float *weight, float *y, int64_t n, double eps)
{
    double squares = 0;
    for (int64_t i = 0; i < n; i++)
        squares += (double)x[i] * x[i];
    double scale = 1 / sqrt(squares / (double)n + eps);
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)(x[i] * scale * weight[i]);
}

static double log_sum_exp(const float *x, int64_t n)
{
    double top = x[0], sum = 0;
    for (int64_t i = 1; i < n; i++)
        top = x[i] > top ? x[i] : top;
    for (int64_t i = 0; i < n; i++)
        sum += exp(x[i] - top);
    return log(sum) + top;
}

static void softmax(float *x, int64_t n)
{
    double whole = log_sum_exp(x, n);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)exp(x[i] - whole);
}

static void gate_silu(float *gate, const float *up, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        gate[i] = (float)(gate[i] / (1 + exp(-gate[i])) * up[i]);
}

static void gate_gelu(float *gate, const float *up, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double x = gate[i], u = sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
        gate[i] = (float)(x / 2 * (1 + tanh(u)) * up[i]);
    }
}

static void gate_clamped(float *gate, const float *up, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double g = gate[i] > 7 ? 7 : gate[i], u = up[i] > 7 ? 7 : up[i] < -7 ? -7 : up[i];
        gate[i] = (float)(g / (1 + exp(-1.702 * g)) * (u + 1));
    }
}

static void soft_cap(float *x, float cap, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(cap * tanh(x[i] / cap));
}

static void add(float *y, const float *x, float scale, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)(y[i] + (double)scale * x[i]);
}

static float dot(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return (float)sum;
}

static void rotate(float *a, float *b, double cosine, double sine)
{
    double x = *a, y = *b;
    *a = (float)(x * cosine - y * sine);
    *b = (float)(x * sine + y * cosine);
}

static void rotate_adjacent(float *x, const float *cosine, const float *sine, int64_t pairs)
{
    for (int64_t i = 0; i < pairs; i++)
        rotate(&x[2 * i], &x[2 * i + 1], cosine[i], sine[i]);
}

static void rotate_halves(float *x, const float *cosine, const float *sine, int64_t pairs)
{
    for (int64_t i = 0; i < pairs; i++)
        rotate(&x[i], &x[i + pairs], cosine[i], sine[i]);
}

const struct kernels kernels_reference = {
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
