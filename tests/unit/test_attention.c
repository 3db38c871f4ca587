/* Attention and rotary positions against their definitions, in plain loops and double precision. */
#include "tests/unit/unit.h"

#include <math.h>

#include "infer/attention.h"
#include "infer/rope.h"
#include "tests/unit/noise.h"

struct sample {
    struct layer_shape shape;
    int sequences, length, past;
    double softcap;
    bool sinks;
    float *q, *k, *v, *out;
};

static float *noise_floats(int64_t count, uint64_t seed)
{
    struct noise n = {.state = seed};
    float *x = xaligned(count * sizeof *x);
    noise_fill(&n, x, count, 1);
    return x;
}

static const float sinks[6] = {0.5f, -1, 2, 0, 1, -3};

static void run(struct sample *s, int threads)
{
    const struct layer_shape *l = &s->shape;
    int64_t queries = (int64_t)s->sequences * s->length, keys = (int64_t)s->sequences * (s->past + s->length);
    s->q = noise_floats(queries * l->heads * l->key_length, 1);
    s->k = noise_floats(keys * l->kv_heads * l->key_length, 2);
    s->v = noise_floats(keys * l->kv_heads * l->value_length, 3);
    s->out = xaligned(queries * l->heads * l->value_length * sizeof *s->out);
    float *scratch = xaligned(threads * attention_scratch(l, s->past + s->length) * sizeof *scratch);
    attention(&(struct attention){.kernels = kernels(),
                                  .shape = l,
                                  .scale = 0.3,
                                  .softcap = s->softcap,
                                  .sinks = s->sinks ? sinks : NULL,
                                  .sequences = s->sequences,
                                  .length = s->length,
                                  .past = s->past,
                                  .q = s->q,
                                  .k = s->k,
                                  .v = s->v,
                                  .out = s->out,
                                  .scratch = scratch,
                                  .threads = threads});
    free(scratch);
}

static void done(struct sample *s)
{
    free(s->q);
    free(s->k);
    free(s->v);
    free(s->out);
}

/* One number of the result: of one sequence, query, head and column. */
static double expected(const struct sample *s, int sequence, int query, int head, int column)
{
    const struct layer_shape *l = &s->shape;
    int position = s->past + query,
        first = l->window && position + 1 > l->window ? position + 1 - l->window : 0;
    int kv_head = head / (l->heads / l->kv_heads);
    const float *q = s->q + (((int64_t)sequence * s->length + query) * l->heads + head) * l->key_length;
    double weights = s->sinks ? exp(sinks[head]) : 0, sum = 0;
    for (int p = first; p <= position; p++) {
        int64_t key = ((int64_t)sequence * (s->past + s->length) + p) * l->kv_heads + kv_head;
        double score = 0;
        for (int i = 0; i < l->key_length; i++)
            score += (double)q[i] * s->k[key * l->key_length + i];
        score *= 0.3;
        double weight = exp(s->softcap > 0 ? s->softcap * tanh(score / s->softcap) : score);
        weights += weight;
        sum += weight * s->v[key * l->value_length + column];
    }
    return sum / weights;
}

static void check(const struct sample *s)
{
    const struct layer_shape *l = &s->shape;
    const float *out = s->out;
    for (int sequence = 0; sequence < s->sequences; sequence++)
        for (int query = 0; query < s->length; query++)
            for (int head = 0; head < l->heads; head++)
                for (int column = 0; column < l->value_length; column++, out++)
                    if (!(fabs(*out - expected(s, sequence, query, head, column)) <= 1e-5))
                        fail_msg("sequence %d, query %d, head %d, column %d: %.9g, expected %.9g", sequence,
                                 query, head, column, *out, expected(s, sequence, query, head, column));
}

