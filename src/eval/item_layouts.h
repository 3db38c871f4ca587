/* The layouts of questions (private to items.c): a row each, by the members that only it has. */
#ifndef EVAL_ITEM_LAYOUTS_H
#define EVAL_ITEM_LAYOUTS_H

#include <jansson.h>

#include "eval/items.h"

#define ITEM_SIMPLEST "question, choices, answer"
/* GSM8K: behind it stands the answer in short. */
#define ITEM_MARK "####"

/* A line as it is read: into the item, with texts in the arena; `expected` says what it lacks. */
struct item_reading {
    struct arena *arena;
    struct item *item;
    const json_t *json;
    const char *expected;
};

struct item_kind {
    struct item_layout layout;
    const char *members[3];
    bool (*read)(struct item_reading *r); /* false: `expected` is set */
};
/* NULL: it has the members of none. */
const struct item_kind *item_kind_of(const json_t *j);

#endif
