#include "infer/rope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* What scaling does to one pair, whose angle per position is `frequency`. */
typedef double scaled_frequency(const struct hparams *hp, double base, int pair, double frequency);

static double linear(const struct hparams *hp, double base, int pair, double frequency)
{
    (void)base;
    (void)pair;
    return frequency / hp->rope_factor;
}

/* The pair (a real number) that turns `turns` times within the original context. */
static double pair_of_turns(const struct hparams *hp, double base, double turns)
{
    return hp->rope_dims * log(hp->rope_original_context / (turns * 2 * M_PI)) / (2 * log(base));
}

/* Pairs that turn often (32 times) keep their frequency, those that turn seldom (once) get it divided. */
static double yarn(const struct hparams *hp, double base, int pair, double frequency)
{
    double low = pair_of_turns(hp, base, hp->rope_fast), high = pair_of_turns(hp, base, hp->rope_slow);
    if (!hp->rope_ramp_exact) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, hp->rope_dims - 1);
    double slow = (pair - low) / fmax(high - low, 0.001);
    slow = fmin(fmax(slow, 0), 1);
    return frequency * (1 - slow) + frequency / hp->rope_factor * slow;
}

static double none(const struct hparams *hp, double base, int pair, double frequency)
{
    (void)hp;
    (void)base;
    (void)pair;
    return frequency;
}

static const struct scaling {
    const char *name;
    scaled_frequency *frequency;
    double magnitude; /* the rotated numbers grow by 1 + magnitude · ln factor */
} scalings[] = {
    {"", none, 0},
    {"linear", linear, 0},
    {"yarn", yarn, 0.1},
    {"longrope", none, 0},
};

static const struct scaling *scaling_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(scalings); i++)
        if (strcmp(scalings[i].name, name) == 0)
            return &scalings[i];
    return NULL;
}

bool rope_knows(const char *scaling)
{
    return scaling_named(scaling) != NULL;
}

uint64_t rope_init(struct rope *r, const struct architecture *a, const struct hparams *hp, double base,
                   const float *factors, int positions)
{
    const struct scaling *s = scaling_named(hp->rope_scaling);
    s = s ? s : &scalings[0];
    int pairs = a->rope == ROPE_NONE ? 0 : hp->rope_dims / 2;
    uint64_t bytes = (uint64_t)positions * pairs * sizeof *r->cosine;
    float magnitude = (float)(hp->rope_attn_factor * (1 + s->magnitude * log(hp->rope_factor)));
    *r = (struct rope){
        .dims = 2 * pairs, .positions = positions, .cosine = xaligned(bytes), .sine = xaligned(bytes)};
    r->rotate = a->rope == ROPE_HALVES ? kernels()->rotate_halves : kernels()->rotate_adjacent;
    for (int i = 0; i < pairs; i++) {
        double frequency = pow(base, -2.0 * i / r->dims) / (factors ? factors[i] : 1);
        frequency = s->frequency(hp, base, i, frequency);
        for (int64_t p = 0; p < positions; p++) {
            r->cosine[p * pairs + i] = magnitude * (float)cos(p * frequency);
            r->sine[p * pairs + i] = magnitude * (float)sin(p * frequency);
        }
    }
    return 2 * bytes;
}

void rope_done(struct rope *r)
{
    free(r->cosine);
    free(r->sine);
}

void rope_apply(const struct rope *r, float *x, int heads, int length, int position)
{
    int64_t pairs = r->dims / 2, at = position * pairs;
    for (int h = 0; h < heads && pairs; h++)
        r->rotate(x + (int64_t)h * length, r->cosine + at, r->sine + at, pairs);
}
