/* Numbers that look like chance and are the same everywhere, for what must come out alike on every machine. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

/* Within [0, 1), by a linear congruential generator (D. Knuth's MMIX); `state` begins with any number. */
static inline double random_share(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

#endif
