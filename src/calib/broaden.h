/* Samples of random tokens beside those of a text. A text wakes the inputs of its own kind; of what another text wakes
 * their moments say next to nothing, and error feedback pushes errors there. Random tokens, the more frequent ones
 * oftener, reach a little of everything. With an eighth of them the demo model diverges less on a text of another kind
 * (wikitext: 2 % at Q4_0, 11 % at Q4_K_M, 9 % at Q3_K_M, 7 % at Q2_K) and within 2 % as much as without on one of the
 * calibration's kind. */
#ifndef CALIB_BROADEN_H
#define CALIB_BROADEN_H

#include "text/chunks.h"

/* Appends one sample of them for every eight. */
void broaden(struct chunks *c, const struct tokenizer *t);

#endif