static void equals_definition(void **state)
{
    (void)state;
    struct sample samples[] = {
        {.shape = {.heads = 1, .kv_heads = 1, .key_length = 4, .value_length = 4},
         .sequences = 1,
         .length = 1},
        {.shape = {.heads = 6, .kv_heads = 2, .key_length = 8, .value_length = 8},
         .sequences = 2,
         .length = 150},
        {.shape = {.heads = 4, .kv_heads = 4, .key_length = 16, .value_length = 6},
         .sequences = 1,
         .length = 70,
         .past = 33},
        {.shape = {.heads = 8, .kv_heads = 1, .key_length = 5, .value_length = 3},
         .sequences = 3,
         .length = 65},
        {.shape = {.heads = 4, .kv_heads = 2, .key_length = 8, .value_length = 8, .window = 20},
         .sequences = 2,
         .length = 130},
        {.shape = {.heads = 2, .kv_heads = 1, .key_length = 8, .value_length = 8, .window = 7},
         .sequences = 1,
         .length = 1,
         .past = 30},
        {.shape = {.heads = 2, .kv_heads = 2, .key_length = 8, .value_length = 8},
         .sequences = 1,
         .length = 40,
         .softcap = 2},
        {.shape = {.heads = 6, .kv_heads = 2, .key_length = 8, .value_length = 8, .window = 20},
         .sequences = 2,
         .length = 130,
         .sinks = true},
        {.shape = {.heads = 6, .kv_heads = 3, .key_length = 8, .value_length = 8},
         .sequences = 1,
         .length = 1,
         .past = 30,
         .softcap = 2,
         .sinks = true},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(samples); i++) {
        run(&samples[i], 2);
        check(&samples[i]);
        done(&samples[i]);
    }
}

/* So many keys that a block holds one query only. */
static void long_past(void **state)
{
    (void)state;
    struct sample s = {.shape = {.heads = 16, .kv_heads = 1, .key_length = 4, .value_length = 2},
                       .sequences = 1,
                       .length = 3,
                       .past = 9000};
    run(&s, 2);
    check(&s);
    done(&s);
}

static void any_number_of_threads(void **state)
{
    (void)state;
    struct sample one = {.shape = {.heads = 6, .kv_heads = 3, .key_length = 64, .value_length = 64},
                         .sequences = 2,
                         .length = 200},
                  five = one;
    run(&one, 1);
    run(&five, 5);
    assert_memory_equal(one.out, five.out, 2 * 200 * 6 * 64 * sizeof *one.out);
    done(&one);
    done(&five);
}

/* -------------------------------------------------------------------- rotary */

static const struct architecture adjacent = {.rope = ROPE_ADJACENT}, halves = {.rope = ROPE_HALVES};

static void check_angles(const struct architecture *a, const struct hparams *hp, const float *factors,
                         double (*frequency)(const struct hparams *hp, int pair), double magnitude)
{
    enum { POSITIONS = 100, HEADS = 2, LENGTH = 20 };
    struct rope r;
    int pairs = hp->rope_dims / 2;
    rope_init(&r, a, hp, hp->rope_base, factors, POSITIONS);
    for (int position = 0; position < POSITIONS; position += 33) {
        float *x = noise_floats(HEADS * LENGTH, 4), *y = noise_floats(HEADS * LENGTH, 4);
        rope_apply(&r, y, HEADS, LENGTH, position);
        for (int i = 0; i < HEADS * LENGTH; i++) {
            int at = i % LENGTH, pair = a->rope == ROPE_ADJACENT ? at / 2 : at % pairs;
            bool second = a->rope == ROPE_ADJACENT ? at % 2 : at >= pairs;
            int other = a->rope == ROPE_ADJACENT ? i ^ 1 : second ? i - pairs : i + pairs;
            double angle = position * frequency(hp, pair % pairs) / (factors ? factors[pair % pairs] : 1);
            double want = at >= hp->rope_dims
                              ? x[i]
                              : magnitude * (x[i] * cos(angle) + (second ? 1 : -1) * x[other] * sin(angle));
            assert_float_equal(y[i], want, 2e-6);
        }
        free(x);
        free(y);
    }
    rope_done(&r);
}

