/* How fast a placed model runs: decoding by the bytes that a token reads, prompts by their operations. */
#ifndef PLAN_SPEED_H
#define PLAN_SPEED_H

#include "plan/placement.h"

/* Tokens/s of one sequence with half its context filled: the time of a token is, over the devices, the bytes
 * read there by the bandwidth that is reached there; with tensor parallelism the GPUs read at the same time. NaN
 * where a bandwidth that matters is unknown. */
double speed_decode(const struct costs *c, const struct placement *p, const struct machine *m,
                    const struct runtime *r);
/* Tokens/s of a prompt; NaN unless all of it runs on GPUs whose peak is known. */
double speed_prefill(const struct costs *c, const struct placement *p, const struct machine *m,
                     const struct runtime *r);

#endif
