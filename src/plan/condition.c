#include "plan/condition.h"

#include <math.h>

#include "base/str.h"

static double number_of(const struct condition_kind *k, const struct yaml *when)
{
    switch (k->value) {
    case SCHEMA_BYTES: return (double)checked_bytes(when, k->key, 0);
    case SCHEMA_BOOL: return checked_bool(when, k->key, false);
    case SCHEMA_NUMBER: return checked_number(when, k->key, 0);
    default: return NAN;
    }
}

struct condition condition_read(const struct condition_kind *k, const struct yaml *when, struct arena *a)
{
    return (struct condition){
        .kind = k,
        .number = number_of(k, when),
        .words = k->comparison == ONE_OF ? checked_texts(when, k->key, a) : NULL,
    };
}

bool condition_meets(const struct condition *c, const double *numbers, const char *const *words)
{
    double is = numbers[c->kind->fact];
    switch (c->kind->comparison) {
    case AT_LEAST: return is >= c->number;
    case BELOW: return is < c->number;
    case IS: return is == c->number;
    default: break;
    }
    return words[c->kind->fact] && str_among(c->words, words[c->kind->fact]);
}
