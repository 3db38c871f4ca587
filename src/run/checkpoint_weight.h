/* One stored weight made in memory, for checkpoint.c. */
#ifndef RUN_CHECKPOINT_WEIGHT_H
#define RUN_CHECKPOINT_WEIGHT_H

#include "run/checkpoint.h"

struct weight_made {
    struct packed packed;           /* with its data; of what is kept only data[0], as it is stored */
    double error, power;            /* sums of squares: of what was lost, of what was there */
    int64_t bad;                    /* element that is no finite number, -1: none */
    float value;                    /* it */
    bool changed;                   /* scales were folded in: `error` says nothing */
};
/* ERROR_FAILED where numbers are not finite or too large for the kept format. weight_done frees whatever is returned. */
int weight_make(struct weight_made *w, const struct checkpoint_layout *l, const struct checkpoint_item *item,
                const struct checkpoint_made *made, struct error *e);
void weight_done(struct weight_made *w);
/* Decodes what a file holds: the first element that is not finite, -1: none. `parts` as packed.data. */
int64_t weight_check(const struct checkpoint_item *item, const unsigned char *const *parts, float *value);

#endif
