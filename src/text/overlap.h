/* How much of one text stands in another one: of a text to evaluate on, what was seen while calibrating. */
#ifndef TEXT_OVERLAP_H
#define TEXT_OVERLAP_H

#include "text/samples.h"

/* The share of the runs of OVERLAP_WORDS words in `text` that stand somewhere in `other`, too; case, punctuation and
 * white space do not matter. NaN where `text` has no run of so many words. Eight words as in PaLM's test for
 * contamination (Chowdhery et al. 2022, section 8); fewer happen to be equal, as phrases of the language. */
enum { OVERLAP_WORDS = 8 };
double samples_overlap(const struct samples *text, const struct samples *other);

#endif