static double plain(const struct hparams *hp, int pair)
{
    return pow(hp->rope_base, -2.0 * pair / hp->rope_dims);
}

static double quarter(const struct hparams *hp, int pair)
{
    return plain(hp, pair) / 4;
}

static struct hparams rotary(const char *scaling, double factor)
{
    struct hparams hp = {.rope_dims = 16, .rope_base = 10000, .rope_factor = factor, .rope_attn_factor = 1,
                         .rope_original_context = 2048, .rope_fast = 32, .rope_slow = 1};
    snprintf(hp.rope_scaling, sizeof hp.rope_scaling, "%s", scaling);
    return hp;
}

static void rotary_pairs(void **state)
{
    (void)state;
    struct hparams hp = rotary("", 1), scaled = rotary("linear", 4);
    static const float factors[8] = {1, 1, 1.5f, 2, 4, 8, 8, 8};
    check_angles(&adjacent, &hp, NULL, plain, 1);
    check_angles(&halves, &hp, NULL, plain, 1);
    check_angles(&adjacent, &hp, factors, plain, 1);
    check_angles(&adjacent, &scaled, NULL, quarter, 1);
}

/* 2048 / (2π · 10000^(pair / 8)) turns: pairs 0 and 1 make over 32 (103 is left alone), pair 7 and beyond
 * under one. The ramp runs from floor(2.02) = 2 to ceil(5.03) = 6; worked out from the paper's formulas
 * (section 3.2). */
static double yarn(const struct hparams *hp, int pair)
{
    static const double slow[8] = {0, 0, 0, 0.25, 0.5, 0.75, 1, 1};
    return plain(hp, pair) * (1 - slow[pair]) + plain(hp, pair) / 4 * slow[pair];
}

/* The same from 2.0160 to 5.0263, where 32 turns and one turn are exactly. */
static double exact_yarn(const struct hparams *hp, int pair)
{
    static const double slow[8] = {0, 0, 0, 0.3268776544, 0.6590704638, 0.9912632733, 1, 1};
    return plain(hp, pair) * (1 - slow[pair]) + plain(hp, pair) / 4 * slow[pair];
}

/* From 16 turns (pair 2.62, so 2) to 2 (pair 4.43, so 5); the magnitude is that of the file on top. */
static double narrow_yarn(const struct hparams *hp, int pair)
{
    static const double slow[8] = {0, 0, 0, 1. / 3, 2. / 3, 1, 1, 1};
    return plain(hp, pair) * (1 - slow[pair]) + plain(hp, pair) / 4 * slow[pair];
}

static void rotary_yarn(void **state)
{
    (void)state;
    struct hparams hp = rotary("yarn", 4), exact = hp, narrow = hp;
    exact.rope_ramp_exact = true;
    narrow.rope_fast = 16;
    narrow.rope_slow = 2;
    narrow.rope_attn_factor = 1.5;
    check_angles(&adjacent, &hp, NULL, yarn, 1 + 0.1 * log(4));
    check_angles(&halves, &exact, NULL, exact_yarn, 1 + 0.1 * log(4));
    check_angles(&adjacent, &narrow, NULL, narrow_yarn, 1.5 * (1 + 0.1 * log(4)));
}

/* The magnitude is the file's alone, and so are the factors. */
static void rotary_longrope(void **state)
{
    (void)state;
    struct hparams hp = rotary("longrope", 32);
    static const float factors[8] = {1, 1, 1.5f, 2, 4, 8, 8, 8};
    hp.rope_attn_factor = 1.19;
    check_angles(&halves, &hp, factors, plain, 1.19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_definition),     cmocka_unit_test(long_past),
        cmocka_unit_test(any_number_of_threads), cmocka_unit_test(rotary_pairs),
        cmocka_unit_test(rotary_yarn),           cmocka_unit_test(rotary_longrope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
