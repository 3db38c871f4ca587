/* A hash table from byte strings to small numbers: the vocabulary by its texts. Built once, then only read. */
#ifndef TEXT_STRMAP_H
#define TEXT_STRMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strmap {
    struct strmap_slot *slots; /* a power of two of them, at most half in use */
    size_t mask, count;
};
/* Room for `expected` strings; it grows past them. */
void strmap_init(struct strmap *m, size_t expected);
void strmap_done(struct strmap *m);
/* Borrows `text`. False, and nothing changes, where the string is there already. `value` is 0 or more. */
bool strmap_add(struct strmap *m, const char *text, size_t length, int32_t value);
/* -1 where there is none. */
int32_t strmap_get(const struct strmap *m, const char *text, size_t length);
/* The same for two strings read as one. */
int32_t strmap_get_joined(const struct strmap *m, const char *a, size_t a_length, const char *b, size_t b_length);

#endif
