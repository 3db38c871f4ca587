/* How one text became another, word by word. */
#ifndef EVAL_WORD_DIFF_H
#define EVAL_WORD_DIFF_H

#include "base/mem.h"

/* "the [-quick-] {+lazy+} fox": words of `a` alone, of `b` alone, of both; in the arena. Words are what blanks divide; of a
 * long text the first 512 are compared. */
const char *word_diff(const char *a, const char *b, struct arena *arena);

#endif
