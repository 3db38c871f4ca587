/* Conditions of rules as data: a key, and the fact that its value is compared with. Each kind of rules has a list of its
 * own, a line a condition:
 *
 *     #define CONDITIONS(X) X("ctx_min", NUMBER, AT_LEAST, FACT_CTX, "the context wished for is at least so long") …
 *
 * from which the reader's table and that of the schema are made. */
#ifndef PLAN_CONDITION_H
#define PLAN_CONDITION_H

#include "base/mem.h"
#include "base/schema.h"

enum comparison { AT_LEAST, BELOW, ONE_OF, IS, LOSS_OVER /* of a level: decision.c */ };

struct condition_kind {
    const char *key;
    enum schema_kind value;
    enum comparison comparison;
    int fact;                    /* index into what is known */
};
#define CONDITION_KIND(key, value, comparison, fact, help) {key, SCHEMA_##value, comparison, fact},
#define CONDITION_FIELD(name, value, comparison, fact, text) {name, SCHEMA_##value, false, .help = text},

struct level;
struct condition {
    const struct condition_kind *kind;
    double number;               /* NaN: it is not about one */
    const char *const *words;    /* ONE_OF; else NULL */
    const struct level *level;   /* LOSS_OVER; else NULL */
};

/* The value of the kind's key in a checked map that has it; the words live in the arena. */
struct condition condition_read(const struct condition_kind *k, const struct yaml *when, struct arena *a);
/* Any but LOSS_OVER. What is unknown (NaN, NULL) meets no condition. */
bool condition_meets(const struct condition *c, const double *numbers, const char *const *words);

#endif
